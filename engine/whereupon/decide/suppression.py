"""Tombstones while a batch is folded: laid, lifted, and what they keep from everybody."""

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
    """Silence identifiers: up to an instant, or for good; never less than they are already.

    Args:
        of: the user id whose deletion or suppression it is.
    """
    laid_by = work.settings.digest(IdKind.USER, of)
    for kind, value in identifiers:
        work.changes.erased_identifiers.append((kind, value))
        digest = work.settings.digest(kind, value)
        there = work.tombstones[digest].get(laid_by)
        if there is None or (there.until and (until is None or until > there.until)):
            _lay(work, Tombstone(digest, laid_by, until, reason))


def lift_tombstones(work: BatchState, message: Message) -> None:
    """Let what was silenced for good with a user id be heard again, from the message's time on.

    So is an anonymous id that the message names itself. Nothing comes back, and what happened before,
    however late it arrives, stays unheard.
    """
    for tombstone in suppressions(work, message):
        _lay(work, replace(tombstone, until=message.timestamp))


def suppressions(work: BatchState, message: Message) -> list[Tombstone]:
    """What `lift_tombstones` lifts."""
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


def _lay(work: BatchState, tombstone: Tombstone) -> None:
    work.tombstones[tombstone.digest][tombstone.of] = tombstone
    work.changes.tombstones[tombstone.digest, tombstone.of] = tombstone
    work.has_tombstones = True


def tombstone_over(work: BatchState, message: Message) -> Tombstone | None:
    """The tombstone that keeps this message from anybody, if there is one.

    A message with a user id is that person's: the anonymous id beside it may be a shared device's. An
    alias speaks of two people: of neither where one is silenced, or it would bring them back.
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
    """The tombstone of an id that reaches the instant: of several, the one that reaches furthest."""
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
