"""Which records are too old to be kept, after the settings' ``keep``."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from whereupon.records.answers import KeptAnswer
from whereupon.records.broadcasts import NAMED, BroadcastRun
from whereupon.records.deliveries import Delivery, DeliveryState
from whereupon.records.entries import Entry
from whereupon.records.inbox import InboxItem
from whereupon.records.open_skips import OpenSkip
from whereupon.records.skips import Skips
from whereupon.records.stored_messages import SetAside
from whereupon.records.time_skips import TimeSkip

DONE = (DeliveryState.SENT, DeliveryState.WITHHELD, DeliveryState.DEAD)
"""States of a delivery that is over."""


class RetainedKind(StrEnum):
    """What is pruned; the names are those of ``keep`` in the settings file.

    An item of ``inbox``, of ``answers`` and of ``open_skips`` says itself how long it is kept. ``runs`` are those of broadcasts to named
    people; they are kept as long as entries. ``time_skips`` are kept as long as skips.
    """

    SKIPS = "skips"
    DELIVERIES = "deliveries"
    ENTRIES = "entries"
    SET_ASIDE = "set_aside"
    INBOX = "inbox"
    ANSWERS = "answers"
    RUNS = "runs"
    OPEN_SKIPS = "open_skips"
    TIME_SKIPS = "time_skips"


def gone_mark(kind: RetainedKind) -> str:
    """The name of the mark that says from when on all records of a kind are there."""
    return f"gone_{kind.value}"


GONE_SKIPS = gone_mark(RetainedKind.SKIPS)
"""The mark of skips. What a message's row says that was received before it counts as gone (see `SkippedList`)."""

PrunedRecord: TypeAlias = (
    Skips
    | Delivery
    | Entry
    | SetAside
    | InboxItem
    | KeptAnswer
    | BroadcastRun
    | OpenSkip
    | TimeSkip
)

PRUNED_RECORDS: Final[Mapping[RetainedKind, type[PrunedRecord]]] = MappingProxyType(
    {
        RetainedKind.SKIPS: Skips,
        RetainedKind.DELIVERIES: Delivery,
        RetainedKind.ENTRIES: Entry,
        RetainedKind.SET_ASIDE: SetAside,
        RetainedKind.INBOX: InboxItem,
        RetainedKind.ANSWERS: KeptAnswer,
        RetainedKind.RUNS: BroadcastRun,
        RetainedKind.OPEN_SKIPS: OpenSkip,
        RetainedKind.TIME_SKIPS: TimeSkip,
    }
)
"""The records of each kind."""


@dataclass(frozen=True, slots=True)
class RetentionCutoff:
    """All records of one kind that were over before an instant.

    Attributes:
        before: the instant.
        unasked_before: messages that happened before it trigger no rule any more. Until then an entry
            keeps its person from entering again.
        lasting: ids of rules whose entries do so for ever. (So do entries that hold a slot for ever.)
    """

    kind: RetainedKind
    before: datetime
    unasked_before: datetime
    lasting: frozenset[str] = frozenset()


class PruneStep(NamedTuple):
    """What was pruned.

    Attributes:
        gone: the number of records that were dropped.
        emptied: the number of entries that lost their facts, and stay because they keep their person out.
        cursor: the key up to which was looked; None if nothing is behind it.
    """

    gone: int
    emptied: int = 0
    cursor: int | None = None


class PruneAction(Enum):
    """What is done with a record that is too old."""

    DROP = "drop"
    EMPTY = "empty"


def prune_action(record: PrunedRecord, cutoff: RetentionCutoff) -> PruneAction | None:
    """What the cutoff does with a record of its kind; None if the record stays as it is."""
    if isinstance(record, Entry):
        return _entry_action(record, cutoff)
    if isinstance(record, Delivery):
        is_old = record.state in DONE and record.due_at < cutoff.before
    elif isinstance(record, InboxItem):
        is_old = not record.is_shown(cutoff.before)
    elif isinstance(record, KeptAnswer | OpenSkip):
        is_old = record.expires_at <= cutoff.before
    elif isinstance(record, BroadcastRun):
        is_over = record.cursor is None and record.reason == NAMED
        is_old = is_over and record.timestamp < cutoff.before
    elif isinstance(record, Skips | TimeSkip):
        is_old = record.decided_at < cutoff.before
    else:
        is_old = record.set_aside_at < cutoff.before
    return PruneAction.DROP if is_old else None


def _entry_action(entry: Entry, cutoff: RetentionCutoff) -> PruneAction | None:
    ended_at = entry.ended.at if entry.ended is not None else entry.entered_at
    if entry.is_inside or ended_at >= cutoff.before:
        return None
    if entry.watched_until is not None and entry.watched_until >= cutoff.before:
        return None
    if not _keeps_out(entry, cutoff):
        return PruneAction.DROP
    return PruneAction.EMPTY if entry.facts else None


def _keeps_out(entry: Entry, cutoff: RetentionCutoff) -> bool:
    """Whether an ended entry may still keep its person from entering again."""
    slot = entry.slot or ""
    if slot.startswith("per:"):
        period = timedelta(microseconds=int(slot.split(":")[1]))
        return entry.timestamp >= cutoff.unasked_before - period
    if slot not in {"", "active"} or entry.rule in cutoff.lasting:
        return True
    return entry.timestamp >= cutoff.unasked_before
