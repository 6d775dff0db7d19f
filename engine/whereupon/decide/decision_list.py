"""Decisions that are made when somebody reads them: those of rules that a message cannot satisfy."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from whereupon.conditions import NO_HISTORY
from whereupon.decide.decisions import (
    Case,
    Decision,
    Outcome,
    Reason,
    Verdict,
    verdict_on_unmatched,
)
from whereupon.decide.evaluation import Evaluation, data_for
from whereupon.matching import Selected
from whereupon.records import Person
from whereupon.rules.model import Rule
from whereupon.runtime.lazy import cached_property


@dataclass(slots=True)  # not frozen, which would cost three times as much, once a message
class Skipped:
    """The rules of a roll, from one place up to another, all of which skip one message.

    What it holds on to is little, for there is one of nearly every message: the message's text is
    read again when the decisions are.

    Attributes:
        person: as they were then; None where nobody is known.
        reason: the one for all; None where each rule has its own, which is found out when it is read.
    """

    rules: Selected
    since: int
    until: int
    putting: Evaluation
    person: Person | None
    reason: Reason | None

    def __len__(self) -> int:
        return self.rules.size(self.since, self.until)

    def __iter__(self) -> Iterator[Decision]:
        putting, occurrence = self.putting, self.putting.occurrence
        attributes = self.person.attributes if self.person is not None else {}
        case = Case(
            message_id=occurrence.message_id,
            timestamp=occurrence.timestamp,
            data={} if self.reason else data_for(occurrence, attributes, self.rules.roots),
            history=NO_HISTORY,
            claimable_at=putting.claimable_at,
            retroactive=putting.retroactive,
        )
        for rule in self.rules.between(self.since, self.until):
            yield self._decision(rule, case)

    def _decision(self, rule: Rule, case: Case) -> Decision:
        occurrence = self.putting.occurrence
        verdict = Verdict(self.reason)
        if self.reason is None:
            verdict = verdict_on_unmatched(rule, case, occurrence.source)
        failure = verdict.failure
        return Decision(
            message_id=case.message_id,
            type=occurrence.type,
            event=occurrence.name or None,
            timestamp=case.timestamp,
            decided_at=self.putting.now,
            person=self.person.user_id if self.person is not None else None,
            rule=rule.id,
            rule_kind=rule.kind,
            outcome=Outcome.SKIPPED,
            reason=verdict.reason,
            retroactive=case.retroactive,
            digest=rule.digest,
            condition=failure.text if failure else None,
            values=failure.values if failure else {},
        )


class Decisions(Sequence[Decision]):
    """Decisions in the order in which they were made. Those of a `Skipped` are made when looked at."""

    def __init__(self, told: Iterable[object] = ()) -> None:
        self._told = [each for each in told if isinstance(each, Decision | Skipped)]

    @cached_property
    def _all(self) -> list[Decision]:
        return list(decisions_of(self._told))

    def __len__(self) -> int:
        return sum(1 if isinstance(each, Decision) else len(each) for each in self._told)

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


def decisions_of(told: Iterable[Decision | Skipped]) -> Iterator[Decision]:
    """Each decision of what was told."""
    for each in told:
        if isinstance(each, Decision):
            yield each
        else:
            yield from each
