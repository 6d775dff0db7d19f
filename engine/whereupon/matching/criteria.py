"""What a rule demands of the attributes of a message and of a person, as far as an index can use it.

A decision that the index makes is not stored with what it saw, but found out again when somebody
asks (`decisions`). So a rule counts here as far as the stored message and the person's attributes
say everything: not beyond the first question to the history, and not at all where a condition
reads the person as a whole.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile

from whereupon.conditions import NO_HISTORY, Condition, Data
from whereupon.conditions.comparisons import Comparison, comparison_of
from whereupon.rules import Rule, RuleKind


@dataclass(frozen=True, slots=True)
class Criteria:
    """One rule, as the index sees it.

    Attributes:
        where, who: the comparisons that must hold.
        is_whole: the comparisons of `where` are all that it asks.
        judges_who: who the person is can be said without their history.
        is_open: nothing of the rule is decided here.
        attributes: the person's attributes that its conditions read.
    """

    rule: Rule
    where: tuple[Comparison, ...]
    who: tuple[Comparison, ...]
    is_whole: bool
    judges_who: bool
    is_open: bool
    attributes: frozenset[str]

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
    asks_person = rule.kind is RuleKind.CAMPAIGN  # a broadcast's `who` is its audience
    conditions = (rule.where, rule.who) if asks_person else (rule.where,)
    is_open = any(map(_is_open, conditions)) or bool(rule.where.performed)
    attributes = frozenset(name for each in conditions for name in _attributes(each))
    where = () if is_open else tuple(_comparisons(rule.where))
    who = tuple(_comparisons(rule.who)) if asks_person and not is_open else ()
    return Criteria(
        rule,
        where,
        who,
        is_whole=len(where) == len(rule.where.conjuncts),
        judges_who=asks_person and not rule.who.performed,
        is_open=is_open,
        attributes=attributes,
    )


def _is_open(condition: Condition) -> bool:
    return "person" in condition.variables or any(c.logic is None for c in condition.conjuncts)


def _comparisons(condition: Condition) -> Iterator[Comparison]:
    """Those before the first question to the history: whatever fails is then found again without it."""
    for conjunct in takewhile(lambda each: not each.performed, condition.conjuncts):
        comparison = comparison_of(conjunct.logic)
        if comparison is not None:
            yield comparison


def _attributes(condition: Condition) -> Iterable[str]:
    paths = (path.split(".") for path in condition.variables)
    return (parts[1] for parts in paths if parts[0] == "person" and len(parts) > 1)
