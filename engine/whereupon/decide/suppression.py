"""Tombstones: added, lifted, and the messages that they suppress."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from whereupon.decide.batch_state import BatchState
from whereupon.messages.model import Message, MessageType
from whereupon.messages.times import LAST_INSTANT
from whereupon.records import IdKind, Tombstone

DELETED = "deleted"
SUPPRESSED = "suppressed"


def add_tombstones(
    work: BatchState,
    identifiers: Iterable[tuple[IdKind, str]],
    *,
    of: str,
    until: datetime | None,
    reason: str,
) -> None:
    """Suppress the messages of identifiers; a tombstone that reaches further is kept.

    Args:
        of: the user id that is deleted or suppressed.
        until: messages up to that instant; None for all.
    """
    added_by = work.settings.digest(IdKind.USER, of)
    for kind, value in identifiers:
        work.changes.erased_identifiers.append((kind, value))
        digest = work.settings.digest(kind, value)
        there = work.tombstones.get(digest, {}).get(added_by)
        if there is None or (there.until and (until is None or until > there.until)):
            _put(work, Tombstone(digest, added_by, until, reason))


def lift_tombstones(work: BatchState, message: Message) -> None:
    """Let a user id that was suppressed for good be used again, from the message's time on.

    So are the ids that were suppressed together with it, and an anonymous id that the message names.
    Nothing comes back: messages from before stay suppressed, however late they arrive.
    """
    for tombstone in suppressions(work, message):
        _put(work, replace(tombstone, until=message.timestamp))


def suppressions(work: BatchState, message: Message) -> list[Tombstone]:
    """The tombstones that `lift_tombstones` lifts."""
    digests = work.settings.digests
    own = digests(IdKind.USER, message.user_id or "")
    together = {of for digest in own for of in work.tombstones.get(digest, {})}
    named = digests(IdKind.ANONYMOUS, message.anonymous_id or "")
    return [
        tombstone
        for tombstones in work.tombstones.values()
        for tombstone in tombstones.values()
        if tombstone.until is None and (tombstone.of in together or tombstone.digest in named)
    ]


def _put(work: BatchState, tombstone: Tombstone) -> None:
    work.tombstones.setdefault(tombstone.digest, {})[tombstone.of] = tombstone
    work.changes.tombstones[tombstone.digest, tombstone.of] = tombstone
    work.has_tombstones = True


def tombstone_over(work: BatchState, message: Message) -> Tombstone | None:
    """The tombstone that suppresses a message, if there is one.

    A message with a user id belongs to that person; the anonymous id beside it may be a shared device. An
    alias names two persons. It is suppressed if either of them is, since it would bring that person back.
    """
    if not work.has_tombstones:
        return None
    if message.user_id is None:
        return tombstone_for(work, (IdKind.ANONYMOUS, message.anonymous_id), message.timestamp)
    tombstone = tombstone_for(work, (IdKind.USER, message.user_id), message.timestamp)
    if tombstone is None and message.type is MessageType.ALIAS:
        tombstone = tombstone_for(work, (IdKind.USER, message.target_id), message.timestamp)
    return tombstone


def tombstone_for(
    work: BatchState, identifier: tuple[IdKind, str | None], instant: datetime
) -> Tombstone | None:
    """The tombstone of an id that reaches an instant; of several, the one that reaches furthest."""
    kind, value = identifier
    reaching = [
        tombstone
        for digest in work.settings.digests(kind, value or "")
        for tombstone in work.tombstones.get(digest, {}).values()
        if tombstone.until is None or instant <= tombstone.until
    ]
    return max(reaching, key=_reach, default=None)


def _reach(tombstone: Tombstone) -> tuple[bool, datetime, str]:
    return tombstone.until is None, tombstone.until or LAST_INSTANT, tombstone.reason
