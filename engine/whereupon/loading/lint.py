"""What is legal in a rule and yet likely a mistake: one function for each kind of warning."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from pydantic import JsonValue

from whereupon.codec import Unread
from whereupon.conditions import Condition
from whereupon.conditions.meeting import reads_as_number, truth_in
from whereupon.conditions.paths import parts_of, path_of
from whereupon.errors import Problem, Severity
from whereupon.messages import MessageType
from whereupon.rulefiles.faults import nearest
from whereupon.rules import (
    Change,
    EventPlan,
    OncePerKey,
    OnMessage,
    OnSegment,
    Rule,
    RuleKind,
    Segment,
    TrackEvent,
)
from whereupon.templates import (
    VARIABLE_ROOTS,
    Template,
    TemplateError,
    is_template,
    parse_template,
)

Plans: TypeAlias = Mapping[str, EventPlan]
Path: TypeAlias = tuple[str | int, ...]

_ORDERED = ("gt", "gte", "lt", "lte")


def lint(rule: Rule, plans: Plans, segments: Mapping[str, Segment]) -> tuple[Problem, ...]:
    """Every warning about a rule.

    Args:
        rule: it.
        plans: the events that event files describe, by name.
        segments: all there are, by id.
    """
    if isinstance(rule.source, Unread):  # else what is read of it would stay with the rule
        rule = replace(rule, source=rule.source.copy())
    found = [problem for check in _CHECKS for problem in check(rule, plans)]
    return (*found, *_unnoticed_time(rule, segments))


def _warning(path: Path, code: str, message: str) -> Problem:
    return Problem(path, code, message, Severity.WARNING)


def _undescribed(rule: Rule, _: Plans) -> Iterator[Problem]:
    if rule.kind is RuleKind.CAMPAIGN and not rule.description.strip():
        message = "say in one sentence what this campaign is for: add description:"
        yield _warning((), "no-description", message)


def _every_event(rule: Rule, _: Plans) -> Iterator[Problem]:
    for trigger in rule.triggers:
        if isinstance(trigger, OnMessage) and "" in trigger.prefixes:
            message = "* is every message there is; name the events, or their common beginning"
            yield _warning(("when",), "every-event", message)


def _own_trigger(rule: Rule, _: Plans) -> Iterator[Problem]:
    for i, step in enumerate(rule.steps):
        if isinstance(step, TrackEvent) and _is_triggered_by(rule, step.event):
            message = f"this sends {step.event}, which triggers this rule again"
            yield _warning(("whereupon", i, "track"), "triggers-itself", message)


def _is_triggered_by(rule: Rule, event: str) -> bool:
    return any(
        isinstance(trigger, OnMessage) and trigger.names_message(MessageType.TRACK, event)
        for trigger in rule.triggers
    )


def _given(rule: Rule) -> set[str]:
    """The properties that must be there for the rule to be entered at all, by its short conditions.

    Only a plain key counts: it names a value that is compared, and a missing one satisfies nothing.
    """
    where, reentry = rule.source.get("where"), rule.reentry
    keys = where if isinstance(where, Mapping) else {}
    given = {f"properties.{key}" for key, asked in keys.items() if asked != {"exists": False}}
    return given | ({path_of(reentry.path)} if isinstance(reentry, OncePerKey) else set())


_NOT_EXITS = {
    "enters": "to end when a segment is entered, write segment: NAME",
    "page": "a page ends no entry; a track event does, or a condition, or leaves: SEGMENT",
    "screen": "a screen ends no entry; a track event does, or a condition, or leaves: SEGMENT",
}


def _triggers_as_exits(rule: Rule, _: Plans) -> Iterator[Problem]:
    raw = rule.source.get("exit")
    several = isinstance(raw, list)
    for i, leave in enumerate(raw if isinstance(raw, list) else [raw]):
        for key in leave if isinstance(leave, dict) else ():
            if key in _NOT_EXITS:
                path: Path = ("exit", i, key) if several else ("exit", key)
                message = f"this asks for an attribute called {key}; {_NOT_EXITS[key]}"
                yield _warning(path, "trigger-as-exit", message)


def _bare_variables(rule: Rule, _: Plans) -> Iterator[Problem]:
    given = _given(rule)
    for path, template in _templates(rule.source.get("whereupon"), ("whereupon",)):
        for variable in template.undefended():
            name = _written(variable)
            if variable[0] in ("properties", "person", "context") and name not in given:
                message = f"where {name} is missing nothing is sent; add | default: '…'"
                yield _warning(path, "no-default", message)


def _unknown_variables(rule: Rule, _: Plans) -> Iterator[Problem]:
    for path, template in _templates(rule.source.get("whereupon"), ("whereupon",)):
        for variable in template.variables():
            root = str(variable[0])
            if root not in VARIABLE_ROOTS:
                hint = nearest(root, VARIABLE_ROOTS) or f"; there are {', '.join(VARIABLE_ROOTS)}"
                yield _warning(path, "unknown-variable", f"there is no {root}{hint}")


def _unplanned_properties(rule: Rule, plans: Plans) -> Iterator[Problem]:
    planned = _planned(rule, plans)
    if planned is None:
        return
    for variable in sorted(rule.where.variables):
        root, *names = parts_of(variable)
        name = names[0] if names else ""
        if root == "properties" and name and name not in planned:
            path = _place_of(rule.source.get("where"), variable.partition(".")[2])
            hint = _with_a_dot(names, planned) or nearest(name, planned)
            message = f"no event file knows the property {name}{hint}"
            yield _warning(path, "unknown-property", message)


def _with_a_dot(names: Sequence[str], planned: Mapping[str, JsonValue]) -> str:
    """What to write where a property's own name has the dots that were read as a path."""
    for count in range(2, len(names) + 1):
        name = ".".join(names[:count])
        if name in planned:
            return f"; its name has a dot, so write {path_of([name, *names[count:]])}"
    return ""


