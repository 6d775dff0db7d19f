"""How far back past events are needed: of conditions, goals and journeys, and several as one."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TypeAlias

from whereupon.conditions import Condition
from whereupon.messages.times import ZERO
from whereupon.rules.model import ExitOnCondition, Rule

HistoryWindow: TypeAlias = Mapping[str, timedelta | None]
"""How far back past events are needed, by name (None: for ever)."""


def exit_conditions(rule: Rule) -> list[Condition]:
    """The conditions that end an entry of the rule."""
    asked = [leave.condition for leave in rule.exits if isinstance(leave, ExitOnCondition)]
    return [*asked, rule.who] if rule.stay else asked


def goal_window(rule: Rule) -> HistoryWindow:
    """The past events that the rule's goal asks about as a person enters."""
    if rule.goal is None:
        return {}
    return {rule.goal.event: None if rule.goal.skips_reached else ZERO}


def journey_window(rule: Rule) -> HistoryWindow:
    """The past events that the rule's steps ask about or wait for."""
    if rule.route.is_plain:
        return {}
    awaited = dict.fromkeys(rule.route.awaited, ZERO)
    return merged([window_of_conditions(rule.route.conditions), awaited])


def window_of_conditions(conditions: Iterable[Condition]) -> HistoryWindow:
    """The past events that conditions count."""
    asked = [performed for condition in conditions for performed in condition.performed]
    return merged([{performed.event: performed.within} for performed in asked])


def merged(windows: Iterable[HistoryWindow]) -> HistoryWindow:
    """Several windows as one: each name as far back as in any of them."""
    merged: dict[str, timedelta | None] = {}
    for window in windows:
        for name, span in window.items():
            known = merged.get(name, ZERO)
            merged[name] = None if span is None or known is None else max(span, known)
    return merged
