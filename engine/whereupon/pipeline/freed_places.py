"""Sends that wait for a place under a cap look again as soon as a place is given back."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from whereupon.messages.times import LAST_INSTANT
from whereupon.ports import Session
from whereupon.records import (
    WAITING,
    Changes,
    Delivery,
    Entry,
    EntryState,
    MarkKind,
    SendKind,
    mark_at,
)
from whereupon.rules.model import FolderSettings, WaitUpTo


def lets_wait(settings: FolderSettings) -> bool:
    """Whether a send may wait for a place under some cap of the folder."""
    return any(isinstance(cap.otherwise, WaitUpTo) for cap in settings.caps)


def wake_by_withdrawals(session: Session, changes: Changes, at: datetime | None = None) -> None:
    """Let the sends look again that wait for places which these changes give back.

    Args:
        session: holds the persons of what is withdrawn, or will.
        changes: before they are written; they get the entries.
        at: when it is withdrawn; None if that is when the entries among the changes end that made it.
    """
    stored = session.deliveries_by_key(changes.withdrawn)
    while session.lock({delivery.person_key for delivery in stored}, ()):
        stored = session.deliveries_by_key(changes.withdrawn)
    made = (d for d in changes.deliveries if d.idempotency_key in changes.withdrawn)
    moved = {merge.loser_key: merge.survivor_key for merge in changes.merges}
    counted = [delivery for delivery in (*stored, *made) if _counts(delivery)]
    freed = _freed(counted, changes, moved, at)
    persons = freed.keys() | {each.person_key for each in counted}
    active = session.active_entries(persons) if persons else []
    stored_entries = {was.key: was for was in active}
    theirs = {e.key: e for e in changes.entries.values() if e.person_key in persons}
    for key, entry in {**stored_entries, **theirs}.items():
        freed_at = _next_freed(entry, freed[moved.get(entry.person_key, entry.person_key)])
        if waits_for_place(entry, freed_at):
            changes.entries[key] = entry._replace(due_at=freed_at)
            if key in stored_entries:
                changes.before.setdefault(key, stored_entries[key])


def _freed(
    counted: Sequence[Delivery], changes: Changes, moved: Mapping[int, int], at: datetime | None
) -> dict[int, list[datetime]]:
    """When places are given back, in order, by the key of the person who is left after merges."""
    ends: dict[tuple[int, str, str | None], datetime] = {}
    for entry in changes.entries.values():
        if entry.ended is not None:
            person = moved.get(entry.person_key, entry.person_key)
            ends[person, entry.rule, entry.occasion] = entry.ended.at
    last = at or max(ends.values(), default=LAST_INSTANT)
    freed: dict[int, list[datetime]] = defaultdict(list)
    for delivery in counted:
        person = moved.get(delivery.person_key, delivery.person_key)
        freed[person].append(at or ends.get((person, delivery.rule, delivery.occasion), last))
    return {person: sorted(times) for person, times in freed.items()}


def _next_freed(entry: Entry, freed: Sequence[datetime]) -> datetime:
    """When the first place is given back after the entry has begun to wait for one; else the last of them."""
    mark = mark_at(entry.trail, entry.address, MarkKind.CAP)
    return next((at for at in freed if mark is None or at >= mark.at), freed[-1])


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
        entries = {was.key: was._replace(due_at=at) for was in found}
        session.flush(Changes(entries=entries, before={was.key: was for was in found}))
    return len(found)


def _counts(delivery: Delivery) -> bool:
    return delivery.kind is SendKind.MARKETING and delivery.state in WAITING


def _waiting(session: Session, persons: Collection[int], at: datetime) -> list[Entry]:
    found = session.active_entries(persons) if persons else []
    return [entry for entry in found if waits_for_place(entry, at)]


def waits_for_place(entry: Entry, at: datetime) -> bool:
    """Whether the entry stands at a send and waits for a place longer than that."""
    if entry.state is not EntryState.ACTIVE or entry.due_at is None or entry.due_at <= at:
        return False
    return mark_at(entry.trail, entry.address, MarkKind.CAP) is not None
