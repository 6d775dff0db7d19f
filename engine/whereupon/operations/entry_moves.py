"""Moving entries to another version of their rule: what may be moved, to which step, and what is written."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from pydantic import JsonValue

from whereupon.decide.goals import watched_anew
from whereupon.decide.idempotency import keys_at, step_message_id
from whereupon.decide.steps.wait_for import deadline_of
from whereupon.messages.model import ref_of
from whereupon.operations.operators import operator_record
from whereupon.ports import Session
from whereupon.records import Changes, Entry, MarkKind, Operation, mark_at, with_operation
from whereupon.rules.model import END, Place, Rule, Run, Wait, WaitFor
from whereupon.rules.route import base_of


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
        step: the address of their next step there.
        to_step: the address of their next step in the new version; None if they are refused.
        refusal: why they stay; None if they are moved.
    """

    version: str
    step: str
    to_step: str | None
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
        address: of its next step in the new version.
    """

    entry: Entry
    address: str
    refusal: MoveRefusal | None

    @property
    def group(self) -> MoveGroup:
        """What happens to it, without whom."""
        to_step = self.address if self.refusal is None else None
        return MoveGroup(self.entry.digest, self.entry.address, to_step, self.refusal)


@dataclass(frozen=True, slots=True)
class EntryMoves:
    """Moves entries to one version.

    Attributes:
        rule: the version to move to.
        source: its text, to be kept beside the entries.
        version_of: reads a version by its digest; None if it cannot be read.
        steps: by the address of the next step in the old version, its address in the new one. It is also that
            of a step that holds the next one.
    """

    rule: Rule
    digest: str
    source: bytes | None
    version_of: Callable[[Session, str], Rule | None]
    steps: Mapping[str, str]

    def judged(self, session: Session, found: Sequence[Entry]) -> list[Move]:
        """What happens to each of these entries; those that are in the version already are left out."""
        others = [entry for entry in found if entry.digest != self.digest]
        moves = [self._by_steps(session, entry) for entry in others]
        done = self._done_before(session, [move for move in moves if move.refusal is None])
        repeats = MoveRefusal.REPEATS
        return [m._replace(refusal=repeats) if m.entry.key in done else m for m in moves]

    def _by_steps(self, session: Session, entry: Entry) -> Move:
        old, stands = self.version_of(session, entry.digest), base_of(entry.address)
        mapped = self._mapped(stands)
        address = entry.address.replace(stands, mapped, 1)
        if old is None:
            return Move(entry, address, MoveRefusal.UNREADABLE)
        if not self._has_counterpart(old, stands, mapped):
            return Move(entry, address, MoveRefusal.NO_COUNTERPART)
        return Move(entry, address, None)

    def _mapped(self, address: str) -> str:
        """The address in the new version; a step that is renamed takes the steps of its arms along."""
        parts = address.split(".")
        for end in range(len(parts), 0, -1):
            new = self.steps.get(".".join(parts[:end]))
            if new is not None:
                return ".".join([new, *parts[end:]])
        return address

    def _has_counterpart(self, old: Rule, stands: str, mapped: str) -> bool:
        """Whether an entry can go on at a step: one that waits there, at a wait of the same kind."""
        place = self.rule.route.place(mapped)
        if place is None and mapped != END:
            return mapped == str(len(self.rule.steps))  # as the end was written before
        was = old.route.place(stands)
        if was is not None and was.step.holds_entry:
            return place is not None and _holds_as(was, place)
        if stands in self.steps:
            return True
        return type(old.route.before(stands)) is type(self.rule.route.before(mapped))

    def _done_before(self, session: Session, moves: Sequence[Move]) -> set[int]:
        """The keys of the entries of which a step that would come next was done before."""
        persons = {p.key: p for p in session.persons({m.entry.person_key for m in moves})}
        entries: dict[str, int] = {}
        messages: dict[str, int] = {}
        for entry, address, _ in moves:
            ahead = self._ahead(entry, address)
            ahead += [old for old, new in self.steps.items() if new in ahead]
            keys = keys_at(entry, persons[entry.person_key].user_id, ahead)
            entries |= dict.fromkeys(keys, entry.key)
            refs = (ref_of(step_message_id(key), entry.source) for key in keys)
            messages |= dict.fromkeys(refs, entry.key)
        made = session.deliveries_by_key(entries) if entries else ()
        sent = session.known_messages(messages) if messages else ()
        return {entries[each.idempotency_key] for each in made} | {messages[ref] for ref in sent}

    def _ahead(self, entry: Entry, address: str) -> list[str]:
        """The addresses of the steps that may come next; where the entry stands at a call that it made, without it."""
        places = self.rule.route.places
        place = places.get(base_of(address))
        if place is None:
            return []
        is_held = place.step.holds_entry and mark_at(entry.trail, entry.address, MarkKind.WAITS)
        first = place.order + bool(is_held)
        ahead = (each.address for each in places.values() if each.order >= first)
        return [self.rule.route.beside(address, each) for each in ahead]

    def _moved(self, entry: Entry, address: str, now: datetime) -> Entry:
        """The entry at its next step in the new version; the wait at which it stands is the new version's from then on."""
        place = self.rule.route.place(address)
        reached = mark_at(entry.trail, entry.address, MarkKind.WAITS)
        if place is None or reached is None or not place.step.holds_entry:
            return entry.changed(address=address)
        due_at = entry.due_at
        if isinstance(place.step, WaitFor):
            due_at = deadline_of(place.step, reached)
        elif isinstance(place.step, Wait):
            due_at = now  # it looks at the date again
        if address != entry.address:
            entry = entry.marked(reached._replace(address=address))
        return entry.changed(address=address, due_at=due_at)

    def changes(self, moves: Sequence[Move], done: Operation) -> Changes:
        """What is written for those that are moved."""
        changes, numbers = Changes(), Counter[str]()
        for entry, address, refusal in moves:
            if refusal is None:
                act = done._replace(detail=entry.digest)
                operations = with_operation(entry.operations, act)
                moved = watched_anew(self._moved(entry, address, done.at), self.rule.goal)
                changes.entries[entry.key] = moved.changed(
                    digest=self.digest, operations=operations
                )
                numbers[entry.digest] += 1
        for digest, number in numbers.items():
            facts: dict[str, JsonValue] = {"rule": self.rule.id, "entries": number}
            facts |= {"from": digest, "to": self.digest}
            changes.records.append(operator_record("entries-moved", done.by, done.at, **facts))
        if changes.entries and self.source is not None:
            changes.rule_versions[self.digest] = (self.rule.id, self.source)
        return changes


def _holds_as(was: Place, place: Place) -> bool:
    """Whether an entry that stands at one step can stand at another; a call is known again by its step's address."""
    if type(place.step) is not type(was.step) or not place.step.holds_entry:
        return False
    if isinstance(was.step, WaitFor | Wait):
        return True
    is_same = not isinstance(was.step, Run) or was.step.function == getattr(
        place.step, "function", ""
    )
    return is_same and place.address == was.address
