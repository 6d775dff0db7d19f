"""The forms of `when:`, `exit:`, `reentry:`, `retroactive:` and `active:` as they are written."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator, Field, JsonValue, Tag, WithJsonSchema

from whereupon.rules.fields import (
    MaybeDuration,
    MaybeInstant,
    MessageCondition,
    MessagePath,
    Name,
    NamePattern,
    PositiveDuration,
    RawCondition,
    Timezone,
    WholeName,
)
from whereupon.rules.form import Form
from whereupon.rules.model import DEFAULT_LATE


class PageForm(Form):
    """A page message by name."""

    page: NamePattern = Field(
        description="The page's name, or the beginning of names with a * behind it.",
        examples=["Pricing"],
    )


class ScreenForm(Form):
    """A screen message by name."""

    screen: NamePattern = Field(
        description="The screen's name, or the beginning of names with a * behind it.",
        examples=["Cart*"],
    )


class EntersForm(Form):
    """A person enters a segment."""

    enters: Name = Field(
        description="The id of a segment that the person comes into.", examples=["pro-users"]
    )


class LeavesForm(Form):
    """A person leaves a segment."""

    leaves: Name = Field(
        description="The id of a segment that the person goes out of.", examples=["pro-users"]
    )


class KnownForm(Form):
    """Somebody becomes known."""

    known: Literal["person"] = Field(
        description="Once for each person, at the first message that makes them known.",
        examples=["person"],
    )


class CronForm(Form):
    """A broadcast's times."""

    cron: Name = Field(
        description="The times: minute, hour, day of the month, month, day of the week.",
        examples=["0 9 * * MON"],
    )
    timezone: Timezone = Field(
        default="UTC",
        description="The timezone on whose clock the times are.",
        examples=["Europe/Paris"],
    )
    late: PositiveDuration = Field(
        default=DEFAULT_LATE,
        description="How late a missed time may still go out after a standstill; the newest alone does.",
        examples=["6h"],
    )


class ExitEventForm(Form):
    """The person does something that ends the entry."""

    event: WholeName = Field(description="The event's name.", examples=["refund"])
    where: MessageCondition = Field(
        default=None,
        description="A condition over the event's properties.",
        examples=[{"price": {"gt": 0}}],
    )


class OncePerForm(Form):
    """No two entries closer than this."""

    once_per: PositiveDuration = Field(
        description="The least time between two entries of one person.", examples=["7d"]
    )


class OncePerKeyForm(Form):
    """One entry per value of a property."""

    once_per_key: MessagePath = Field(
        description="The path of a value in the message: one entry for each person and value.",
        examples=["properties.order_id"],
    )


class RetroactiveForm(Form):
    """Which of the messages that were claimed trigger."""

    take: Literal["all", "first", "last"] = Field(
        default="all",
        description="Which of several messages count that come to the person at once.",
        examples=["first"],
    )
    within: MaybeDuration = Field(
        default=None,
        description="How old a message may be when the person becomes known; max_age holds, too.",
        examples=["24h"],
    )


class ActiveForm(Form):
    """From when, and until when, the rule lets people in."""

    since: MaybeInstant = Field(
        default=None,
        alias="from",
        description="From when on the rule lets people in.",
        examples=["2026-01-31"],
    )
    until: MaybeInstant = Field(
        default=None,
        description="From when on it lets no more people in; those who are inside go on.",
        examples=["2026-03-01T09:00:00+01:00"],
    )


MAPPING_FORMS: dict[str, type[Form]] = {
    "page": PageForm,
    "screen": ScreenForm,
    "enters": EntersForm,
    "leaves": LeavesForm,
    "known": KnownForm,
    "cron": CronForm,
    "exit_event": ExitEventForm,
    "once_per": OncePerForm,
    "once_per_key": OncePerKeyForm,
    "retroactive": RetroactiveForm,
    "active": ActiveForm,
}


def _first_key(raw: object, *keys: str) -> str | None:
    if not isinstance(raw, dict):
        return None
    return next((f"<{key}>" for key in keys if key in raw), None)


def _when_tag(raw: object) -> str | None:
    if isinstance(raw, str | list):
        return "<name>" if isinstance(raw, str) else "<names>"
    return _first_key(raw, "page", "screen", "enters", "leaves", "cron")


