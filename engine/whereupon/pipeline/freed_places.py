"""Sends that wait for a place under a cap look again as soon as a place is given back."""

from collections.abc import Collection
from datetime import datetime

from whereupon.decide.caps import waits_for_place
from whereupon.ports import Session
from whereupon.records import (
    WAITING,
    Changes,
    Delivery,
    Entry,
    SendKind,
)
from whereupon.rules.model import FolderSettings, WaitUpTo


def lets_wait(settings: FolderSettings) -> bool:
    """Whether a send may wait for a place under some cap of the folder."""
    return any(isinstance(cap.otherwise, WaitUpTo) for cap in settings.caps)


def wake_by_withdrawals(session: Session, changes: Changes, at: datetime) -> None:
    """Let the sends look again that wait for places which an operator's changes give back.

    What a batch withdraws lets them look again at once (see `BatchState.withdraw`).

    Args:
        session: holds the persons of what is withdrawn, or will.
        changes: before they are written; they get the entries.
        at: when it is withdrawn.
    """
    stored = session.deliveries_by_key(changes.withdrawn)
    while session.lock({delivery.person_key for delivery in stored}, ()):
        stored = session.deliveries_by_key(changes.withdrawn)
    persons = {delivery.person_key for delivery in stored if _counts(delivery)}
    for was in session.active_entries(persons) if persons else ():
        entry = changes.entries.get(was.key, was)
        if waits_for_place(entry, at):
            changes.entries[was.key] = entry.changed(due_at=at)
            changes.before.setdefault(was.key, was)


def wake_by_ends(session: Session, deliveries: Collection[Delivery], at: datetime) -> int:
    """Let the sends look again that wait for places which deliveries have given back, each withheld or dead.

    Args:
        session: a transaction of its own.
        deliveries: as they were before.
        at: when they ended.

    Returns:
        How many look again.
    """
    persons = {delivery.person_key for delivery in deliveries if _counts(delivery)}
    while session.lock(persons, ()):
        pass
    found = _waiting(session, persons, at)
    if found:
        entries = {was.key: was.changed(due_at=at) for was in found}
        session.flush(Changes(entries=entries, before={was.key: was for was in found}))
    return len(found)


def _counts(delivery: Delivery) -> bool:
    return delivery.kind is SendKind.MARKETING and delivery.state in WAITING


def _waiting(session: Session, persons: Collection[int], at: datetime) -> list[Entry]:
    found = session.active_entries(persons) if persons else []
    return [entry for entry in found if waits_for_place(entry, at)]
