"""The JSON Schema of rule files: it accepts what the reader accepts, as far as a schema can tell."""

from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Field, JsonValue, TypeAdapter

from whereupon.conditions import condition_schemas
from whereupon.rules.files import FILES
from whereupon.rules.reader.words import SPELLINGS
from whereupon.rules.steps import STEPS
from whereupon.rules.steps.raw_steps import FILE_ENDING, SEND_KEYS
from whereupon.rules.steps.send import LanguageForm, SendForm

_RENAMED = {"x-ref": "$ref", "oneOf": "anyOf"}
_NO_TEXTS = frozenset(f"{key}{FILE_ENDING}" for key in SEND_KEYS)
"""What resembles the key of a text in a file, and is none."""
_NULL: JsonValue = {"type": "null"}


def json_schema() -> dict[str, JsonValue]:
    """The JSON Schema (2020-12) of a rule file of any kind, by which editors complete."""
    any_file: Any = reduce(or_, FILES.values())  # a union, which a type checker cannot follow
    schema = TypeAdapter(Annotated[any_file, Field(title="A whereupon rule file")]).json_schema()
    linked = _with_references(schema)
    assert isinstance(linked, dict)  # noqa: S101 - a mapping stays one
    definitions = linked["$defs"]
    assert isinstance(definitions, dict)  # noqa: S101 - pydantic writes a mapping
    _forbid_misplaced_words(definitions)
    definitions |= condition_schemas()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **linked}


def _forbid_misplaced_words(definitions: dict[str, JsonValue]) -> None:
    """A step that takes content takes no word of the grammar but its own keys, and no recipient."""
    for form in STEPS.values():
        definition = definitions.get(form.__name__)
        if isinstance(definition, dict) and form.model_config.get("extra") == "allow":
            words = sorted(form.refused | _NO_TEXTS | SPELLINGS.keys() - form.model_fields.keys())
            definition["propertyNames"] = {"not": {"enum": [*words]}}
    language = definitions[LanguageForm.__name__]
    assert isinstance(language, dict)  # noqa: S101 - pydantic writes a mapping
    never = sorted(SendForm.refused | _NO_TEXTS | SEND_KEYS | SPELLINGS.keys() - {"mjml"})
    language["propertyNames"] = {"not": {"enum": [*never]}}


def _with_references(schema: JsonValue) -> JsonValue:
    """The schema with our references, with unions that may overlap, and without null, which no key may be."""
    if isinstance(schema, list):
        return [_with_references(item) for item in schema if item != _NULL]
    if not isinstance(schema, dict):
        return schema
    return {
        _RENAMED.get(key, key): _with_references(value)
        for key, value in schema.items()
        if not (key == "default" and value is None)
    }
