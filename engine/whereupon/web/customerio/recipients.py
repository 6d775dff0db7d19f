"""``recipients`` of a trigger: a filter of Customer.io's App API, as a condition of the rule language.

A filter is ``{"segment": {"id": …}}``, ``{"attribute": {"field": …, "operator": "eq" or "exists", "value": …}}``, or
``and``, ``or`` and ``not`` of filters.
"""

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from whereupon.conditions import Condition, parse_condition
from whereupon.conditions.clocks import DEFAULT_CLOCK
from whereupon.rules.model import Rulebook
from whereupon.web.customerio.answers import RefusedError
from whereupon.web.customerio.asked import id_at, object_in

_DEEPEST: Final = 10
"""Filters within filters."""

_KEYS: Final = frozenset({"all", "any", "not", "segment", "performed", "logic"})
"""What a condition says of itself, so that no attribute of that name can be asked."""


def condition_of(recipients: Mapping[str, JsonValue], book: Rulebook) -> Condition:
    """The condition that a filter means.

    Args:
        recipients: not empty.
        book: has the segments that it may name by their ids.

    Raises:
        RefusedError: it is no filter, or names a segment that is not there.
    """
    raw = _translated({**recipients}, "recipients", 0)
    segments = {name: each.source for name, each in book.segments.items()}
    clock = book.settings.timezone or DEFAULT_CLOCK
    condition, diagnostics = parse_condition(
        raw, root="person", segments=segments, history_allowed=True, clock=clock
    )
    for each in diagnostics:
        code = "unknown-segment" if each.code == "unknown-segment" else "bad-field"
        raise RefusedError(code=code, reason=f"recipients: {each.message}", field="recipients")
    return condition


def _translated(raw: JsonValue, place: str, depth: int) -> dict[str, JsonValue]:
    if not isinstance(raw, dict) or len(raw) != 1 or depth > _DEEPEST:
        shape = f"{place} must have one of and, or, not, segment and attribute"
        shape += f", at most {_DEEPEST} within one another"
        raise _bad(shape, place)
    ((name, inner),) = raw.items()
    within = f"{place}.{name}"
    match name:
        case "and" | "or" if isinstance(inner, list) and inner:
            parts: list[JsonValue] = [
                _translated(each, f"{within}[{n}]", depth + 1) for n, each in enumerate(inner)
            ]
            return {"all" if name == "and" else "any": parts}
        case "not":
            return {"not": _translated(inner, within, depth + 1)}
        case "segment":
            segment = id_at(object_in(raw, name, f"{place}."), "id", f"{within}.")
            if segment is not None:
                return {"segment": segment}
        case "attribute":
            return _attribute(object_in(raw, name, f"{place}."), within)
    shape = f"{within} is no filter: and and or take lists, and a segment has an id"
    raise _bad(shape, within)


def _attribute(raw: Mapping[str, JsonValue], place: str) -> dict[str, JsonValue]:
    field, operator, value = raw.get("field"), raw.get("operator"), raw.get("value")
    if not isinstance(field, str) or not field or field in _KEYS or "\\" in field:
        raise _wrong(place, "field", "must be the name of an attribute")
    name = field.replace(".", "\\.")
    if operator == "exists":
        return {name: {"exists": True}}
    if operator != "eq":
        raise _wrong(place, "operator", "must be eq or exists")
    if not isinstance(value, str | int | float):  # a boolean is an int
        raise _wrong(place, "value", "must be a text, a number or a boolean")
    return {name: {"eq": value}}


def _wrong(place: str, name: str, what: str) -> RefusedError:
    return _bad(f"{place}.{name} {what}", f"{place}.{name}")


def _bad(reason: str, field: str) -> RefusedError:
    return RefusedError(code="bad-field", reason=reason, field=field)
