"""Event files: one event of the tracking plan."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field, JsonValue
from typing_extensions import override

from whereupon.rules.field_types import Id, MaybeName
from whereupon.rules.files.file_form import FileForm
from whereupon.rules.rule_reader import RuleReader
from whereupon.rules.value_schemas import ValueSchema, unknown_types


@dataclass(frozen=True, slots=True)
class EventPlan:
    """One event's name, and the JSON Schema of each of its properties."""

    id: str
    name: str
    description: str
    properties: Mapping[str, JsonValue]


class EventForm(FileForm):
    """An event: a part of the tracking plan."""

    event: Id = Field(
        description="The id, which is the file's name without its ending.",
        examples=["product-added"],
    )
    name: MaybeName = Field(
        default=None,
        description="The event's name as it is sent; the id by default.",
        examples=["Product Added"],
    )
    properties: dict[str, ValueSchema] = Field(
        default_factory=dict,
        description="The properties that it has, each with its JSON Schema.",
        examples=[{"price": {"type": "number"}}],
    )

    @override
    def read(self, reader: RuleReader) -> EventPlan:
        for name, schema in self.properties.items():
            reader.diagnostics.extend(unknown_types(schema, ("properties", name)))
        name = self.event if self.name is None else self.name
        return EventPlan(self.event, name, self.description, self.properties)
