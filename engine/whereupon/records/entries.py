"""What rules make of messages: entries, broadcasts under way, deliveries, and why somebody was skipped."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, TypeAlias, overload

from pydantic import JsonValue

from whereupon.messages.model import SenderClass, id_in_ref
from whereupon.records.people import NOTHING


class EntryState(StrEnum):
    """Where an entry is: still running, or how it ended.

    ``failed``: a step raised what nobody expected.
    """

    ACTIVE = "active"
    COMPLETED = "completed"
    EXITED = "exited"
    FAILED = "failed"


class EndReason(StrEnum):
    """Why an entry ended. For ever.

    Attributes:
        EVENT, CONDITION, SEGMENT: by which part of the rule's `exit`.
        STEP: an ``exit`` step.
        MERGED: its person became one with another, whose entry goes on.
        DELETED: its person was erased, and the entry with them; of this nothing is kept.
        RULE_GONE: the rulebook has the rule no more.
    """

    COMPLETED = "completed"
    EVENT = "event"
    CONDITION = "condition"
    SEGMENT = "segment"
    STEP = "step"
    MERGED = "merged"
    DELETED = "deleted"
    RULE_GONE = "rule-gone"
    FAILED = "failed"


class EntryEnd(NamedTuple):
    """How an entry ended.

    Attributes:
        reason: an `EndReason`.
        detail: the event's name, the condition in words, or the segment's id.
        message_id: of the message that ended it; None where time alone did.
    """

    reason: str
    at: datetime
    detail: str | None = None
    message_id: str | None = None


_END_STATES: Mapping[str, EntryState] = {
    EndReason.COMPLETED: EntryState.COMPLETED,
    EndReason.FAILED: EntryState.FAILED,
}
"""The state after an end for each reason; ``exited`` after any other."""


class Entry(NamedTuple):
    """One person's run through one rule's steps.

    Attributes:
        entrant: the key of the person when they entered; `person_key` follows merges, this does not,
            so that the database's uniqueness needs no repair when two persons become one.
        occasion: what opened it: a message (see `ref_of`), or a scheduled broadcast's rule and time.
        timestamp: when the opening message happened; windows of re-entry are measured on it.
        slot: the re-entry key; the database admits one entry per (rule, entrant, slot).
        position: the index of the next step.
        due_at: when the next step is due; None when the entry has ended.
        facts: what the templates see of the opening message: event, properties, context, timestamp.
        source: the class of who sent the opening message, which is the class of all that the steps
            say; a schedule and a call of the host's count as the server.
        ended: None while it runs, and of those that ended before version 0007 of the tables.
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
    position: int
    due_at: datetime | None
    facts: Mapping[str, JsonValue]
    depth: int = 0
    message_key: int = 0
    source: SenderClass = SenderClass.CLIENT
    ended: EntryEnd | None = None

    def moved(self, position: int, due_at: datetime | None) -> "Entry":
        """The entry further on; what `_replace` gives, at a third of its cost."""
        return Entry(*self[:11], position, due_at, *self[13:])

    def finished(self, end: EntryEnd, position: int | None = None) -> "Entry":
        """The entry at its end; a slot that only guarded that it runs is free again.

        Args:
            position: the index of the step where it ends; by default of its next step.
        """
        slot = None if self.slot == "active" else self.slot
        state = _END_STATES.get(end.reason, EntryState.EXITED)
        place = self.position if position is None else position
        return Entry(*self[:9], slot, state, place, None, *self[13:17], end)


class WaitingVersion(NamedTuple):
    """A rule version that people are inside of.

    Attributes:
        digest: the version's.
        due_at: when the first of its running entries is due.
    """

    rule: str
    digest: str
    due_at: datetime


class PastEntry(NamedTuple):
    """As much of an earlier entry as deciding about another needs."""

    rule: str
    person_key: int
    timestamp: datetime
    slot: str | None
    active: bool
    occasion: str


MISSED = "missed"
"""Of a broadcast's run: its time passed, and it was too late to make up for it."""

OVERTAKEN = "overtaken"
"""Of a broadcast's run: its time passed, and a newer time that had passed as well ran instead."""


class PastEntries(Sequence[PastEntry]):
    """A person's entries in one rule, found by their slots and occasions, however many they are."""

    __slots__ = ("_active", "_entries", "_places", "_slots")

    def __init__(self) -> None:
        self._entries: list[PastEntry] = []
        self._places: dict[str, list[int]] = {}
        self._slots: dict[str | None, int] = {}
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
        return self._slots.get(slot, 0) > 0

    def append(self, entry: PastEntry) -> None:
        """Know one more."""
        self._places.setdefault(entry.occasion, []).append(len(self._entries))
        self._entries.append(entry)
        self._slots[entry.slot] = self._slots.get(entry.slot, 0) + 1
        self._active += entry.active

    def end(self, occasion: str, slot: str | None) -> None:
        """Note that the running one of an occasion has ended, and which slot it holds from now on."""
        for place in self._places.get(occasion, ()):
            past = self._entries[place]
            if past.active:
                self._entries[place] = past._replace(active=False, slot=slot)
                self._slots[past.slot] -= 1
                self._slots[slot] = self._slots.get(slot, 0) + 1
                self._active -= 1


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
"""What keys are trimmed of, but for what JSON writes as an escape."""


