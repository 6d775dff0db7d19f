"""The six kinds of rule file as they are written."""

from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue

from whereupon.rules.reader.fields import (
    Id,
    MaybeDuration,
    MaybeName,
    MessageCondition,
    RawCondition,
    ValueSchema,
    there,
)
from whereupon.rules.reader.guardforms import GuardForm
from whereupon.rules.reader.settingsforms import SettingsForm
from whereupon.rules.reader.steps import Form, StepForm
from whereupon.rules.reader.triggers import (
    ActiveChoice,
    BroadcastWhen,
    CampaignWhen,
    ExitForm,
    ReentryForm,
    RetroactiveChoice,
)

_NO_MESSAGE: JsonValue = {
    "anyOf": [{"const": "api"}, {"type": "object", "required": ["cron"]}],
}


class _Described(Form):
    description: str = Field(
        default="", description="One sentence.", examples=["Thank people who buy socks."]
    )


class _RuleForm(_Described):
    where: MessageCondition = Field(
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
        description="An event, a segment left or a condition that ends the entry, at once where it holds; a list: any.",
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
        examples=[
            "purchase",
            ["purchase", "Order *"],
            {"page": "Pricing"},
            {"enters": "pro"},
            {"known": "person"},
        ],
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

    model_config = ConfigDict(
        json_schema_extra={"not": {"required": ["where"], "properties": {"when": _NO_MESSAGE}}}
    )

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
    properties: dict[str, ValueSchema] = Field(
        default_factory=dict,
        description="Its properties, each a JSON Schema.",
        examples=[{"price": {"type": "number"}}],
    )


FileForm = CampaignForm | BroadcastForm | SegmentForm | EventForm | GuardForm | SettingsForm
FILE_FORMS: dict[str, type[FileForm]] = {
    "campaign": CampaignForm,
    "broadcast": BroadcastForm,
    "segment": SegmentForm,
    "event": EventForm,
    "guard": GuardForm,
    "settings": SettingsForm,
}
