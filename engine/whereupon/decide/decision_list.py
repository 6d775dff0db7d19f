"""Decisions that are made when they are read: those on rules that a message cannot open."""

from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final, TypeAlias, overload

from whereupon.conditions import NO_HISTORY
from whereupon.decide.decisions import Decision, Outcome, Reason, Verdict
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.verdicts import verdict_on_unmatched
from whereupon.matching import RuleSelection
from whereupon.messages.structs import Frozen
from whereupon.records import NOTHING, Person, StoredMessage
from whereupon.rules.model import Rule
from whereupon.runtime.lazy import cached_property

_ENTERED, _SKIPPED = Outcome.ENTERED, Outcome.SKIPPED  # looked up slowly as attributes
_new = tuple.__new__  # a named tuple of values that are in its order already


class Skipped(Frozen, frozen=True):
    """The rules of a list, from one place up to another, all of which skip one message.

    Nearly every message has one, so it keeps little in memory: the message's text is decoded again when
    the decisions are read.

    Attributes:
        person: as the person was at that moment; None if no person is known.
        reason: of all these rules; None if each rule has its own, which is found when it is read.
    """

    rules: RuleSelection
    since: int
    until: int
    evaluation: Evaluation
    person: Person | None
    reason: Reason | None

    def __len__(self) -> int:
        rules, since, until = self.rules, self.since, self.until
        return until - since if rules.kind is None else rules.size(since, until)

    def __iter__(self) -> Iterator[Decision]:
        rules = self.rules.between(self.since, self.until)
        if self.reason is not None:
            return _for_one_reason(rules, self.evaluation, self.person, self.reason)
        evaluation = self.evaluation.copy()
        return _each_for_its_own(rules, self.rules.roots, evaluation, self.person)


class SkippedTogether(Frozen, frozen=True):
    """Messages one after another, each of which skips every rule of its list, each rule for its own reason.

    Attributes:
        reason: as in `Skipped`.
        claimed_at: when the claim arrived that brings the messages; None if each is decided as it arrives.
        rules, messages, persons: of each message the rules, the message as it is recorded, and the person as they
            were. Lists beside one another, since most messages have no other object of their own.
    """

    reason: ClassVar[Reason | None] = None
    claimed_at: datetime | None
    rules: list[RuleSelection]
    messages: list[StoredMessage]
    persons: list[Person]

    def __len__(self) -> int:
        return sum([rules.selected for rules in self.rules])

    def __iter__(self) -> Iterator[Decision]:
        claimed_at, is_claimed = self.claimed_at, self.claimed_at is not None
        for rules, stored, person in zip(self.rules, self.messages, self.persons, strict=True):
            now = stored.message.received_at if claimed_at is None else claimed_at
            evaluation = Evaluation.of(stored, person.key, now, retroactive=is_claimed)
            every = rules.between(0, len(rules.rule_list))
            yield from _each_for_its_own(every, rules.roots, evaluation, person)


def _for_one_reason(
    rules: Iterable[Rule], evaluation: Evaluation, person: Person | None, reason: Reason
) -> Iterator[Decision]:
    return (decision(evaluation, rule, Verdict(reason), person) for rule in rules)


def _each_for_its_own(
    rules: Iterable[Rule], roots: Container[str], evaluation: Evaluation, person: Person | None
) -> Iterator[Decision]:
    """The decisions on rules, each of which skips a message for its own reason.

    Args:
        roots: what the rules read (see `RuleList.roots`).
        evaluation: of the message; it is used by nothing else.
    """
    evaluation.see(person.attributes if person is not None else NOTHING, NO_HISTORY, roots)
    for rule in rules:
        yield decision(evaluation, rule, verdict_on_unmatched(rule, evaluation), person)


def decision(
    evaluation: Evaluation, rule: Rule, verdict: Verdict, person: Person | None
) -> Decision:
    """The decision on a message and a rule, with its verdict.

    Args:
        person: None if no person is known.
    """
    reason, failure, _ = verdict
    decided: tuple[object, ...] = (
        evaluation.message_id,
        evaluation.type,
        evaluation.name or None,
        evaluation.timestamp,
        evaluation.now,
        None if person is None else person.user_id,
        rule.id,
        rule.kind,
        _ENTERED if reason is None else _SKIPPED,
        reason,
        evaluation.retroactive,
        rule.digest,
        failure.text if failure else None,
        failure.values if failure else {},
    )
    return _new(Decision, decided)


Unread: TypeAlias = Skipped | SkippedTogether
"""Decisions on skipped rules, which are made when they are read."""

UNREAD: Final = (Skipped, SkippedTogether)
"""The same as a tuple, which `isinstance` asks faster than a union."""

_DECIDED: Final = frozenset({Decision, Skipped, SkippedTogether})


class Decisions(Sequence[Decision]):
    """Decisions in the order in which they were made. Those on rules that were skipped are made when they are read."""

    def __init__(self, emitted: Sequence[object] = ()) -> None:
        self._emitted = [*emitted]

    @cached_property
    def _decided(self) -> list[Decision | Unread]:
        decided: list[Any] = [each for each in self._emitted if type(each) in _DECIDED]
        return decided

    @cached_property
    def _all(self) -> list[Decision]:
        return list(_each(self._decided))

    def __len__(self) -> int:
        return sum(1 if isinstance(each, Decision) else len(each) for each in self._decided)

    @overload
    def __getitem__(self, place: int) -> Decision: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Decision]: ...
    def __getitem__(self, place: int | slice) -> Decision | Sequence[Decision]:
        return self._all[place]

    def __iter__(self) -> Iterator[Decision]:
        return iter(self._all)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Decisions | list | tuple):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # as of a list

    def __repr__(self) -> str:
        return repr(self._all)


def _each(emitted: Iterable[Decision | Unread]) -> Iterator[Decision]:
    for each in emitted:
        if isinstance(each, Decision):
            yield each
        else:
            yield from each
