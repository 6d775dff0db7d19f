"""Lint of conditions over time: moments that cannot be computed, and dates that are meant on one side of now."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue
from typing_extensions import override

from whereupon.conditions import Condition, Conjunct
from whereupon.conditions.analysis import is_computable
from whereupon.conditions.mentions import Mention, ValueMention
from whereupon.conditions.paths import root_of
from whereupon.conditions.values import OF_THE_PERSON
from whereupon.errors import Diagnostic
from whereupon.rules.files import FILES
from whereupon.rules.model import (
    ExitOnCondition,
    ExitOnEvent,
    ExitOnLeaving,
    Guard,
    OnSegment,
    Rule,
    Segment,
    WaitFor,
)
from whereupon.rules.plan.plan_checker import PlanChecker
from whereupon.rules.plan.tracking_plan import TrackingPlan
from whereupon.rules.rule_reader import Path

# --- moments --------------------------------------------------------------------------------------


def unknown_moments(rule: Rule, segments: Mapping[str, Segment]) -> Iterator[Diagnostic]:
    """The conditions that time alone may change, at moments that cannot be computed, where the rule acts at them."""
    for path, condition in _watched(rule, segments):
        unknown = next(filter(_is_unknown, condition.conjuncts), None)
        if unknown is not None:
            message = (
                f"time alone may change whether this holds ({unknown.text[:80]}), and nobody can say when: "
                "it computes with the timestamp. Compare the bare timestamp, or write in_next, in_last, "
                "on_day or performed with within"
            )
            yield Diagnostic.at(path, "unknown-moment", message)


def _is_unknown(conjunct: Conjunct) -> bool:
    """Whether it reads the time, and nobody can say when that changes it."""
    reads = any(path.startswith("timestamp") for path in conjunct.variables)
    return reads and not is_computable(conjunct.logic)


def _watched(rule: Rule, segments: Mapping[str, Segment]) -> Iterator[tuple[Path, Condition]]:
    """The conditions at whose changes the rule acts, each with its place."""
    for trigger in rule.triggers:
        if isinstance(trigger, OnSegment) and trigger.segment in segments:
            yield ("when", trigger.change.value), segments[trigger.segment].who
    yield from _exits(rule, segments)
    if rule.stay:
        yield ("stay",), rule.who
    for place in rule.route.places.values():
        waits = place.step.waits if isinstance(place.step, WaitFor) else ()
        yield from (((*place.path, "wait_for", i, "who"), arm.who) for i, arm in enumerate(waits))


def _exits(rule: Rule, segments: Mapping[str, Segment]) -> Iterator[tuple[Path, Condition]]:
    several = isinstance(rule.source.get("exit"), list)
    for place, leave in enumerate(rule.exits):
        path: Path = ("exit", place) if several else ("exit",)
        if isinstance(leave, ExitOnCondition) and _is_of_the_person(leave.condition):
            yield path, leave.condition
        elif isinstance(leave, ExitOnLeaving) and leave.segment in segments:
            yield (*path, "leaves"), segments[leave.segment].who


def _is_of_the_person(condition: Condition) -> bool:
    """Whether the condition is asked without a message, too."""
    return all(root_of(path) in OF_THE_PERSON for path in condition.variables)


# --- both sides of now ----------------------------------------------------------------------------

_BOTH_SIDES: Final = "both-sides"


@dataclass(frozen=True, slots=True)
class _SideFinder(PlanChecker):
    """Finds dates that may lie on either side of now, and nothing else."""

    @override
    def _mention(self, mention: Mention, opening: list[str] | None) -> Iterator[Diagnostic]:
        if isinstance(mention, ValueMention) and mention.operator == "within":
            span = mention.expected if isinstance(mention.expected, str) else "7d"
            message = (
                f"within is either side of now; for what lies ahead write in_next: {span}, for what has "
                f"passed in_last: {span}; this is said once a folder"
            )
            yield Diagnostic.warning_at((*mention.path, "within"), _BOTH_SIDES, message)


def both_sides(source: Mapping[str, JsonValue]) -> Diagnostic | None:
    """What there is to say of the first date of a file that may lie on either side of now.

    Args:
        source: what the file says.
    """
    kind = next(key for key in FILES if key in source)
    found = FILES[kind].check(source, _SideFinder(TrackingPlan()))
    return next((each for each in found if each.code == _BOTH_SIDES), None)


def may_have_sides(value: object) -> bool:
    """Whether a file's value has a condition that reads the time, so that it is worth looking through."""
    match value:
        case Rule():
            return any(map(_reads_time, _conditions_of(value)))
        case Segment():
            return _reads_time(value.who)
        case Guard():
            return any(map(_reads_time, value.protect))
        case _:
            return False


def _conditions_of(rule: Rule) -> Iterable[Condition]:
    yield from (rule.where, rule.who, *rule.route.conditions)
    for leave in rule.exits:
        if isinstance(leave, ExitOnCondition):
            yield leave.condition
        elif isinstance(leave, ExitOnEvent):
            yield leave.where
    if rule.goal is not None:
        yield rule.goal.where
    if not rule.route.is_plain:
        waits = (step.waits for step in rule.route.every_step() if isinstance(step, WaitFor))
        yield from (arm.where for arms in waits for arm in arms)


def _reads_time(condition: Condition) -> bool:
    """Whether the condition, or a `where` over events that it counts, reads the time."""
    return any("timestamp" in each.variables for each in condition.conjuncts) or any(
        asked.where is not None and _reads_time(asked.where) for asked in condition.performed
    )
