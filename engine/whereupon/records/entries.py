"""Entries: persons' runs through the steps of rules."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from pydantic import JsonValue

from whereupon.messages.model import SenderClass
from whereupon.messages.structs import Frozen, replaced
from whereupon.messages.times import LAST_INSTANT
from whereupon.records.operations import Operation, OperationKind, Operations, latest
from whereupon.records.people import NOTHING
from whereupon.records.trail import Mark, Trail


class EntryState(StrEnum):
    """Where an entry is: still running, or how it ended.

    ``paused``: an operator has paused it, and it stands still. ``failed``: the engine failed on a step.
    ``held-out``: the person belongs to the rule's holdout, and no step is done.
    """

    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    EXITED = "exited"
    FAILED = "failed"
    HELD_OUT = "held-out"


INSIDE = (EntryState.ACTIVE, EntryState.PAUSED)
"""The states of an entry whose person is inside the rule."""


_ACTIVE, _COMPLETED = EntryState.ACTIVE, EntryState.COMPLETED  # looked up slowly as attributes
_EXITED = EntryState.EXITED


NEVER: Final = LAST_INSTANT
"""When an entry is due that waits for something other than a time."""


class EndReason(StrEnum):
    """Why an entry ended. A reason keeps its name for ever.

    Attributes:
        EVENT, CONDITION, SEGMENT: a part of the rule's `exit` held.
        STEP: an ``exit`` step.
        WHO: the rule says `stay`, and its `who` holds no longer.
        GOAL: the person reached the rule's goal.
        NO_DATE: the person lacks the date that a `wait` goes by.
        STEP_FAILED: a call was given up whose step says ``on_failure: exit``.
        HOLDOUT: the person belongs to the rule's holdout.
        MERGED: its person was merged with another, whose entry goes on.
        DELETED: its person was erased, and the entry with the person; no record is kept.
        RULE_GONE: the rulebook no longer has the rule.
        OPERATOR: an operator ended it.
        CANCELLED: an operator cancelled the broadcast's run.
    """

    COMPLETED = "completed"
    EVENT = "event"
    CONDITION = "condition"
    SEGMENT = "segment"
    STEP = "step"
    WHO = "who"
    GOAL = "goal"
    NO_DATE = "no-date"
    STEP_FAILED = "step-failed"
    HOLDOUT = "holdout"
    MERGED = "merged"
    DELETED = "deleted"
    RULE_GONE = "rule-gone"
    OPERATOR = "operator"
    CANCELLED = "cancelled"
    FAILED = "failed"

    __hash__ = str.__hash__  # as of an equal text, and faster than an enumeration's own


EXITS: Final = frozenset(
    {EndReason.EVENT, EndReason.CONDITION, EndReason.SEGMENT, EndReason.WHO, EndReason.GOAL}
)
"""Why an entry ends that its rule stops: what it made and is not sent yet is withdrawn."""


class EntryEnd(Frozen, frozen=True):
    """How an entry ended.

    Attributes:
        reason: an `EndReason`.
        detail: the event's name, the condition in words, or the segment's id.
        message_id: of the message that ended it; None if time ended it.
    """

    reason: str
    at: datetime
    detail: str | None = None
    message_id: str | None = None


_END_STATES: Mapping[str, EntryState] = {
    EndReason.COMPLETED: _COMPLETED,
    EndReason.FAILED: EntryState.FAILED,
    EndReason.HOLDOUT: EntryState.HELD_OUT,
}
"""The state after an end for each reason; ``exited`` after any other."""


class Entry(Frozen, frozen=True):
    """One person's run through one rule's steps.

    Attributes:
        entrant: the key of the person who entered. `person_key` follows merges and this does not, so that
            the database's uniqueness needs no repair when two persons become one.
        occasion: what opened it: a message (see `ref_of`), or a scheduled broadcast's rule and time.
        timestamp: when the opening message happened; windows of re-entry are measured on it.
        slot: the re-entry slot; the database admits one entry per (rule, entrant, slot).
        address: of the next step; a step that waits for something is itself the next (see `rules.route`). Of an
            entry that has ended, the step at which it ended.
        due_at: when the next step is due, or was when the entry was paused; None if the entry has ended.
        facts: what templates read of the opening message: event, properties, context, timestamp. Nothing, if the
            entry came to its end without a wait and left no trail, since nothing reads them any more.
        source: the class of the opening message's sender, which messages that steps send have, too. A
            schedule and a call of the host's count as the server.
        ended: None while the entry runs, and if it ended before version 0007 of the tables.
        operations: what operators did to it.
        trail: what it passed on its way.
        arms: the arms of splits that it took, such as ``subject-june=a``, with commas between.
        sent_at: when its first delivery was made that was not withheld; kept for rules with a goal, a holdout
            or a split.
        watched_until: up to when the rule's goal counts; None if the rule has none, or it is reached.
        converted_at: when the person reached the goal.
    """

    key: int
    rule: str
    digest: str
    person_key: int
    entrant: int
    occasion: str
    timestamp: datetime
    entered_at: datetime
    retroactive: bool
    slot: str | None
    state: EntryState
    address: str
    due_at: datetime | None
    facts: Mapping[str, JsonValue]
    depth: int = 0
    message_key: int = 0
    source: SenderClass = SenderClass.CLIENT
    ended: EntryEnd | None = None
    operations: Operations = ()
    trail: Trail = ()
    arms: str | None = None
    sent_at: datetime | None = None
    watched_until: datetime | None = None
    converted_at: datetime | None = None

    @property
    def is_inside(self) -> bool:
        """Whether the person is inside the rule, running or paused."""
        return self.state in INSIDE

    @property
    def is_held_out(self) -> bool:
        """Whether the person belongs to the rule's holdout."""
        return self.state is EntryState.HELD_OUT

    @property
    def waits_until(self) -> datetime | None:
        """When a running entry is due; None if it has no such time, or is not running."""
        if self.state is not _ACTIVE or self.due_at == NEVER:
            return None
        return self.due_at

    @property
    def paused(self) -> Operation | None:
        """Who paused it and when; None unless it is paused."""
        if self.state is not EntryState.PAUSED:
            return None
        return latest(self.operations, OperationKind.PAUSED)

    def moved(self, address: str, due_at: datetime | None, *marks: Mark) -> "Entry":
        """The entry at another step, with further marks on its trail."""
        if not marks:
            return self.changed(address=address, due_at=due_at)
        return self.changed(address=address, due_at=due_at, trail=(*self.trail, *marks))

    def finished(self, end: EntryEnd) -> "Entry":
        """The entry at its end; a slot that only guarded that it runs is free again."""
        state = _END_STATES.get(end.reason, _EXITED)
        slot = None if self.slot == "active" else self.slot
        is_at_once = state is _COMPLETED and self.due_at == self.entered_at
        is_asked = bool(self.trail) or self.watched_until is not None  # by a trail, or by a goal
        facts = NOTHING if is_at_once and not is_asked else self.facts
        return replaced(self, slot=slot, state=state, due_at=None, facts=facts, ended=end)

    def marked(self, *marks: Mark) -> "Entry":
        """The entry with further marks on its trail."""
        return self.changed(trail=(*self.trail, *marks))


