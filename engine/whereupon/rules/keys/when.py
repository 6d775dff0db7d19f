"""The key `when`: what triggers a rule."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Discriminator, Field, JsonValue, Tag

from whereupon.conditions import Condition
from whereupon.errors import Diagnostic
from whereupon.messages.model import MessageType
from whereupon.rules.field_types import Name, NamePattern
from whereupon.rules.form import Form, IfMissing
from whereupon.rules.keys.key_row import Key
from whereupon.rules.keys.schedule import CronForm, OnSchedule, read_schedule
from whereupon.rules.keys.timed_triggers import (
    DateForm,
    OnDate,
    OnQuiet,
    QuietForm,
    check_timed,
    read_date,
    read_quiet,
)
from whereupon.rules.keys.timezone import check_clock
from whereupon.rules.rule_reader import RuleReader

API = "api"

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker


# --- the values -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OnMessage:
    """A track, page or screen message by name: exact names, and prefixes (``Product *``)."""

    type: MessageType
    names: tuple[str, ...]
    prefixes: tuple[str, ...] = ()

    def names_message(self, type_: MessageType, name: str) -> bool:
        """Whether a message of this type and name is meant."""
        return type_ is self.type and (name in self.names or name.startswith(self.prefixes))


class SegmentChange(StrEnum):
    """The two ways a person's membership of a segment changes."""

    ENTERS = "enters"
    LEAVES = "leaves"


@dataclass(frozen=True, slots=True)
class OnSegment:
    """A person enters or leaves a segment."""

    segment: str
    change: SegmentChange


@dataclass(frozen=True, slots=True)
class OnKnown:
    """A person becomes known: once for each person, by a message of any type."""


@dataclass(frozen=True, slots=True)
class OnCall:
    """A broadcast that the host triggers (``when: api``)."""


Trigger: TypeAlias = OnMessage | OnSegment | OnKnown | OnDate | OnQuiet | OnSchedule | OnCall


# --- as it is written -------------------------------------------------------------------------


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
    """A person becomes known."""

    known: Literal["person"] = Field(
        description="Once for each person, at the first message that makes them known.",
        examples=["person"],
    )


def _common_tag(raw: object) -> str | None:
    if isinstance(raw, str | list):
        return "<name>" if isinstance(raw, str) else "<names>"
    return tag_by_key(raw, "page", "screen", "enters", "leaves", "cron")


def _campaign_tag(raw: object) -> str | None:
    tag = _common_tag(raw) or tag_by_key(raw, "known", "date", "quiet")
    return None if tag == "<cron>" else tag


def tag_by_key(raw: object, *keys: str) -> str | None:
    """The tag of the form that a mapping has, by the first of the keys that it holds."""
    if not isinstance(raw, dict):
        return None
    return next((f"<{key}>" for key in keys if key in raw), None)


_Names: TypeAlias = Annotated[list[NamePattern], Field(min_length=1)]
_CommonForm: TypeAlias = (
    Annotated[NamePattern, Tag("<name>")]
    | Annotated[_Names, Tag("<names>")]
    | Annotated[PageForm, Tag("<page>")]
    | Annotated[ScreenForm, Tag("<screen>")]
    | Annotated[EntersForm, Tag("<enters>")]
    | Annotated[LeavesForm, Tag("<leaves>")]
)
_CampaignForm: TypeAlias = Annotated[
    _CommonForm
    | Annotated[KnownForm, Tag("<known>")]
    | Annotated[DateForm, Tag("<date>")]
    | Annotated[QuietForm, Tag("<quiet>")],
    Discriminator(
        _campaign_tag,
        custom_error_type="unknown-trigger",
        custom_error_message=(
            "`when` is an event's name, a list of names, {page: NAME}, {screen: NAME}, "
            "{enters: SEGMENT}, {leaves: SEGMENT}, {known: person}, {date: person.renews_at} or "
            "{quiet: NAME, for: 60d}; {cron: …} is for broadcasts"
        ),
    ),
]
_BroadcastForm: TypeAlias = Annotated[
    _CommonForm | Annotated[CronForm, Tag("<cron>")],
    Discriminator(
        _common_tag,
        custom_error_type="unknown-trigger",
        custom_error_message=(
            "`when` is api, {cron: …, timezone: …}, an event's name, a list of names, "
            "{page: NAME}, {screen: NAME}, {enters: SEGMENT} or {leaves: SEGMENT}; {known: person}, "
            "{date: …} and {quiet: …} are for campaigns"
        ),
    ),
]


# --- reading ----------------------------------------------------------------------------------


