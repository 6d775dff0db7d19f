"""Values that are written in conditions and steps, against the schema that the tracking plan gives."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from pydantic import JsonValue

from whereupon.conditions.item_tests import ITEM_TESTS
from whereupon.conditions.mentions import ValueMention
from whereupon.conditions.operators import OPERATORS, PlanCheck
from whereupon.conditions.scalars import reads_as_number, truth_in
from whereupon.errors import Diagnostic
from whereupon.rules.plan.schema_paths import Schemas
from whereupon.rules.spelling import nearest

_CHECKED_TYPES: Final = ("number", "integer", "boolean", "array", "object")


def unmet_value(mention: ValueMention, schema: JsonValue) -> Iterator[Diagnostic]:
    """A warning if the fixed value of a comparison can never meet the schema of what it is compared with."""
    if mention.operator in ITEM_TESTS:
        yield from _without_items(mention, schema)
        return
    operator = OPERATORS.get(mention.operator)
    if not isinstance(schema, dict) or operator is None or operator.plan is None:
        return
    name = _label(mention)
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
                yield Diagnostic.warning_at(mention.path, "unknown-value", message)
    type_ = schema.get("type")
    if isinstance(type_, str) and not all(map(_FITS.get(type_, _anything), values)):
        message = (
            f"the {_by(mention)} that {'' if mention.name else 'an '}{name} is of type {type_}: "
            f"this never matches{_TO_WRITE.get(type_, '')}"
        )
        yield Diagnostic.warning_at(mention.path, "type-mismatch", message)


def _without_items(mention: ValueMention, schema: JsonValue) -> Iterator[Diagnostic]:
    """A warning if the items of a value are asked for that is no list."""
    type_ = schema.get("type") if isinstance(schema, dict) else None
    if isinstance(type_, str) and type_ != "array":
        message = (
            f"the {_by(mention)} that {_label(mention)} is of type {type_}, which has no items: this "
            "never matches; compare the value itself"
        )
        yield Diagnostic.warning_at(mention.path, "type-mismatch", message)


def _by(mention: ValueMention) -> str:
    root = (mention.items or mention.name)[0]
    return "event file says" if root == "properties" else "settings say"


def _label(mention: ValueMention) -> str:
    """The value as a sentence calls it."""
    if mention.items is None:
        return ".".join(mention.name[1:])
    return ".".join(mention.name) or f"item of {mention.items[-1]}"


def object_schema(schemas: Schemas) -> dict[str, JsonValue]:
    """The schema of an object with these values; texts may be numbers, so they have no type."""
    return {"type": "object", "properties": {name: _typed(each) for name, each in schemas.items()}}


def _typed(schema: JsonValue) -> JsonValue:
    if not isinstance(schema, dict):
        return {}
    below = schema.get("properties")
    if isinstance(below, dict) and below:
        return object_schema(below)
    return {"type": schema["type"]} if schema.get("type") in _CHECKED_TYPES else {}


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
