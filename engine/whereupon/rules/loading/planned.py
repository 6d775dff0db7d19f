"""Every name in a rule file, held to the tracking plan: events, properties, attributes and channels.

It looks at what is written, not at the rule that it makes, so that each finding has its place, and a
file with an error elsewhere is held to the plan as well.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from pydantic import JsonValue

from whereupon.conditions.mentions import (
    EventMention,
    Root,
    ValueMention,
    mentions_of,
    type_mismatches,
)
from whereupon.conditions.operators import OPERATORS, PlanCheck
from whereupon.conditions.paths import parts_of
from whereupon.conditions.scalars import reads_as_number, truth_in
from whereupon.errors import Diagnostic, Severity
from whereupon.rules.loading.plan import Path, Plan, schema_at, unknown_part
from whereupon.rules.spelling import nearest
from whereupon.templates import Template, TemplateError, is_template, parse_template

Source: TypeAlias = Mapping[str, JsonValue]

_LOOKED_INTO: Final = ("properties", "person", "context")
_CHECKED_TYPES: Final = ("number", "integer", "boolean", "array", "object")
_TRIGGERS: Final = {"leaves", "enters", "page", "screen"}
"""What is no attribute at the top of an exit, whether it is one or not."""


def held_to_plan(source: JsonValue, plan: Plan) -> Iterator[Diagnostic]:
    """What is wrong with the names in a rule, segment or guard file, in view of the plan."""
    if not isinstance(source, dict):
        return
    opening = _opening(source)
    if not _is_called_up(source):
        yield from _triggers(source.get("when"), plan)
    yield from _condition(source.get("where"), ("where",), "properties", opening, plan)
    yield from _condition(source.get("who"), ("who",), "person", opening, plan)
    for path, each in _each(source.get("exit"), ("exit",)):
        yield from _exit(each, path, plan)
    for path, each in _each(source.get("protect"), ("protect",)):
        yield from _condition(each, path, "person", None, plan)
    yield from _reentry(source.get("reentry"), opening, plan)
    steps = source.get("whereupon")
    for place, step in enumerate(steps if isinstance(steps, list) else ()):
        yield from _step(step, ("whereupon", place), opening, plan)


def _is_called_up(source: Source) -> bool:
    return source.get("when") == "api" and "broadcast" in source


def _opening(source: Source) -> list[str] | None:
    """The events that open an entry; None where other messages do too."""
    when = source.get("when")
    if _is_called_up(source):
        return None
    names = [when] if isinstance(when, str) else when
    if not isinstance(names, list) or not names:
        return None
    known = [name for name in names if isinstance(name, str)]
    return known if len(known) == len(names) else None


def _each(raw: JsonValue, path: Path) -> Iterator[tuple[Path, JsonValue]]:
    if isinstance(raw, list):
        yield from (((*path, place), each) for place, each in enumerate(raw))
    elif raw is not None:
        yield path, raw


def _triggers(when: JsonValue, plan: Plan) -> Iterator[Diagnostic]:
    for path, name in _each(when, ("when",)):
        if isinstance(name, str):
            yield from _one(plan.event_diagnostic(name, path))


def _exit(raw: JsonValue, path: Path, plan: Plan) -> Iterator[Diagnostic]:
    if isinstance(raw, str) and not raw.endswith("*"):  # which the reader refuses
        yield from _one(plan.event_diagnostic(raw, path))
    elif isinstance(raw, dict) and isinstance(event := raw.get("event"), str):
        yield from _one(plan.event_diagnostic(event, (*path, "event")))
        yield from _condition(raw.get("where"), (*path, "where"), "properties", [event], plan)
    elif isinstance(raw, dict) and not raw.keys() & _TRIGGERS:
        yield from _condition(raw, path, "person", None, plan)


def _reentry(raw: JsonValue, opening: list[str] | None, plan: Plan) -> Iterator[Diagnostic]:
    key = raw.get("once_per_key") if isinstance(raw, dict) else None
    if isinstance(key, str):
        path = ("reentry", "once_per_key")
        yield from _value(parts_of(key), path, opening, plan)


# --- conditions -------------------------------------------------------------------------------------


def _condition(
    raw: JsonValue, path: Path, root: Root, opening: list[str] | None, plan: Plan
) -> Iterator[Diagnostic]:
    """What is wrong in a condition; ``opening`` are the events whose properties it may ask for."""
    told: set[Path] = set()
    for mention in mentions_of(raw, path, root):
        if isinstance(mention, EventMention):
            if not mention.event.endswith("*"):  # which the reader warns of
                yield from _one(plan.event_diagnostic(mention.event, mention.path))
            continue
        events = opening if mention.event is None else [mention.event]
        if mention.items is not None:
            yield from _of_an_item(mention, events, plan)
            continue
        found = [*_value(mention.name, mention.path, events, plan)]
        found = found or [*_expected(mention, events, plan)]
        told |= {diagnostic.path[: len(diagnostic.path) - 1] for diagnostic in found}
        yield from found
    for place, fault in type_mismatches(raw, path, _data_schema(opening, plan)):
        if not any(each[: len(place)] == place for each in told):
            yield _warning(place, "type-mismatch", f"by the plan this never matches: {fault}")


def _data_schema(opening: list[str] | None, plan: Plan) -> dict[str, JsonValue]:
    """The plan as the JSON Schema of what a condition reads; texts may be numbers, so they have no type."""
    roots = {"properties": plan.properties_of(opening or ()), "person": plan.attributes}
    known = {root: schemas for root, schemas in roots.items() if schemas}
    return _object({root: _object(schemas) for root, schemas in known.items()})


def _object(schemas: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return {"type": "object", "properties": {name: _typed(each) for name, each in schemas.items()}}


def _typed(schema: JsonValue) -> JsonValue:
    if not isinstance(schema, dict):
        return {}
    below = schema.get("properties")
    if isinstance(below, dict) and below:
        return _object(below)
    return {"type": schema["type"]} if schema.get("type") in _CHECKED_TYPES else {}


def _value(
    name: tuple[str, ...], path: Path, events: list[str] | None, plan: Plan
) -> Iterator[Diagnostic]:
    """What is wrong with the path of a value, its root first."""
    if name[0] == "properties" and events is not None:
        yield from _one(plan.property_diagnostic(name[1:], events, path))
    elif name[0] == "person":
        yield from _one(plan.attribute_diagnostic(name[1:], path))


def _schema(name: tuple[str, ...], events: list[str] | None, plan: Plan) -> JsonValue:
    """What the plan says of the value at a path; None where it says nothing."""
    known = None
    if name[0] == "properties" and events is not None:
        known = plan.properties_of(events)
    elif name[0] == "person":
        known = plan.attributes
    return None if known is None else schema_at(name[1:], known)


def _of_an_item(
    mention: ValueMention, events: list[str] | None, plan: Plan
) -> Iterator[Diagnostic]:
    """What is read of an item of a list, where nothing else can be seen."""
    schema = _schema(mention.items, events, plan) if mention.items else None
    item = schema.get("items") if isinstance(schema, dict) else None
    known = item.get("properties") if isinstance(item, dict) else None
    unknown = unknown_part(mention.name, known) if isinstance(known, dict) and known else None
    root, *rest = mention.name
    if root in _LOOKED_INTO and rest and (unknown is not None or not isinstance(known, dict)):
        name = ".".join(mention.name)
        message = (
            f"this looks into the item, which has no {name}: nothing outside of the list is seen "
            "here; take it out of the loop, or describe the item in the event file"
        )
        yield Diagnostic.at(mention.path, "looks-into-item", message)
    elif unknown is not None:
        part, there = unknown
        message = f"no event file knows the property {part} of an item{nearest(part, there)}"
        yield Diagnostic.at(mention.path, "unknown-property", message, Severity.WARNING)


def _expected(mention: ValueMention, events: list[str] | None, plan: Plan) -> Iterator[Diagnostic]:
    """A fixed value that what the plan says of the value can never meet."""
    schema = _schema(mention.name, events, plan)
    operator = OPERATORS.get(mention.operator)
    if not isinstance(schema, dict) or operator is None or operator.plan is None:
        return
    name = ".".join(mention.name[1:])
    written = mention.expected if isinstance(mention.expected, list) else [mention.expected]
    values = [value for value in written if value is not None]
    if operator.operand.schema.get("type") == "array" and not isinstance(mention.expected, list):
        return
    options = schema.get("enum")
    if isinstance(options, list) and operator.plan is PlanCheck.CHOICE:
        known = [_text(option) for option in options]
        for value in values:
            if _text(value) not in known:
                hint = nearest(_text(value), known) or f"; there are {', '.join(known)}"
                message = f"the plan knows no {name} that is {_text(value)[:60]!r}{hint}"
                yield _warning(mention.path, "unknown-value", message)
    type_ = schema.get("type")
    if isinstance(type_, str) and not all(map(_FITS.get(type_, _anything), values)):
        by = "event file says" if mention.name[0] == "properties" else "settings say"
        message = (
            f"the {by} that {name} is of type {type_}: this never matches{_TO_WRITE.get(type_, '')}"
        )
        yield _warning(mention.path, "type-mismatch", message)


def _warning(path: Path, code: str, message: str) -> Diagnostic:
    return Diagnostic.at(path, code, message, Severity.WARNING)


# --- steps ------------------------------------------------------------------------------------------


def _step(
    raw: JsonValue, path: Path, opening: list[str] | None, plan: Plan
) -> Iterator[Diagnostic]:
    if not isinstance(raw, dict):
        return
    if isinstance(channel := raw.get("send"), str):
        yield from _one(plan.channel_diagnostic(channel, (*path, "send")))
    if isinstance(event := raw.get("track"), str):
        yield from _one(plan.event_diagnostic(event, (*path, "track")))
        yield from names_of_properties(raw.get("properties"), (*path, "properties"), event, plan)
    if isinstance(attributes := raw.get("set"), dict):
        yield from names_of_attributes(attributes, (*path, "set"), plan)
    for place, template in templates_in(raw, path):
        for variable in template.variables():
            name = tuple(map(str, variable))
            yield from _value(name, place, opening, plan)


def names_of_properties(raw: JsonValue, path: Path, event: str, plan: Plan) -> Iterator[Diagnostic]:
    """The names of properties that are given to an event, and that the plan does not know."""
    for name, place in _written(raw, path):
        yield from _one(plan.property_diagnostic(name, [event], place))


def names_of_attributes(raw: JsonValue, path: Path, plan: Plan) -> Iterator[Diagnostic]:
    """The names of attributes that are given to a person, and that the plan does not know."""
    for name, place in _written(raw, path):
        found = [*_one(plan.attribute_diagnostic(name, place))]
        yield from found
        if not found and len(name) == 1 and isinstance(raw, dict):
            value = raw[name[0]]
            if value is not None and not (isinstance(value, str) and is_template(value)):
                mention = ValueMention(place, ("person", *name), operator="eq", expected=value)
                yield from _expected(mention, None, plan)


def _written(raw: JsonValue, path: Path) -> Iterator[tuple[tuple[str, ...], Path]]:
    """The names in a mapping, and in the mappings that it holds."""
    waiting: list[tuple[tuple[str, ...], Path, JsonValue]] = [((), path, raw)]
    while waiting:
        name, place, value = waiting.pop()
        for key, inner in value.items() if isinstance(value, dict) else ():
            yield (*name, key), (*place, key)
            waiting.append(((*name, key), (*place, key), inner))


def templates_in(raw: JsonValue, path: Path) -> Iterator[tuple[Path, Template]]:
    """Every template that is written in a value, however deep, and its place."""
    if isinstance(raw, str) and is_template(raw):
        try:
            yield path, parse_template(raw)
        except TemplateError:
            return
    inner = (
        raw.items() if isinstance(raw, dict) else enumerate(raw if isinstance(raw, list) else ())
    )
    for key, value in inner:
        yield from templates_in(value, (*path, key))


def _one(diagnostic: Diagnostic | None) -> Iterator[Diagnostic]:
    if diagnostic is not None:
        yield diagnostic


# --- types ------------------------------------------------------------------------------------------


def _text(value: JsonValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_text(value: JsonValue) -> bool:
    return isinstance(value, str | int | float)


def _is_boolean(value: JsonValue) -> bool:
    return truth_in(value) is not None


def _anything(_: JsonValue) -> bool:
    return True


_FITS: Mapping[str, Callable[[JsonValue], bool]] = {
    "number": reads_as_number,
    "integer": reads_as_number,
    "string": _is_text,
    "boolean": _is_boolean,
}
_TO_WRITE: Mapping[str, str] = {
    "number": "; write a number",
    "integer": "; write a number",
    "boolean": "; write true or false, which 1 and 0 are not",
}
