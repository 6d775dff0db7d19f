"""Moving entries to another version of their rule: what may be moved, to which step, and what is written."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from pydantic import JsonValue

from whereupon.decide.steps import completed_keys, step_message_id
from whereupon.messages.model import ref_of
from whereupon.operations.operators import operator_record
from whereupon.ports import Session
from whereupon.records import Changes, Entry, Operation, with_operation
from whereupon.rules.model import Rule


class MoveRefusal(StrEnum):
    """Why an entry stays in its version. The words never change.

    Attributes:
        NO_COUNTERPART: the entry waits at a step that is another one, or none, in the new version.
        REPEATS: a step that comes next has been done for the entry before, in another version.
        UNREADABLE: the entry's version cannot be read: a newer library wrote it.
    """

    NO_COUNTERPART = "no-counterpart"
    REPEATS = "repeats"
    UNREADABLE = "unreadable"


class MoveGroup(NamedTuple):
    """People to whom the same happens.

    Attributes:
        version: the digest of the version that they are in.
        step: the number of their next step there, from 1.
        to_step: the number of their next step in the new version; None if they are refused.
        refusal: why they stay; None if they are moved.
    """

    version: str
    step: int
    to_step: int | None
    refusal: MoveRefusal | None


@dataclass(slots=True)
class Moved:
    """What a move did, or would do.

    Attributes:
        version: the digest of the version that people were moved to.
        people: how many, by what happens to them.
    """

    rule: str
    version: str
    people: Counter[MoveGroup] = field(default_factory=Counter)

    @property
    def moved(self) -> int:
        """How many people are moved."""
        return sum(n for group, n in self.people.items() if group.refusal is None)

    @property
    def refused(self) -> int:
        """How many people stay where they are."""
        return self.people.total() - self.moved


class Move(NamedTuple):
    """What happens to one entry.

    Attributes:
        position: the index of its next step in the new version.
    """

    entry: Entry
    position: int
    refusal: MoveRefusal | None

    @property
    def group(self) -> MoveGroup:
        """What happens to it, without whom."""
        to_step = self.position + 1 if self.refusal is None else None
        return MoveGroup(self.entry.digest, self.entry.position + 1, to_step, self.refusal)


@dataclass(frozen=True, slots=True)
class EntryMoves:
    """Moves entries to one version.

    Attributes:
        rule: the version to move to.
        source: its text, to be kept beside the entries.
        version_of: reads a version by its digest; None if it cannot be read.
        steps: by the number of the next step in the old version, its number in the new one.
    """

    rule: Rule
    digest: str
    source: bytes | None
    version_of: Callable[[Session, str], Rule | None]
    steps: Mapping[int, int]

    def judged(self, session: Session, found: Sequence[Entry]) -> list[Move]:
        """What happens to each of these entries; those that are in the version already are left out."""
        others = [entry for entry in found if entry.digest != self.digest]
        moves = [self._by_steps(session, entry) for entry in others]
        done = self._done_before(session, [move for move in moves if move.refusal is None])
        repeats = MoveRefusal.REPEATS
        return [m._replace(refusal=repeats) if m.entry.key in done else m for m in moves]

    def _by_steps(self, session: Session, entry: Entry) -> Move:
        old, step = self.version_of(session, entry.digest), entry.position + 1
        position = self.steps.get(step, step) - 1
        if old is None:
            return Move(entry, position, MoveRefusal.UNREADABLE)
        if step not in self.steps and not _is_same_wait(old, self.rule, entry.position):
            return Move(entry, position, MoveRefusal.NO_COUNTERPART)
        return Move(entry, position, None)

    def _done_before(self, session: Session, moves: Sequence[Move]) -> set[int]:
        """The keys of the entries of which a step that would come next was done before."""
        persons = {p.key: p for p in session.persons({m.entry.person_key for m in moves})}
        entries: dict[str, int] = {}
        messages: dict[str, int] = {}
        for entry, position, _ in moves:
            last = entry.moved(len(self.rule.steps), None)
            keys = completed_keys(last, persons[entry.person_key].user_id)[position:]
            entries |= dict.fromkeys(keys, entry.key)
            refs = (ref_of(step_message_id(key), entry.source) for key in keys)
            messages |= dict.fromkeys(refs, entry.key)
        made = session.deliveries_by_key(entries) if entries else ()
        sent = session.known_messages(messages) if messages else ()
        return {entries[each.idempotency_key] for each in made} | {messages[ref] for ref in sent}

    def changes(self, moves: Sequence[Move], done: Operation) -> Changes:
        """What is written for those that are moved."""
        changes, numbers = Changes(), Counter[str]()
        for entry, position, refusal in moves:
            if refusal is None:
                act = done._replace(detail=entry.digest)
                operations = with_operation(entry.operations, act)
                changes.entries[entry.key] = entry._replace(
                    digest=self.digest, position=position, operations=operations
                )
                numbers[entry.digest] += 1
        for digest, number in numbers.items():
            facts: dict[str, JsonValue] = {"rule": self.rule.id, "entries": number}
            facts |= {"from": digest, "to": self.digest}
            changes.records.append(operator_record("entries-moved", done.by, done.at, **facts))
        if changes.entries and self.source is not None:
            changes.rule_versions[self.digest] = (self.rule.id, self.source)
        return changes


def _is_same_wait(old: Rule, new: Rule, position: int) -> bool:
    """Whether the step at which an entry waits is of the same kind in both; before the first step none is."""
    if position == 0:
        return True
    if position > min(len(old.steps), len(new.steps)):
        return False
    return type(old.steps[position - 1]) is type(new.steps[position - 1])
