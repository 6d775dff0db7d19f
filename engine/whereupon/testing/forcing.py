"""Rules for one test, in which chance is decided: the arms of splits, and who is held out."""

from collections.abc import Mapping
from dataclasses import replace

from whereupon.rules.model import Rule, Rulebook, Split, Step
from whereupon.rules.route import Route
from whereupon.rules.steps.split import WHOLE
from whereupon.rules.steps.step_form import Steps
from whereupon.testing.nested_steps import with_arms


def forced(book: Rulebook, arms: Mapping[str, str], *, held_out: bool | None = None) -> Rulebook:
    """The rulebook in which chance is decided.

    Args:
        arms: by the splits' names, the arms that have the whole share.
        held_out: whether holdouts keep everybody out, or nobody; None for what they say themselves.
    """
    if not arms and held_out is None:
        return book
    return replace(book, rules=tuple(_forced_rule(rule, arms, held_out) for rule in book.rules))


def _forced_rule(rule: Rule, arms: Mapping[str, str], held_out: bool | None) -> Rule:
    if arms:
        rule = replace(rule, route=Route(_forced_steps(rule.route.steps, arms)))
    if held_out is None or rule.holdout is None:
        return rule
    return replace(rule, holdout=replace(rule.holdout, share=WHOLE if held_out else 0))


def _forced_steps(steps: Steps, arms: Mapping[str, str]) -> Steps:
    return tuple(_forced_step(step, arms) for step in steps)


def _forced_step(step: Step, arms: Mapping[str, str]) -> Step:
    changed = with_arms(step, lambda arm: _forced_steps(arm.steps, arms))
    if not isinstance(changed, Split) or changed.split not in arms:
        return changed
    label = arms[changed.split]
    shares = (replace(arm, share=WHOLE if arm.label == label else 0) for arm in changed.shares)
    return replace(changed, shares=tuple(shares))
