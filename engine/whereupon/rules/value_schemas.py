"""The JSON Schema of one value of the tracking plan, as rule files hold it."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Final

from pydantic import JsonValue, WithJsonSchema

from whereupon.errors import Diagnostic
from whereupon.rules.form import shown
from whereupon.rules.rule_reader import Path
from whereupon.rules.spelling import nearest

SCHEMA_TYPES: Final = ("string", "number", "integer", "boolean", "object", "array", "null")
"""The types of properties and attributes, as JSON Schema names them."""

ValueSchema = Annotated[
    dict[str, JsonValue],
    WithJsonSchema(
        {
            "type": "object",
            "properties": {
                "type": {
                    "description": "The type, or a list of types.",
                    "anyOf": [
                        {"enum": [*SCHEMA_TYPES, None]},
                        {"type": "array", "items": {"enum": [*SCHEMA_TYPES, None]}},
                    ],
                }
            },
        }
    ),
]
"""The JSON Schema of one value."""


def unknown_types(schema: Mapping[str, JsonValue], path: Path) -> Iterator[Diagnostic]:
    """An error for each type in a value's schema that JSON Schema does not have."""
    declared = schema.get("type")
    for type_ in declared if isinstance(declared, list) else [declared]:
        if type_ is not None and type_ not in SCHEMA_TYPES:
            named = repr(type_) if isinstance(type_, str) else f"is {shown(type_)}"
            hint = nearest(str(type_), SCHEMA_TYPES) or f"; write {', '.join(SCHEMA_TYPES)}"
            yield Diagnostic.at((*path, "type"), "unknown-type", f"no type {named}{hint}")