def _campaign_when_tag(raw: object) -> str | None:
    tag = _when_tag(raw) or _first_key(raw, "known")
    return None if tag == "<cron>" else tag


def _exit_tag(raw: object) -> str:
    if isinstance(raw, str):
        return "<name>"
    if isinstance(raw, dict):
        return {"<event>": "<exit_event>", "<leaves>": "<leaves>"}.get(
            _first_key(raw, "event", "leaves") or "", "<condition>"
        )
    return "<condition>"


def _exits_tag(raw: object) -> str:
    return "<exits>" if isinstance(raw, list) else "<exit>"


def _reentry_tag(raw: object) -> str | None:
    if isinstance(raw, str):
        return "<word>" if raw in ("once", "every_time", "not_while_active") else None
    return _first_key(raw, "once_per", "once_per_key")


def _retroactive_tag(raw: object) -> str:
    return "<switch>" if not isinstance(raw, dict) else "<retroactive>"


def _active_tag(raw: object) -> str:
    return "<switch>" if not isinstance(raw, dict) else "<active>"


_EXIT_CONDITION: dict[str, JsonValue] = {
    "allOf": [{"x-ref": "#/$defs/Condition"}],
    "not": {"anyOf": [{"required": ["event"]}, {"required": ["leaves"]}]},
}
_Names: TypeAlias = Annotated[list[NamePattern], Field(min_length=1)]
_Named: TypeAlias = (
    Annotated[NamePattern, Tag("<name>")]
    | Annotated[_Names, Tag("<names>")]
    | Annotated[PageForm, Tag("<page>")]
    | Annotated[ScreenForm, Tag("<screen>")]
    | Annotated[EntersForm, Tag("<enters>")]
    | Annotated[LeavesForm, Tag("<leaves>")]
)
CampaignWhen: TypeAlias = Annotated[
    _Named | Annotated[KnownForm, Tag("<known>")],
    Discriminator(
        _campaign_when_tag,
        custom_error_type="unknown-trigger",
        custom_error_message=(
            "`when` is an event's name, a list of names, {page: NAME}, {screen: NAME}, "
            "{enters: SEGMENT}, {leaves: SEGMENT} or {known: person}; {cron: …} is for broadcasts"
        ),
    ),
]
BroadcastWhen: TypeAlias = Annotated[
    _Named | Annotated[CronForm, Tag("<cron>")],
    Discriminator(
        _when_tag,
        custom_error_type="unknown-trigger",
        custom_error_message=(
            "`when` is api, {cron: …, timezone: …}, an event's name, a list of names, "
            "{page: NAME}, {screen: NAME}, {enters: SEGMENT} or {leaves: SEGMENT}; {known: person} "
            "is for campaigns"
        ),
    ),
]
OneExit: TypeAlias = Annotated[
    Annotated[WholeName, Tag("<name>")]
    | Annotated[ExitEventForm, Tag("<exit_event>")]
    | Annotated[LeavesForm, Tag("<leaves>")]
    | Annotated[RawCondition, WithJsonSchema(_EXIT_CONDITION), Tag("<condition>")],
    Discriminator(_exit_tag),
]
ExitForm: TypeAlias = Annotated[
    Annotated[OneExit, Tag("<exit>")]
    | Annotated[list[OneExit], Field(min_length=1), Tag("<exits>")],
    Discriminator(_exits_tag),
]
ReentryForm: TypeAlias = Annotated[
    Annotated[Literal["once", "every_time", "not_while_active"], Tag("<word>")]
    | Annotated[OncePerForm, Tag("<once_per>")]
    | Annotated[OncePerKeyForm, Tag("<once_per_key>")],
    Discriminator(
        _reentry_tag,
        custom_error_type="bad-reentry",
        custom_error_message=(
            "`reentry` is once, every_time, not_while_active, {once_per: 7d} or "
            "{once_per_key: properties.order_id}"
        ),
    ),
]
RetroactiveChoice: TypeAlias = Annotated[
    Annotated[bool, Tag("<switch>")] | Annotated[RetroactiveForm, Tag("<retroactive>")],
    Discriminator(_retroactive_tag),
]
ActiveChoice: TypeAlias = Annotated[
    Annotated[bool, Tag("<switch>")] | Annotated[ActiveForm, Tag("<active>")],
    Discriminator(_active_tag),
]
