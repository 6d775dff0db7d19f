"""How old a claimed message may be to have any effect."""

from collections.abc import Iterable
from datetime import timedelta

from whereupon.conditions.paths import root_of
from whereupon.rules.model import Rule, RuleKind, Take

NO_AGE = timedelta(microseconds=-1)
"""The age limit of messages that have no effect at any age."""


def claimed_within(rules: Iterable[Rule]) -> timedelta | None:
    """How old a claimed message may be to open one of the campaigns among these rules.

    None means any age: a `where` that reads the person gives another reason for a skip whenever the
    person changes, so its messages are always evaluated.
    """
    campaigns = [rule for rule in rules if rule.kind is RuleKind.CAMPAIGN]
    if any(map(_reads_the_person, campaigns)):
        return None
    return max(map(_longest_age, campaigns), default=NO_AGE)


def _reads_the_person(rule: Rule) -> bool:
    return bool(rule.where.performed) or "person" in map(root_of, rule.where.variables)


def _longest_age(rule: Rule) -> timedelta:
    policy = rule.retroactive
    if policy.take is Take.NONE:
        return NO_AGE
    return rule.max_age if policy.within is None else min(rule.max_age, policy.within)
