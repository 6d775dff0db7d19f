"""The JSON Schema of rule files: it accepts what the reader accepts, as far as a schema can tell."""

from typing import Annotated

from pydantic import Field, JsonValue, TypeAdapter

from whereupon.conditions import condition_shapes
from whereupon.rules.reader.forms import FileForm

_RENAMED = {"x-ref": "$ref", "oneOf": "anyOf"}
_NULL: JsonValue = {"type": "null"}


def json_schema() -> dict[str, JsonValue]:
    """The JSON Schema (2020-12) of a rule file of any kind, for editors to complete by."""
    schema = TypeAdapter(Annotated[FileForm, Field(title="A whereupon rule file")]).json_schema()
    linked = _with_references(schema)
    assert isinstance(linked, dict)  # noqa: S101 - a mapping stays one
    definitions = linked["$defs"]
    assert isinstance(definitions, dict)  # noqa: S101 - pydantic writes a mapping
    definitions |= condition_shapes()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **linked}


def _with_references(schema: JsonValue) -> JsonValue:
    """Our references in place, unions that overlap allowed, and no null: a key left empty is an error."""
    if isinstance(schema, list):
        return [_with_references(item) for item in schema if item != _NULL]
    if not isinstance(schema, dict):
        return schema
    return {
        _RENAMED.get(key, key): _with_references(value)
        for key, value in schema.items()
        if not (key == "default" and value is None)
    }
