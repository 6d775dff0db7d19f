"""The five kinds of rule file as they are written, and the JSON Schema of them all."""

from typing import Annotated

from pydantic import BeforeValidator, Field, JsonValue, TypeAdapter

from whereupon.rulefiles.fields import (
    Id,
    MaybeDuration,
    MaybeName,
    RawCondition,
    there,
)
from whereupon.rulefiles.guardforms import GuardForm
from whereupon.rulefiles.steps import Form, StepForm
from whereupon.rulefiles.triggers import (
    ActiveChoice,
    BroadcastWhen,
    CampaignWhen,
    ExitForm,
    ReentryForm,
    RetroactiveChoice,
)


class _Described(Form):
    description: str = Field(
        default="", description="One sentence.", examples=["Thank people who buy socks."]
    )


class _RuleForm(_Described):
    where: RawCondition = Field(
        default=None,
        description="A condition over the message's properties.",
        examples=[{"product": "socks", "price": {"gt": 20}}],
    )
    who: RawCondition = Field(
        default=None,
        description="A condition over the person's attributes.",
        examples=[{"plan": ["pro", "team"]}],
    )
    max_age: MaybeDuration = Field(
        default=None, description="How old a message may be and still trigger; 72h by default."
    )
    active: ActiveChoice = Field(
        default=True,
        description="Whether the rule lets people in, or from when until when.",
        examples=[True, {"from": "2026-01-31", "until": "2026-03-01"}],
    )
    exit: Annotated[ExitForm | None, BeforeValidator(there)] = Field(
        default=None,
        description="An event, a segment left or a condition that ends the entry; a list: any.",
        examples=["order cancelled", {"leaves": "pro-users"}],
    )
    whereupon: list[StepForm] = Field(
        min_length=1,
        description="What happens, step after step.",
        examples=[[{"wait": "2h"}, {"send": "push", "title": "Thanks!"}]],
    )


class CampaignForm(_RuleForm):
    """A campaign: one person does something, and steps follow for that person."""

    campaign: Id = Field(description="The id: the file's stem.", examples=["sock-thanks"])
    when: CampaignWhen = Field(
        description="What triggers it.",
        examples=["purchase", ["purchase", "Order *"], {"page": "Pricing"}, {"enters": "pro"}],
    )
    reentry: ReentryForm = Field(
        description="Whether, and when, the same person may enter again.",
        examples=["once", "every_time", {"once_per": "7d"}, {"once_per_key": "properties.id"}],
    )
    retroactive: RetroactiveChoice = Field(
        default=True,
        description="What claimed messages (done before signing up) trigger.",
        examples=[True, False, {"take": "last", "within": "24h"}],
    )


class BroadcastForm(_RuleForm):
    """A broadcast: everyone whom `who` admits."""

    broadcast: Id = Field(description="The id: the file's stem.", examples=["monday-news"])
    when: BroadcastWhen = Field(
        description="What triggers it.",
        examples=["api", {"cron": "0 9 * * MON", "timezone": "Europe/Paris"}],
    )


class SegmentForm(_Described):
    """A segment: a named condition over the person."""

    segment: Id = Field(description="The id: the file's stem.", examples=["pro-users"])
    who: RawCondition = Field(
        description="A condition over the person's attributes.", examples=[{"plan": "pro"}]
    )


class EventForm(_Described):
    """An event: a part of the tracking plan."""

    event: Id = Field(description="The id: the file's stem.", examples=["product-added"])
    name: MaybeName = Field(
        default=None,
        description="The event's name as it is sent; the id by default.",
        examples=["Product Added"],
    )
    properties: dict[str, dict[str, JsonValue]] = Field(
        default_factory=dict,
        description="Its properties, each a JSON Schema.",
        examples=[{"price": {"type": "number"}}],
    )


FileForm = CampaignForm | BroadcastForm | SegmentForm | EventForm | GuardForm
FILE_FORMS: dict[str, type[FileForm]] = {
    "campaign": CampaignForm,
    "broadcast": BroadcastForm,
    "segment": SegmentForm,
    "event": EventForm,
    "guard": GuardForm,
}

_OPERATORS = (
    "eq", "ne", "gt", "gte", "lt", "lte", "in", "not_in", "contains", "starts_with", "ends_with",
    "matches", "exists", "before", "after", "within",
)  # fmt: skip


_RENAMED = {"x-ref": "$ref", "oneOf": "anyOf"}


def json_schema() -> dict[str, JsonValue]:
    """The JSON Schema (2020-12) of a rule file of any kind, for editors to complete by."""
    schema = TypeAdapter(Annotated[FileForm, Field(title="A whereupon rule file")]).json_schema()
    linked = _with_references(schema)
    assert isinstance(linked, dict)  # noqa: S101 - a mapping stays one
    definitions = linked["$defs"]
    assert isinstance(definitions, dict)  # noqa: S101 - pydantic writes a mapping
    definitions["Condition"] = _condition_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **linked}


def _with_references(schema: JsonValue) -> JsonValue:
    """Our references in place, and unions that overlap (an exit event is a condition too) allowed."""
    if isinstance(schema, list):
        return [_with_references(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        _RENAMED.get(key, key): _with_references(value)
        for key, value in schema.items()
        if not (key == "default" and value is None)
    }


def _condition_schema() -> JsonValue:
    itself: JsonValue = {"$ref": "#/$defs/Condition"}
    several: JsonValue = {"type": "array", "items": itself}
    operators: JsonValue = {name: {} for name in _OPERATORS}
    return {
        "type": "object",
        "description": "Dotted paths and what is expected there: a value, a list, or operators.",
        "examples": [{"product": "socks", "price": {"gt": 20}}],
        "properties": {
            "all": {"description": "Every one of these holds.", "anyOf": [several, itself]},
            "any": {"description": "At least one of these holds.", "anyOf": [several, itself]},
            "not": {"description": "This does not hold.", "anyOf": [itself]},
            "logic": {"description": "Standard JSONLogic.", "type": "object"},
            "segment": {"description": "The person is in this segment.", "type": "string"},
            "performed": {"description": "How often the person did it.", "type": "object"},
        },
        "additionalProperties": {
            "anyOf": [
                {"type": ["string", "number", "boolean", "null", "array"]},
                {"type": "object", "properties": operators},
            ]
        },
    }
