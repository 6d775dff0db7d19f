"""The six kinds of rule file as they are written."""

from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue

from whereupon.rules.fields import (
    Id,
    MaybeDuration,
    MaybeName,
    MessageCondition,
    RawCondition,
    ValueSchema,
)
from whereupon.rules.form import Form, there
from whereupon.rules.reader.guardforms import GuardForm
from whereupon.rules.reader.settingsforms import SettingsForm
from whereupon.rules.reader.triggers import (
    ActiveChoice,
    BroadcastWhen,
    CampaignWhen,
    ExitForm,
    ReentryForm,
    RetroactiveChoice,
)
from whereupon.rules.steps import AnyStepForm

_NO_MESSAGE: JsonValue = {
    "anyOf": [{"const": "api"}, {"type": "object", "required": ["cron"]}],
}


class _Described(Form):
    description: str = Field(
        default="",
        description="What the file is for, in one sentence.",
        examples=["Thank people who buy socks."],
    )


class _RuleForm(_Described):
    where: MessageCondition = Field(
        default=None,
        description="A condition over the message's properties; only a message that meets it lets the person in.",
        examples=[{"product": "socks", "price": {"gt": 20}}],
    )
    who: RawCondition = Field(
        default=None,
        description=(
            "Asked at entry only: a condition over the person and what they did before. "
            "In a broadcast it is the audience."
        ),
        examples=[{"plan": ["pro", "team"]}],
    )
    max_age: MaybeDuration = Field(
        default=None,
        description="How old a message may be and still let a person in; 72h by default.",
        examples=["24h"],
    )
    active: ActiveChoice = Field(
        default=True,
        description=(
            "Whether the rule runs, or from when to when it lets people in. "
            "While it is false no person enters, and those who are inside stand still."
        ),
        examples=[False, {"from": "2026-01-31", "until": "2026-03-01"}],
    )
    exit: Annotated[ExitForm | None, BeforeValidator(there)] = Field(
        default=None,
        description=(
            "What ends an entry before its last step: an event, a segment that the person leaves, or "
            "a condition over the person; of a list, any of them."
        ),
        examples=[
            "order cancelled",
            {"leaves": "pro-users"},
            {"plan": "free"},
            ["order cancelled", {"plan": "free"}],
        ],
    )
    whereupon: list[AnyStepForm] = Field(
        min_length=1,
        description="The steps, done one after another for each person who enters.",
        examples=[[{"wait": "2h"}, {"send": "push", "title": "Thanks!"}]],
    )


class CampaignForm(_RuleForm):
    """A campaign: one person does something, and steps follow for that person."""

    campaign: Id = Field(
        description="The id, which is the file's name without its ending.", examples=["sock-thanks"]
    )
    when: CampaignWhen = Field(
        description="What lets a person in: an event, a page, a screen, a segment, or being known.",
        examples=[
            "purchase",
            ["purchase", "Order *"],
            {"page": "Pricing"},
            {"enters": "pro-users"},
            {"known": "person"},
        ],
    )
    reentry: ReentryForm = Field(
        description="Whether, and when, the same person may enter again.",
        examples=[
            "once",
            "every_time",
            "not_while_active",
            {"once_per": "7d"},
            {"once_per_key": "properties.order_id"},
        ],
    )
    retroactive: RetroactiveChoice = Field(
        default=True,
        description="Whether what a person did before they were known lets them in.",
        examples=[False, {"take": "last", "within": "24h"}],
    )


class BroadcastForm(_RuleForm):
    """A broadcast: everyone whom `who` admits."""

    model_config = ConfigDict(
        json_schema_extra={"not": {"required": ["where"], "properties": {"when": _NO_MESSAGE}}}
    )

    broadcast: Id = Field(
        description="The id, which is the file's name without its ending.", examples=["monday-news"]
    )
    when: BroadcastWhen = Field(
        description="What sends it: a schedule, the host's call, or something that happens.",
        examples=["api", {"cron": "0 9 * * MON", "timezone": "Europe/Paris"}, "Sale Started"],
    )


class SegmentForm(_Described):
    """A segment: a named condition over the person."""

    segment: Id = Field(
        description="The id, which is the file's name without its ending.", examples=["pro-users"]
    )
    who: RawCondition = Field(
        description="Who is in it: a condition over the person and what they did.",
        examples=[{"plan": "pro"}],
    )


class EventForm(_Described):
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


FileForm = CampaignForm | BroadcastForm | SegmentForm | EventForm | GuardForm | SettingsForm
FILE_FORMS: dict[str, type[FileForm]] = {
    "campaign": CampaignForm,
    "broadcast": BroadcastForm,
    "segment": SegmentForm,
    "event": EventForm,
    "guard": GuardForm,
    "settings": SettingsForm,
}

for (
    _form
) in FILE_FORMS.values():  # while this module is imported: threads would build them side by side
    _form.model_rebuild()
