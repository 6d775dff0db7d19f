"""What deciding one batch gives: changes, what it emits, and the exceptions that name a part at fault."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias

from whereupon.decide.decision_list import UNREAD, Decisions, Unread
from whereupon.decide.decisions import Decision
from whereupon.matching import RuleList
from whereupon.messages.structs import Frozen
from whereupon.records import Changes, Delivery, EntryEnd, EntryState, Mark, Request, SetAside


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a human should look at and that changed nothing, such as a near miss of a name."""

    code: str
    message_id: str
    message: str


@dataclass(frozen=True, slots=True)
class Ended:
    """An entry that ended before its last step was done.

    Attributes:
        person: the first user id.
        message_id: of the message that opened the entry.
    """

    rule: str
    person: str
    message_id: str
    entered_at: datetime
    state: EntryState
    end: EntryEnd


@dataclass(frozen=True, slots=True)
class Converted:
    """An entry whose person reached the rule's goal.

    Attributes:
        person: the first user id.
        message_id: of the message that opened the entry.
        decided_at: when the message came that says so.
        mark: the conversion, as the entry's trail has it.
        is_held_out: whether the person belongs to the rule's holdout.
    """

    rule: str
    person: str
    message_id: str
    entered_at: datetime
    decided_at: datetime
    mark: Mark
    is_held_out: bool


class Passage(NamedTuple):
    """What an entry passed at a step, as a mark on its trail says it.

    Attributes:
        person: the first user id.
        message_id: of the message that opened the entry.
        due_at: when the entry is due from then on.
    """

    rule: str
    person: str
    message_id: str
    entered_at: datetime
    due_at: datetime | None
    mark: Mark


Emitted: TypeAlias = Decision | Delivery | Request | Notice | Ended | Converted | Passage
"""What a batch emits."""


class Reached(Frozen, frozen=True):
    """How far a result has come."""

    emitted: int = 0
    accepted: int = 0
    duplicates: int = 0
    new_persons: int = 0
    alike: int = 0

    @classmethod
    def by(cls, result: "BatchResult") -> "Reached":
        """As far as a result is now."""
        emitted, duplicates, alike = len(result.emitted), len(result.duplicates), len(result.alike)
        return cls(emitted, result.accepted, duplicates, result.new_persons, alike)


@dataclass(slots=True, init=False)
class BatchResult:
    """What deciding one batch made: changes to write, and what it emits.

    Args:
        changes: None for new ones.

    Attributes:
        emitted: in the order in which it happened.
        rule_lists: those that the skips name by revision; they are stored with their rules' versions.
        versions_used: the digests of the rule versions that the changes name; they are stored, too.
        accepted: new messages from outside; messages that steps send do not count.
        duplicates: the ids of messages that were recorded before.
        set_aside: messages on which the engine fails, by their places in the batch.
        left: how many messages, at the batch's end, were left to another transaction.
        alike: notices of ids that differ by their spelling only. They are kept apart, since which ids are
            compared depends on what the batch names.
        parts_due_at: when due work may come first of the parts that were joined (see `due_at`).
    """

    changes: Changes
    emitted: list[Emitted | Unread]
    rule_lists: dict[str, RuleList]
    versions_used: set[str]
    accepted: int
    duplicates: list[str]
    new_persons: int
    set_aside: dict[int, SetAside]
    left: int
    alike: list[Notice]
    parts_due_at: datetime | None

    def __init__(self, changes: Changes | None = None) -> None:
        self.changes = Changes() if changes is None else changes
        self.emitted, self.duplicates, self.alike = [], [], []
        self.rule_lists, self.versions_used, self.set_aside = {}, set(), {}
        self.accepted = self.new_persons = self.left = 0
        self.parts_due_at = None

    def join(self, part: "BatchResult", *, offset: int = 0) -> None:
        """Add what the next part of the same batch made; its changes are written already.

        Args:
            offset: the place in the batch of the part's first message.
        """
        self.set_aside |= {offset + place: aside for place, aside in part.set_aside.items()}
        self.emitted += part.emitted
        self.alike += part.alike
        self.accepted += part.accepted
        self.duplicates += part.duplicates
        self.new_persons += part.new_persons
        self.rule_lists |= part.rule_lists
        self.left = part.left
        self.changes.rule_versions |= part.changes.rule_versions
        self.changes.claim_jobs |= part.changes.claim_jobs
        self.parts_due_at = _first(self.parts_due_at, part.due_at)

    def between(self, since: Reached, until: Reached) -> "BatchResult":
        """What came in between; the changes are those of the whole."""
        part = BatchResult(self.changes)
        part.emitted = self.emitted[since.emitted : until.emitted]
        part.accepted = until.accepted - since.accepted
        part.new_persons = until.new_persons - since.new_persons
        if self.duplicates:
            part.duplicates = self.duplicates[since.duplicates : until.duplicates]
        if self.alike:
            part.alike = self.alike[since.alike : until.alike]
        part.parts_due_at = self.parts_due_at
        return part

    def records(self) -> Iterator[Emitted]:
        """What was emitted, one by one; skipped rules as their decisions."""
        for emitted in self.emitted:
            if isinstance(emitted, Decision) or not isinstance(emitted, UNREAD):  # as most are
                yield emitted
            else:
                yield from emitted

    @property
    def due_at(self) -> datetime | None:
        """When due work may come of the batch first (see `Changes.due_at`)."""
        due_at = self.changes.due_at
        return due_at if self.parts_due_at is None else _first(self.parts_due_at, due_at)

    @property
    def unfinished(self) -> list[int]:
        """The anonymous keys of claims that were begun or carried on, and are not finished."""
        jobs = self.changes.claim_jobs
        if not jobs:
            return []
        return [key for key, job in jobs.items() if job is not None]

    @property
    def decisions(self) -> Decisions:
        """Every decision, in order; see `Decisions`."""
        return Decisions(self.emitted)


def _first(*times: datetime | None) -> datetime | None:
    return min((at for at in times if at is not None), default=None)


class PoisonError(Exception):
    """One message, entry or person on which the engine itself fails; the rest can be decided without it.

    Attributes:
        message: the place of the message in the batch; None if the fault is elsewhere.
        entry: the key of the entry that did not wake.
        claimed: the key of the claimed message, in a chunk of a claim.
        person: the key of the person of a broadcast's audience.
        timer: the person's key and the subject of the timer that failed.
        reason: the type and text of what was raised; the text may quote anything (see `cut_reason`).
    """

    def __init__(
        self,
        cause: Exception,
        *,
        message: int | None = None,
        entry: int | None = None,
        claimed: int | None = None,
        person: int | None = None,
        timer: tuple[int, str] | None = None,
    ) -> None:
        self.message = message
        self.entry = entry
        self.claimed = claimed
        self.person = person
        self.timer = timer
        self.reason = f"{type(cause).__name__}: {cause}"
        super().__init__(self.reason)


class KeysExhausted(Exception):  # noqa: N818 - a signal to reserve more and decide again, no error
    """The batch needs more keys than were reserved for it."""


def _exhausted() -> int | None:
    raise KeysExhausted


NO_MORE_KEYS: Final = iter(_exhausted, None)
"""What stands behind every batch's keys."""
