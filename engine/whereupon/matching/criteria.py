"""What a rule demands of the attributes of a message and of a person, as far as an index can use it.

A skip that the index decides is not stored with the values that it read, but decided again when it is
read. So the index uses a rule only as far as the stored message and the person's attributes are enough:
up to the first question to the history, and not at all if a condition reads the person as a whole.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, takewhile

from whereupon.conditions import NO_HISTORY, Condition, Conjunct, Data
from whereupon.conditions.paths import parts_of
from whereupon.conditions.predicate import Predicate
from whereupon.rules.model import Rule, RuleKind

_CAMPAIGN = RuleKind.CAMPAIGN  # looked up slowly as an attribute


@dataclass(frozen=True, slots=True)
class Criteria:
    """What the index can use of one rule; not kept in memory.

    Attributes:
        where, who: the comparisons that must hold.
        is_whole: whether the comparisons are all of `where`.
        is_open: whether the index can decide nothing about the rule.
    """

    where: Sequence[Predicate]
    who: Sequence[Predicate]
    is_whole: bool
    is_open: bool


def criteria_of(rule: Rule) -> Criteria:
    """What the index can use of the rule."""
    where, who = rule.where, rule.who
    asks_person = _asks_person(rule)
    if where.performed or _is_open(where) or (asks_person and _is_open(who)):
        return Criteria((), (), is_whole=not where.conjuncts, is_open=True)
    compared = _comparisons(where)
    is_whole = len(compared) == len(where.conjuncts)
    return Criteria(compared, _comparisons(who) if asks_person else (), is_whole, is_open=False)


def admits(rule: Rule, data: Data) -> bool:
    """Whether a rule that is not open has to be decided; its conditions are evaluated for it."""
    if not rule.where.holds(data, NO_HISTORY):
        return False
    judges_who = _asks_person(rule) and not rule.who.performed
    return not judges_who or rule.who.holds(data, NO_HISTORY)


def attributes_of(rule: Rule) -> Iterator[str]:
    """The person's attributes that the rule's conditions read."""
    for condition in (rule.where, rule.who) if _asks_person(rule) else (rule.where,):
        for path in chain.from_iterable(each.variables for each in condition.conjuncts):
            root, *below = parts_of(path)
            if root == "person" and below:
                yield below[0]


def _asks_person(rule: Rule) -> bool:
    """Whether the index may judge `who`.

    That of a broadcast is about its audience, and not about the sender of the message. A rule with `grace` keeps
    each of its skips, so it is decided by itself.
    """
    return rule.kind is _CAMPAIGN and rule.grace is None


def _is_open(condition: Condition) -> bool:
    for each in condition.conjuncts:  # noqa: SIM110 - a generator would double the cost
        if each.logic is None or "person" in each.variables:
            return True
    return False


def _comparisons(condition: Condition) -> Sequence[Predicate]:
    """The comparisons before the first question to the history."""
    asked: Iterable[Conjunct] = condition.conjuncts
    if condition.performed:
        asked = takewhile(lambda each: not each.performed, asked)
    return [each.predicate for each in asked if each.predicate is not None]