class WaitingVersion(NamedTuple):
    """A rule version that persons are inside of.

    Attributes:
        digest: the version's.
        due_at: when the first of its running entries is due.
    """

    rule: str
    digest: str
    due_at: datetime


class EntryFilter(NamedTuple):
    """Which entries are meant; None means any.

    Attributes:
        version: the digest.
        address: of the next step.
    """

    rule: str | None = None
    person_key: int | None = None
    states: tuple[EntryState, ...] = tuple(EntryState)
    version: str | None = None
    address: str | None = None

    @property
    def is_inside(self) -> bool:
        """Whether only entries are meant whose persons are inside."""
        return set(self.states) <= set(INSIDE)

    def admits(self, entry: Entry) -> bool:
        """Whether an entry is meant."""
        return (
            self.rule in {None, entry.rule}
            and self.person_key in {None, entry.person_key}
            and entry.state in self.states
            and self.version in {None, entry.digest}
            and self.address in {None, entry.address}
        )


class EntryCount(NamedTuple):
    """How many people are inside a rule, in one version before one step, in one state.

    Attributes:
        version: the digest.
        address: of the next step.
        due_at: when the first of them is due, or was when it was paused.
    """

    rule: str
    version: str
    address: str
    state: EntryState
    people: int
    due_at: datetime
