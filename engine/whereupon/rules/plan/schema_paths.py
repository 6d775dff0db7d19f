"""The JSON Schemas of named values, and the way along a path of names into them."""

from collections.abc import Mapping
from typing import Final, TypeAlias

from pydantic import JsonValue

Schemas: TypeAlias = Mapping[str, JsonValue]
"""The schema of each value by its name."""

_OF_LISTS: Final = frozenset({"*", "first", "last"})
_SIZES: Final = frozenset({"size", "length"})


def unknown_part(name: tuple[str, ...], known: Schemas) -> tuple[str, Schemas] | None:
    """The part of a path that the schemas do not know, with the schemas at its place; None if all parts are known."""
    there: Schemas = known
    for place, part in enumerate(name):
        if part not in there:
            return part, there
        inner = _schemas_below(there[part], name[place + 1 :])
        if inner is None:
            return None
        skipped, there = inner
        if skipped:
            return unknown_part(name[place + 1 + skipped :], there)
    return None


def schema_at(name: tuple[str, ...], known: Schemas) -> JsonValue:
    """The schema of the value at a path; None if nothing describes it."""
    schema: JsonValue = None
    there: Schemas = known
    for place, part in enumerate(name):
        schema = there.get(part)
        inner = _schemas_below(schema, name[place + 1 :])
        if inner is None:
            return schema if place == len(name) - 1 else None
        skipped, there = inner
        if skipped:
            return schema_at(name[place + 1 + skipped :], there)
    return schema


def _schemas_below(schema: JsonValue, rest: tuple[str, ...]) -> tuple[int, Schemas] | None:
    """The schemas within a value, after a number of parts that choose items; None if the schema has none."""
    skipped = 0
    while isinstance(schema, dict) and skipped < len(rest) and _is_place(rest[skipped], schema):
        schema, skipped = schema.get("items"), skipped + 1
    if not isinstance(schema, dict) or schema.get("additionalProperties"):
        return None
    below = schema.get("properties")
    if not isinstance(below, dict) or not below or len(rest) == skipped:
        return None
    return None if rest[skipped] in _SIZES else (skipped, below)


def _is_place(part: str, schema: Schemas) -> bool:
    return "items" in schema and (part in _OF_LISTS or part.isdecimal())
