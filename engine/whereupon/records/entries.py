"""Entries: persons' runs through the steps of rules, and as much of earlier ones as re-entry needs."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple, overload

from pydantic import JsonValue

from whereupon.messages.model import SenderClass
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
_new = tuple.__new__  # a named tuple of values that are in its order already


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


class EntryEnd(NamedTuple):
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


class Entry(NamedTuple):
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
        """The entry at another step, with further marks on its trail; as `_replace`, at a fifth of its cost."""
        if not marks:
            return _new(Entry, (*self[:11], address, due_at, *self[13:]))
        trail = (*self.trail, *marks)
        return _new(Entry, (*self[:11], address, due_at, *self[13:19], trail, *self[20:]))

    def finished(self, end: EntryEnd) -> "Entry":
        """The entry at its end; a slot that only guarded that it runs is free again."""
        (key, rule, digest, person, entrant, occasion, at, entered_at, late, slot, _, address, due_at, facts,
         depth, message_key, source, _, done, trail, arms, sent_at, watched_until, converted_at) = self  # fmt: skip
        state = _END_STATES.get(end[0], _EXITED)
        if slot == "active":
            slot = None
        if state is _COMPLETED and due_at == entered_at and not trail and watched_until is None:
            facts = NOTHING  # done at once, and no trail or goal asks for them
        finished: tuple[object, ...] = (
            key, rule, digest, person, entrant, occasion, at, entered_at, late, slot, state, address, None, facts,
            depth, message_key, source, end, done, trail, arms, sent_at, watched_until, converted_at,
        )  # fmt: skip
        return _new(Entry, finished)

    def marked(self, *marks: Mark) -> "Entry":
        """The entry with further marks on its trail."""
        return self._replace(trail=(*self.trail, *marks))


JUST_OPENED: Final = tuple(Entry._field_defaults.values())[3:]
"""What an entry has on its way that has not begun yet: all fields from `ended` on."""


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


class PastEntry(NamedTuple):
    """As much of an earlier entry as the verdict on another needs; ``active`` while its person is inside."""

    rule: str
    person_key: int
    timestamp: datetime
    slot: str | None
    active: bool
    occasion: str

    @classmethod
    def of(cls, entry: Entry) -> "PastEntry":
        """The entry as the verdict on another needs it."""
        place = (entry.rule, entry.person_key, entry.timestamp, entry.slot)
        return _new(cls, (*place, entry.state in INSIDE, entry.occasion))


_FEW: Final = 8
"""So many entries are looked through one by one."""


class PastEntries(Sequence[PastEntry]):
    """A person's entries in one rule; where they are many, they are indexed by their slots and occasions."""

    __slots__ = ("_active", "_entries", "_places", "_slots")

    _places: dict[str, list[int]] | None
    _slots: dict[str | None, int]

    def __init__(self) -> None:
        self._entries: list[PastEntry] = []
        self._places = None  # as long as they are few
        self._active = 0

    @overload
    def __getitem__(self, place: int) -> PastEntry: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[PastEntry]: ...
    def __getitem__(self, place: int | slice) -> PastEntry | Sequence[PastEntry]:
        return self._entries[place]

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[PastEntry]:
        return iter(self._entries)

    @property
    def is_any_active(self) -> bool:
        """Whether one of them is running."""
        return self._active > 0

    def has_slot(self, slot: str) -> bool:
        """Whether one of them holds a slot."""
        if self._places is not None:
            return self._slots.get(slot, 0) > 0
        return any(entry.slot == slot for entry in self._entries)

    def append(self, entry: PastEntry) -> None:
        """Add an entry."""
        entries = self._entries
        entries.append(entry)
        if entry.active:
            self._active += 1
        places = self._places
        if places is not None:
            self._index(places, len(entries) - 1, entry)
        elif len(entries) > _FEW:
            places = self._places = {}
            self._slots = {}
            for place, each in enumerate(entries):
                self._index(places, place, each)

    def _index(self, places: dict[str, list[int]], place: int, entry: PastEntry) -> None:
        places.setdefault(entry.occasion, []).append(place)
        self._slots[entry.slot] = self._slots.get(entry.slot, 0) + 1

    def end(self, occasion: str, slot: str | None) -> None:
        """Note that the running entry of an occasion has ended, and which slot it holds from now on."""
        if not self._active:
            return
        entries, places = self._entries, self._places
        for place in range(len(entries)) if places is None else places.get(occasion, ()):
            rule, person_key, timestamp, held, is_active, opened_by = entries[place]
            if is_active and opened_by == occasion:
                ended = (rule, person_key, timestamp, slot, False, occasion)
                entries[place] = _new(PastEntry, ended)
                self._active -= 1
                if places is not None:
                    self._slots[held] -= 1
                    self._slots[slot] = self._slots.get(slot, 0) + 1


def has_slot(past: Sequence[PastEntry], slot: str) -> bool:
    """Whether one of these entries holds a slot."""
    if isinstance(past, PastEntries):
        return past.has_slot(slot)
    return any(entry.slot == slot for entry in past)


def is_any_active(past: Sequence[PastEntry]) -> bool:
    """Whether one of these entries is running."""
    return past.is_any_active if isinstance(past, PastEntries) else any(e.active for e in past)


KEY = "key:"
"""How the slot of a key begins; its JSON follows."""

LOOSE_EDGES = " \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
"""The characters that keys are trimmed of, without those that JSON escapes."""


class KeysAsked(NamedTuple):
    """Of some rules, only the earlier entries with certain keys are needed.

    Attributes:
        rules: the ids of the rules.
        slots: of these keys, as slots are written now.
    """

    rules: Collection[str]
    slots: Collection[str]

    def concerns(self, rule: str, slot: str | None) -> bool:
        """Whether an entry is needed; an entry whose slot an earlier version may have written otherwise always is."""
        if rule not in self.rules or slot in self.slots:
            return True
        if slot is None or not slot.startswith(KEY):
            return False
        is_text = slot[len(KEY) : len(KEY) + 1] == '"'
        edges = slot[len(KEY) + 1 : len(KEY) + 2], slot[-2:-1]
        is_loose = "\\" in slot or any(edge in LOOSE_EDGES for edge in edges)
        return is_loose or not is_text
