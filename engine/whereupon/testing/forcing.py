"""Rules for one test, in which chance is decided: everybody takes the arm of a split that the test says."""

from collections.abc import Mapping
from dataclasses import replace

from whereupon.rules.model import Rule, Rulebook, Split, Step
from whereupon.rules.route import Route
from whereupon.rules.steps.split import WHOLE
from whereupon.rules.steps.step_form import Steps
from whereupon.testing.nested_steps import with_arms


def forced(book: Rulebook, arms: Mapping[str, str]) -> Rulebook:
    """The rulebook in which these arms of splits, by the splits' names, have the whole share."""
    if not arms:
        return book
    return replace(book, rules=tuple(_forced_rule(rule, arms) for rule in book.rules))


def _forced_rule(rule: Rule, arms: Mapping[str, str]) -> Rule:
    return replace(rule, route=Route(_forced_steps(rule.route.steps, arms)))


def _forced_steps(steps: Steps, arms: Mapping[str, str]) -> Steps:
    return tuple(_forced_step(step, arms) for step in steps)


def _forced_step(step: Step, arms: Mapping[str, str]) -> Step:
    changed = with_arms(step, lambda arm: _forced_steps(arm.steps, arms))
    if not isinstance(changed, Split) or changed.split not in arms:
        return changed
    label = arms[changed.split]
    shares = (replace(arm, share=WHOLE if arm.label == label else 0) for arm in changed.shares)
    return replace(changed, shares=tuple(shares))
