"""Lint of goals and holdouts: a goal that cannot tell anything apart, or a holdout without one."""

from collections.abc import Iterator, Mapping

from whereupon.errors import Diagnostic
from whereupon.messages.model import MessageType
from whereupon.rules.model import EveryTime, Goal, OnMessage, Rule, Send
from whereupon.rules.texts_in import Path


def goal_warnings(rule: Rule) -> Iterator[Diagnostic]:
    """What is to be said of a rule's goal and holdout together with the rest of the rule."""
    goal = rule.goal
    if goal is not None:
        yield from _of_goal(rule, goal)
    elif rule.holdout is not None:
        message = "without a goal there is nothing to compare the holdout by: add goal: EVENT"
        yield Diagnostic.warning_at(("holdout",), "holdout-without-goal", message)


def _of_goal(rule: Rule, goal: Goal) -> Iterator[Diagnostic]:
    is_written_out = isinstance(rule.source.get("goal"), Mapping)
    place: Path = ("goal", "event") if is_written_out else ("goal",)
    is_trigger = any(
        isinstance(trigger, OnMessage) and trigger.names_message(MessageType.TRACK, goal.event)
        for trigger in rule.triggers
    )
    if is_trigger and isinstance(rule.reentry, EveryTime) and goal.same is None:
        message = (
            f"each {goal.event} enters the rule, and is the goal of every entry before it; tie the "
            "two with same, or limit reentry"
        )
        yield Diagnostic.warning_at(place, "goal-is-trigger", message)
    is_sending = any(isinstance(step, Send) for step in rule.route.every_step())
    if goal.after_send and not is_sending:
        message = "this rule sends nothing, so nobody could reach its goal; take after out"
        yield Diagnostic.at(("goal", "after"), "goal-never-met", message)