class KeysAsked(NamedTuple):
    """Of some rules only those earlier entries matter whose keys are asked for.

    Attributes:
        rules: the ids of the rules.
        slots: of the keys, as they are written now.
    """

    rules: Collection[str]
    slots: Collection[str]

    def concerns(self, rule: str, slot: str | None) -> bool:
        """Whether an entry matters; one whose slot was perhaps written otherwise once always does."""
        if rule not in self.rules or slot in self.slots:
            return True
        if slot is None or not slot.startswith(KEY):
            return False
        is_text = slot[len(KEY) : len(KEY) + 1] == '"'
        edges = slot[len(KEY) + 1 : len(KEY) + 2], slot[-2:-1]
        is_loose = "\\" in slot or any(edge in LOOSE_EDGES for edge in edges)
        return is_loose or not is_text


@dataclass(frozen=True, slots=True)
class BroadcastRun:
    """One sending of a broadcast to its audience, in chunks that survive a restart.

    Attributes:
        occasion: the triggering message (see `ref_of`), or the rule and the scheduled time; unique.
        cursor: the last person's key that was seen; None when the audience is done.
        facts: as of an `Entry`.
        admitted: how many persons have entered so far.
        reason: why it did not go out, where it did not: `MISSED` or `OVERTAKEN`.
    """

    rule: str
    digest: str
    occasion: str
    timestamp: datetime
    due_at: datetime
    cursor: int | None
    facts: Mapping[str, JsonValue]
    depth: int = 0
    message_key: int = 0
    admitted: int = 0
    reason: str | None = None


class SendKind(StrEnum):
    """Why a delivery is sent: ``transactional`` and ``internal`` do not ask for the person's consent."""

    MARKETING = "marketing"
    TRANSACTIONAL = "transactional"
    INTERNAL = "internal"


class DeliveryState(StrEnum):
    """Where a delivery is.

    ``held`` is due, and waits for a process that has its channel; ``withheld`` is never handed to a
    channel (the person is unsubscribed, a template's variable is missing); ``dead`` was given up
    after the last try.
    """

    PENDING = "pending"
    HELD = "held"
    SENT = "sent"
    DEAD = "dead"
    WITHHELD = "withheld"


class Delivery(NamedTuple):
    """One message for a channel, in the outbox.

    Attributes:
        idempotency_key: the same for every try, and on every machine that folds the same messages.
        person: the person's first user id, for the channel to address.
        recipient: the person's attributes; event data never enters it. The outbox keeps them as they
            were when the delivery was made, and a channel gets them as they are when it is called.
        reason: why it is held, withheld or dead, or what the last try said.
        topic: what it is about; the person may have opted out of it.
        occasion: of its entry; None where that is erased.
    """

    key: int
    idempotency_key: str
    rule: str
    person_key: int
    person: str
    channel: str
    due_at: datetime
    content: Mapping[str, JsonValue]
    recipient: Mapping[str, JsonValue] = NOTHING
    state: DeliveryState = DeliveryState.PENDING
    reason: str | None = None
    attempts: int = 0
    occasion: str | None = None
    kind: SendKind = SendKind.MARKETING
    topic: str | None = None

    @property
    def message_id(self) -> str | None:
        """Of the message that opened its entry, or the scheduled broadcast's rule and time."""
        return None if self.occasion is None else id_in_ref(self.occasion)

    def with_key(self, key: int) -> "Delivery":
        """The delivery under a key of the store."""
        return Delivery(key, *self[1:])


SkipVerdict: TypeAlias = tuple[str, str, str, str | None, Mapping[str, JsonValue]]
"""One rule's no: rule, digest, reason, failing condition, values seen."""


class SkipSummary(NamedTuple):
    """One word for all rules of a roll that a message did not open, and that were not decided singly.

    Why each did not is found out again when somebody asks, from the stored message, the version of
    the rule and what is kept here.

    Attributes:
        revision: the digest under which the roll is kept: its rules, their versions, their order.
        kind: campaigns or broadcasts only; None for both.
        since, until: the places in the roll that are meant, from one up to another.
        decided: those between that are not meant: rules that were entered, or have a verdict.
        decided_at: microseconds since the epoch; with `retroactive` as of these rules.
        reason: the one for all; None where each has its own.
        person: the attributes that had a say, as they were.
    """

    revision: str
    kind: str | None
    since: int
    until: int
    decided: tuple[int, ...]
    decided_at: int
    retroactive: bool
    reason: str | None
    person: Mapping[str, JsonValue]

    def covers(self, place: int, kind: str) -> bool:
        """Whether the rule at that place, of that kind, is meant."""
        if self.kind not in {None, kind} or place in self.decided:
            return False
        return self.since <= place < self.until


class Skips(NamedTuple):
    """The skips that one message met, in one record, since skips are many.

    Attributes:
        verdicts: one a rule, of those that were decided singly.
        others: the rest of the rules that it was put to.
    """

    message_key: int
    person_key: int
    decided_at: datetime
    retroactive: bool
    verdicts: tuple[SkipVerdict, ...] = ()
    others: tuple[SkipSummary, ...] = ()

    def without_person(self, rules: Collection[str]) -> "Skips | None":
        """What of it was said when nobody was known yet; None if that is nothing.

        Args:
            rules: ids of those whose verdicts are about nobody: broadcasts.
        """
        verdicts = tuple(verdict for verdict in self.verdicts if verdict[0] in rules)
        others = tuple(others for others in self.others if not others.retroactive)
        left = self._replace(verdicts=verdicts, others=others, retroactive=False)
        return left if verdicts or others else None
