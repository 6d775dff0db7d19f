"""The key `attributes` of the settings file: the tracking plan of persons."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, JsonValue, Tag

from whereupon.rules.form import invalid, shown
from whereupon.rules.rule_reader import RuleReader
from whereupon.rules.value_schemas import ValueSchema, unknown_types

TYPE_WORDS: Final[Mapping[str, JsonValue]] = MappingProxyType(
    {
        "text": {"type": "string"},
        "string": {"type": "string"},
        "number": {"type": "number"},
        "integer": {"type": "integer"},
        "boolean": {"type": "boolean"},
        "date": {"type": "string", "format": "date"},
        "datetime": {"type": "string", "format": "date-time"},
        "list": {"type": "array"},
        "array": {"type": "array"},
        "object": {"type": "object"},
        "any": {},
    }
)
"""The words for the types of attributes, and the JSON Schema that each stands for."""


def _word(word: object) -> object:
    if word is not None and not (isinstance(word, str) and word in TYPE_WORDS):
        raise invalid(
            code="unknown-type",
            text="{found} is not a type; write one of {known}, or a JSON Schema",
            found=shown(word),
            known=", ".join(TYPE_WORDS),
        )
    return word


def _tag(raw: object) -> str:
    return "<schema>" if isinstance(raw, dict) else "<type>"


_Word = Annotated[str, BeforeValidator(_word), Field(json_schema_extra={"enum": [*TYPE_WORDS]})]
AttributeType: TypeAlias = Annotated[
    Annotated[_Word, Tag("<type>")] | Annotated[ValueSchema, Tag("<schema>")],
    Discriminator(_tag),
]


def read_attributes(
    form: Mapping[str, AttributeType] | None, reader: RuleReader
) -> dict[str, JsonValue] | None:
    """The JSON Schema of each attribute by its name; None if the file does not say."""
    if form is None:
        return None
    schemas: dict[str, JsonValue] = {}
    for name, said in form.items():
        if isinstance(said, str):
            schemas[name] = TYPE_WORDS[said]
        else:
            reader.diagnostics.extend(unknown_types(said, ("attributes", name)))
            schemas[name] = said
    return schemas
