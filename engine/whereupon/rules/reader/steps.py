"""The steps of `whereupon:` as they are written, one form each."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag

from whereupon.rules.reader.fields import EventName, MaybeName, Name, PositiveDuration
from whereupon.rules.reader.reserved import RECIPIENT_KEYS
from whereupon.rules.reader.words import SPELLINGS


class Form(BaseModel):
    """What every form of a rule file shares: no key but the known ones, no value converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class WaitForm(Form):
    """Let time pass."""

    wait: PositiveDuration = Field(
        description="How long the entry waits, from when the step before was done.", examples=["2h"]
    )


class SetForm(Form):
    """Set attributes of the person."""

    set: dict[str, JsonValue] = Field(
        min_length=1,
        description="Attributes of the person and their new values; texts are Liquid templates.",
        examples=[{"last_thanked": "{{ timestamp }}"}],
    )


class TrackForm(Form):
    """Send a track message of the person's."""

    track: EventName = Field(
        description="The name of an event that the person is then on record with, as if they had done it.",
        examples=["Thanked"],
    )
    properties: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="The event's properties; texts are Liquid templates.",
        examples=[{"product": "{{ properties.product }}"}],
    )


_NOT_CONTENT: list[JsonValue] = [
    *sorted(RECIPIENT_KEYS | SPELLINGS.keys() - {"send", "kind", "topic"})
]
KindName: TypeAlias = Literal["marketing", "transactional", "internal"]


class SendForm(Form):
    """Hand a delivery to a channel; every key beside those named here is content, its texts templates."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [{"send": "push", "title": "Thanks!", "body": "It is on the way."}],
            "propertyNames": {"not": {"enum": _NOT_CONTENT}},
        },
    )
    __pydantic_extra__: dict[str, JsonValue] = Field(init=False)

    send: Name = Field(
        description="The name of the channel, such as email or push.",
        examples=["push", "email", "sms", "webhook"],
    )
    kind: KindName = Field(
        default="marketing",
        description=(
            "Why it is sent: marketing (the default), transactional or internal. The last two go to "
            "people who have unsubscribed, too."
        ),
        examples=["transactional"],
    )
    topic: MaybeName = Field(
        default=None,
        description="What it is about: people who have opted out of that topic do not get it.",
        examples=["product-news"],
    )


STEP_FORMS: dict[str, type[Form]] = {
    "wait": WaitForm,
    "set": SetForm,
    "track": TrackForm,
    "send": SendForm,
}


def _step_tag(raw: object) -> str | None:
    if raw == "exit":
        return "<exit>"
    if not isinstance(raw, dict):
        return None
    return next((f"<{key}>" for key in STEP_FORMS if key in raw), None)


StepForm: TypeAlias = Annotated[
    Annotated[WaitForm, Tag("<wait>")]
    | Annotated[SetForm, Tag("<set>")]
    | Annotated[TrackForm, Tag("<track>")]
    | Annotated[SendForm, Tag("<send>")]
    | Annotated[Literal["exit"], Tag("<exit>")],
    Discriminator(_step_tag, custom_error_type="unknown-step", custom_error_message="unknown step"),
]
