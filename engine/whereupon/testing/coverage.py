"""Which conditions of a rule its tests have seen true, and which false.

A condition counts as seen if it was evaluated: a part of a `where` after one that fails is not.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from whereupon.conditions import ALWAYS, Condition, Conjunct, Data, History
from whereupon.conditions.condition import Holds, in_turn
from whereupon.rules.model import Exit, ExitOnCondition, ExitOnEvent, ExitOnLeaving, Rule
from whereupon.testing.reports import ENTERING, Uncovered

_BOTH: tuple[tuple[bool, Literal["true", "false"]], ...] = ((True, "true"), (False, "false"))


class Coverage:
    """Records the answers of one rule's conditions while `rule`, an instrumented copy, is run."""

    def __init__(self, rule: Rule) -> None:
        self._seen: dict[str, set[bool]] = defaultdict(set)
        self.rule = replace(
            rule,
            where=self._noted(rule.where, "where"),
            who=self._noted(rule.who, "who"),
            exits=tuple(self._noted_exit(leave) for leave in rule.exits),
        )
        self._entering: set[bool] = set()

    def note_entering(self, *, entered: bool) -> None:
        """Record whether a test let a person in."""
        self._entering.add(entered)

    def uncovered(self) -> Iterator[Uncovered]:
        """What was not seen both ways, in the order of the rule's parts."""
        for part, seen in ((ENTERING, self._entering), *self._seen.items()):
            for answer, missing in _BOTH:
                if answer not in seen:
                    yield Uncovered(self.rule.id, part, missing)

    def _noted_exit(self, leave: Exit) -> Exit:
        match leave:
            case ExitOnEvent():
                return replace(leave, where=self._noted(leave.where, "exit"))
            case ExitOnCondition():
                return replace(leave, condition=self._noted(leave.condition, "exit"))
            case ExitOnLeaving():
                return leave

    def _noted(self, condition: Condition, key: str) -> Condition:
        if condition is ALWAYS:
            return condition
        noted = [
            replace(each, test=self._noting(each, key), logic=None, predicate=None)
            for each in condition.conjuncts
        ]
        return replace(condition, conjuncts=tuple(noted), holds=in_turn(noted))

    def _noting(self, conjunct: Conjunct, key: str) -> Holds:
        seen = self._seen[f"{key}: {conjunct.text}"]

        def test(data: Data, history: History) -> bool:
            answer = conjunct.test(data, history)
            seen.add(answer)
            return answer

        return test
