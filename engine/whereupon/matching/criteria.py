"""What a rule demands of the attributes of a message and of a person, as far as an index can use it.

A decision that the index makes is not stored with what it saw, but found out again when somebody
asks (`decisions`). So a rule counts here as far as the stored message and the person's attributes
say everything: not beyond the first question to the history, and not at all where a condition
reads the person as a whole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, takewhile

from whereupon.conditions import NO_HISTORY, Condition, Data
from whereupon.conditions.comparisons import Comparison
from whereupon.rules import Rule, RuleKind


@dataclass(frozen=True, slots=True)
class Criteria:
    """One rule, as the index sees it. What it demands is looked up in the rule, not kept again.

    Attributes:
        judges_who: who the person is can be said without their history.
        is_open: nothing of the rule is decided here.
    """

    rule: Rule
    judges_who: bool
    is_open: bool

    @property
    def where(self) -> list[Comparison]:
        """The comparisons of `where` that must hold."""
        return [] if self.is_open else _comparisons(self.rule.where)

    @property
    def who(self) -> list[Comparison]:
        """The comparisons of `who` that must hold."""
        judged = not self.is_open and _asks_person(self.rule)
        return _comparisons(self.rule.who) if judged else []

    @property
    def attributes(self) -> Iterator[str]:
        """The person's attributes that its conditions read."""
        return chain.from_iterable(map(_attributes, _conditions(self.rule)))

    def admits(self, data: Data) -> bool:
        """Whether the rule has to be decided, by evaluating its conditions."""
        rule = self.rule
        if self.is_open:
            return True
        if not rule.where.holds(data, NO_HISTORY):
            return False
        return not self.judges_who or rule.who.holds(data, NO_HISTORY)


def criteria_of(rule: Rule) -> Criteria:
    """What the rule demands."""
    return Criteria(
        rule,
        judges_who=_asks_person(rule) and not rule.who.performed,
        is_open=bool(rule.where.performed) or any(map(_is_open, _conditions(rule))),
    )


def _asks_person(rule: Rule) -> bool:
    """Whether `who` is of the person who did something, and not a broadcast's audience."""
    return rule.kind is RuleKind.CAMPAIGN


def _conditions(rule: Rule) -> Sequence[Condition]:
    return (rule.where, rule.who) if _asks_person(rule) else (rule.where,)


def _is_open(condition: Condition) -> bool:
    return any(each.logic is None or "person" in each.variables for each in condition.conjuncts)


def _comparisons(condition: Condition) -> list[Comparison]:
    """Those before the first question to the history: whatever fails is then found again without it."""
    asked = takewhile(lambda each: not each.performed, condition.conjuncts)
    return [each.comparison for each in asked if each.comparison is not None]


def _attributes(condition: Condition) -> Iterator[str]:
    for conjunct in condition.conjuncts:
        for path in conjunct.variables:
            root, _, below = path.partition(".")
            if root == "person" and below:
                yield below.partition(".")[0]