_UNTIED: Mapping[type, str] = {
    EntersForm: "any message may lead into a segment; name the event in when",
    LeavesForm: "any message may lead out of a segment; name the event in when",
    KnownForm: "any message may make a person known; name the event in when",
    DateForm: "a date comes without one; name the event in when",
    QuietForm: "silence comes without one; name the event in when",
    CronForm: "a schedule has none; name the event in when",
}
"""Why a trigger comes without a message whose properties are known."""


def _read(form: _CampaignForm | _BroadcastForm, reader: RuleReader) -> tuple[Trigger]:
    reader.untied = _UNTIED.get(type(form))
    return reader.pool.one((_trigger(form, reader),))


def _read_broadcast(form: _BroadcastForm, reader: RuleReader) -> tuple[Trigger]:
    """``api`` is the host's call; the dates of a scheduled broadcast are on the schedule's clock."""
    if form == API:
        reader.untied = None
        return (OnCall(),)
    return _read(form, reader)


def _trigger(form: _CampaignForm | _BroadcastForm, reader: RuleReader) -> Trigger:
    match form:
        case PageForm():
            return _on_message(MessageType.PAGE, form.page)
        case ScreenForm():
            return _on_message(MessageType.SCREEN, form.screen)
        case EntersForm():
            return OnSegment(reader.segment(form.enters, ("when", "enters")), SegmentChange.ENTERS)
        case LeavesForm():
            return OnSegment(reader.segment(form.leaves, ("when", "leaves")), SegmentChange.LEAVES)
        case KnownForm():
            return OnKnown()
        case DateForm() | QuietForm() | CronForm():
            return _by_time(form, reader)
    names = [form] if isinstance(form, str) else form
    return _on_message(MessageType.TRACK, *names)


def _by_time(form: DateForm | QuietForm | CronForm, reader: RuleReader) -> Trigger:
    match form:
        case DateForm():
            return read_date(form, reader)
        case QuietForm():
            return read_quiet(form)
        case CronForm():
            return read_schedule(form, reader)


def _on_message(type_: MessageType, *names: str) -> OnMessage:
    return OnMessage(
        type_,
        names=tuple(name for name in names if not name.endswith("*")),
        prefixes=tuple(name[:-1] for name in names if name.endswith("*")),
    )


def opening_events(raw: JsonValue) -> list[str] | None:
    """The events that open an entry, as `when` is written; None if other messages open one, too."""
    names = [raw] if isinstance(raw, str) else raw
    if not isinstance(names, list) or not names:
        return None
    known = [name for name in names if isinstance(name, str)]
    return known if len(known) == len(names) else None


def _check(raw: JsonValue, checker: "PlanChecker") -> Iterator[Diagnostic]:
    if isinstance(raw, str):
        yield from checker.event(raw, ("when",))
    for place, name in enumerate(raw if isinstance(raw, list) else ()):
        if isinstance(name, str):
            yield from checker.event(name, ("when", place))
    yield from check_timed(raw, checker)


def _check_broadcast(raw: JsonValue, checker: "PlanChecker") -> Iterator[Diagnostic]:
    if isinstance(raw, dict) and "cron" in raw:
        for each in check_clock(raw.get("timezone"), checker):
            yield replace(each, path=("when", *each.path))
    elif raw != API:
        yield from _check(raw, checker)


def _lint(
    triggers: tuple[Trigger, ...], _: JsonValue, _segments: Mapping[str, Condition]
) -> Iterator[Diagnostic]:
    for trigger in triggers:
        if isinstance(trigger, OnMessage) and "" in trigger.prefixes:
            message = "* is every message there is; name the events, or their common beginning"
            yield Diagnostic.warning_at(("when",), "every-event", message)


_MISSING = IfMissing("say what triggers it: add when: with an event's name")

CAMPAIGN = Key(
    name="when",
    attribute="triggers",
    written=Annotated[_CampaignForm, _MISSING],
    field=Field(
        description="What lets a person in: an event, a page, a screen, a segment, being known, a date, or "
        "silence.",
        examples=[
            "purchase",
            ["purchase", "Order *"],
            {"page": "Pricing"},
            {"enters": "pro-users"},
            {"known": "person"},
            {"date": "person.renews_at", "every": "year"},
            {"for": "60d", "quiet": ["Signed In", "Order *"]},
        ],
    ),
    read=_read,
    check=_check,
    lint=_lint,
)
BROADCAST = Key(
    name="when",
    attribute="triggers",
    written=Annotated[_BroadcastForm, _MISSING],
    field=Field(
        description="What sends it: a schedule, the host's call, or something that happens.",
        examples=["api", {"cron": "0 9 * * MON", "timezone": "person"}, "Sale Started"],
    ),
    read=_read_broadcast,
    check=_check_broadcast,
    lint=_lint,
)
