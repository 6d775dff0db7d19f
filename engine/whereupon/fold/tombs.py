"""Tombstones: laying them over identifiers, lifting them, and which messages they silence.

Of an identifier only its keyed hash is kept. A stone is laid in the name of one user id, together
with those over everything else that the person was known by, and all of them are lifted together.
"""

from collections.abc import Iterable
from datetime import datetime

from whereupon.fold.working import Working
from whereupon.messages import Message
from whereupon.state import IdKind, Tombstone

DELETED = "deleted"
SUPPRESSED = "suppressed"


def bury(
    work: Working,
    identifiers: Iterable[tuple[IdKind, str]],
    *,
    laid_for: str,
    until: datetime | None,
    reason: str,
) -> None:
    """Silence identifiers: up to an instant, or for good; never less than they are already.

    Args:
        laid_for: the user id in whose name it is done.
    """
    name = work.settings.digest(IdKind.USER, laid_for)
    for kind, value in identifiers:
        digest = work.settings.digest(kind, value)
        there = work.tombstones[digest].get(name)
        if there is None or (there.until is not None and (until is None or until > there.until)):
            _lay(work, Tombstone(digest, until, reason, name))


def unbury(work: Working, user_id: str, heard_from: datetime) -> None:
    """Let everything that was silenced for good in a person's name be heard again, from an instant on.

    Nothing comes back, and what happened before, however late it arrives, stays unheard.
    """
    names = {
        stone.laid_for
        for digest in work.settings.digests(IdKind.USER, user_id)
        for stone in work.tombstones[digest].values()
    }
    for of_one in list(work.tombstones.values()):
        for stone in list(of_one.values()):
            if stone.laid_for in names and stone.until is None:
                _lay(work, Tombstone(stone.digest, heard_from, stone.reason, stone.laid_for))


def _lay(work: Working, stone: Tombstone) -> None:
    work.tombstones[stone.digest][stone.laid_for] = stone
    work.changes.tombstones[stone.place] = stone
    work.silencing = True


def silenced(work: Working, message: Message) -> Tombstone | None:
    """The tombstone that keeps this message from anybody, if there is one.

    A message with a user id is that person's: the anonymous id beside it may be a shared device's.
    """
    if not work.silencing:
        return None
    if message.user_id is not None:
        return lies_over(work, (IdKind.USER, message.user_id), message.timestamp)
    return lies_over(work, (IdKind.ANONYMOUS, message.anonymous_id or ""), message.timestamp)


def lies_over(work: Working, identifier: tuple[IdKind, str], instant: datetime) -> Tombstone | None:
    """The tombstone that silences an identifier at an instant, if there is one."""
    kind, value = identifier
    for digest in work.settings.digests(kind, value):
        for stone in work.tombstones.get(digest, {}).values():
            if stone.until is None or instant <= stone.until:
                return stone
    return None