def _contradicted_types(rule: Rule, plans: Plans) -> Iterator[Problem]:
    planned, where = _planned(rule, plans), rule.source.get("where")
    if planned is None or not isinstance(where, dict):
        return
    for name, expected in where.items():
        first, *below = parts_of(name)
        declared = None if below else planned.get(first)
        type_ = declared.get("type") if isinstance(declared, dict) else None
        if isinstance(type_, str) and not all(
            map(_FITS.get(type_, _anything), _operands(expected))
        ):
            message = (
                f"the event file says that {name} is of type {type_}: this never matches"
                f"{_TO_WRITE.get(type_, '')}"
            )
            yield _warning(("where", name), "type-mismatch", message)


def _unnoticed_time(rule: Rule, segments: Mapping[str, Segment]) -> Iterator[Problem]:
    """Where people would come in by time alone: only messages are looked at (but see `fold.lapsing`)."""
    for trigger in rule.triggers:
        if isinstance(trigger, OnSegment) and trigger.segment in segments:
            change = trigger.change
            condition = segments[trigger.segment].who
            if _turns_by_time(condition, to_true=change is Change.ENTERS):
                message = (
                    f"no message tells that time has passed: whoever {change} {trigger.segment} by it "
                    "triggers nothing; a broadcast by cron finds them"
                )
                yield _warning(("when", change.value), "time-alone", message)


def _turns_by_time(condition: Condition, *, to_true: bool) -> bool:
    """Whether the condition may come true, or false, while nothing happens."""
    counts = (ask for ask in condition.performed if ask.within is not None)
    return "timestamp" in condition.variables or any(
        (ask.most is not None) if to_true else (ask.least > 0) for ask in counts
    )


_CHECKS: Sequence[Callable[[Rule, Plans], Iterator[Problem]]] = (
    _undescribed,
    _every_event,
    _own_trigger,
    _triggers_as_exits,
    _bare_variables,
    _unknown_variables,
    _unplanned_properties,
    _contradicted_types,
)


# --- templates ------------------------------------------------------------------------------------


def _templates(raw: JsonValue, path: Path) -> Iterator[tuple[Path, Template]]:
    if isinstance(raw, str) and is_template(raw):
        try:
            yield path, parse_template(raw)
        except TemplateError:
            return
    inner = (
        raw.items() if isinstance(raw, dict) else enumerate(raw if isinstance(raw, list) else ())
    )
    for key, value in inner:
        yield from _templates(value, (*path, key))


def _written(variable: Path) -> str:
    return path_of(map(str, variable))


# --- the tracking plan ----------------------------------------------------------------------------


def _planned(rule: Rule, plans: Plans) -> Mapping[str, JsonValue] | None:
    """The properties of all events that trigger the rule; None unless each has an event file."""
    planned: dict[str, JsonValue] = {}
    for trigger in rule.triggers:
        if not isinstance(trigger, OnMessage) or trigger.prefixes:
            return None
        if trigger.type is not MessageType.TRACK or not plans.keys() >= set(trigger.names):
            return None
        for name in trigger.names:
            planned |= plans[name].properties
    return planned or None


def _place_of(where: JsonValue, path: str) -> Path:
    """The key of the short form that names the property, however deep it is nested."""
    waiting: list[tuple[Path, JsonValue]] = [(("where",), where)]
    while waiting:
        place, raw = waiting.pop()
        if isinstance(raw, dict):
            if path in raw:
                return (*place, path)
            waiting.extend(((*place, key), value) for key, value in raw.items())
        if isinstance(raw, list):
            waiting.extend(((*place, i), value) for i, value in enumerate(raw))
    return ("where",)


def _operands(expected: JsonValue) -> list[JsonValue]:
    """The fixed values that a property is equal to or ordered against."""
    if isinstance(expected, list):
        return expected
    if not isinstance(expected, dict):
        return [expected]
    return [value for name, value in expected.items() if name in (*_ORDERED, "eq")]


def _is_number(value: JsonValue) -> bool:
    return reads_as_number(value)


def _is_text(value: JsonValue) -> bool:
    return isinstance(value, str | int | float)


def _is_boolean(value: JsonValue) -> bool:
    return truth_in(value) is not None


def _anything(_: JsonValue) -> bool:
    return True


_TO_WRITE: Mapping[str, str] = {
    "number": "; write a number",
    "integer": "; write a number",
    "boolean": "; write true or false, which 1 and 0 are not",
}
_FITS: Mapping[str, Callable[[JsonValue], bool]] = {
    "number": _is_number,
    "integer": _is_number,
    "string": _is_text,
    "boolean": _is_boolean,
}
