"""What is done with, and is let go of when it is older than it is to be kept."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from whereupon.records.entries import DeliveryState, Entry, EntryState

DONE = (DeliveryState.SENT, DeliveryState.WITHHELD, DeliveryState.DEAD)
"""Deliveries that nothing more becomes of."""


class RetainedKind(StrEnum):
    """What is let go of; the names are those of ``keep`` in the settings file."""

    SKIPS = "skips"
    DELIVERIES = "deliveries"
    ENTRIES = "entries"
    SET_ASIDE = "set_aside"


@dataclass(frozen=True, slots=True)
class RetentionCutoff:
    """All of one kind that ended before an instant.

    Attributes:
        before: the instant.
        unasked_before: messages that happened before it are put to no rule any more. Until then an entry
            says that its person was in already.
        lasting: rules whose entries say so for ever. (So do those that hold a slot for ever.)
    """

    kind: RetainedKind
    before: datetime
    unasked_before: datetime
    lasting: frozenset[str] = frozenset()


class PruneStep(NamedTuple):
    """What was let go of.

    Attributes:
        gone: rows.
        emptied: entries that only lost what their message said, since they keep their person out.
        cursor: the key up to which was looked; None when there is nothing behind it.
    """

    gone: int
    emptied: int = 0
    cursor: int | None = None


def has_ended(entry: Entry, before: datetime) -> bool:
    """Whether an entry has ended before an instant."""
    ended_at = entry.ended.at if entry.ended is not None else entry.entered_at
    return entry.state is not EntryState.ACTIVE and ended_at < before


def keeps_out(entry: Entry, bygones: RetentionCutoff) -> bool:
    """Whether an ended entry may still be the reason that its person is not let in again."""
    slot = entry.slot or ""
    if slot.startswith("per:"):
        period = timedelta(microseconds=int(slot.split(":")[1]))
        return entry.timestamp >= bygones.unasked_before - period
    if slot not in {"", "active"} or entry.rule in bygones.lasting:
        return True
    return entry.timestamp >= bygones.unasked_before
