"""The key `reentry`: whether, and when, the same person may enter again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias, assert_never

from pydantic import BeforeValidator, Discriminator, Field, JsonValue, Tag, WithJsonSchema

from whereupon.conditions.paths import parts_of
from whereupon.errors import Diagnostic
from whereupon.messages.times import ZERO, parse_duration
from whereupon.rules.field_types import POSITIVE_SCHEMA, MessagePath
from whereupon.rules.form import Form, IfMissing, invalid, shown
from whereupon.rules.keys.key_row import Key
from whereupon.rules.keys.when import tag_by_key
from whereupon.rules.rule_reader import RuleReader

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker


@dataclass(frozen=True, slots=True)
class Once:
    """A person enters once, ever."""


@dataclass(frozen=True, slots=True)
class EveryTime:
    """Every message that matches opens an entry."""


@dataclass(frozen=True, slots=True)
class OncePer:
    """No two entries closer than ``period``, on the messages' own times, in both directions."""

    period: timedelta


class CalendarSpan(StrEnum):
    """A part of the calendar on the person's clock: a day from midnight on, a week from Monday on, a month."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    def begin(self, day: date) -> date:
        """The first day of the span that a day is in."""
        match self:
            case CalendarSpan.DAY:
                return day
            case CalendarSpan.WEEK:
                return day - timedelta(days=day.weekday())
            case CalendarSpan.MONTH:
                return day.replace(day=1)
            case _:
                assert_never(self)

    @property
    def reach(self) -> timedelta:
        """How far apart two moments of one span are at most, even if they were put into it on different clocks."""
        return _REACH[self]


_REACH: Final[Mapping[CalendarSpan, timedelta]] = {
    CalendarSpan.DAY: timedelta(days=3),
    CalendarSpan.WEEK: timedelta(days=9),
    CalendarSpan.MONTH: timedelta(days=33),
}


@dataclass(frozen=True, slots=True)
class OncePerCalendar:
    """One entry in each such part of the calendar on the person's clock, by the messages' own times."""

    span: CalendarSpan


@dataclass(frozen=True, slots=True)
class OncePerKey:
    """One entry per value found at ``path`` in the message, such as ``("properties", "order_id")``."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotWhileActive:
    """No second entry while one is still running."""


EVERY_TIME = EveryTime()

Reentry: TypeAlias = Once | EveryTime | OncePer | OncePerCalendar | OncePerKey | NotWhileActive


_SPANS: Final = tuple(map(str, CalendarSpan))


def _period(value: object) -> timedelta | CalendarSpan:
    if value in _SPANS:
        return CalendarSpan(value)
    duration = parse_duration(value) if isinstance(value, str) else None
    if duration is None or duration <= ZERO:
        raise invalid(
            code="bad-duration",
            text="once_per is a duration such as 24h or 7d, or one of the words day, week and month for the "
            "calendar on the person's clock; this is {found}",
            found=shown(value),
        )
    return duration


_Period = Annotated[
    timedelta | CalendarSpan,
    BeforeValidator(_period),
    WithJsonSchema({"anyOf": [{"enum": [*_SPANS]}, POSITIVE_SCHEMA]}),
]


class OncePerForm(Form):
    """No two entries closer than this, or in the same part of the calendar."""

    once_per: _Period = Field(
        description=(
            "The least time between two entries of one person; or day, week or month: one entry in each, "
            "on the person's clock."
        ),
        examples=["7d", "day"],
    )


class OncePerKeyForm(Form):
    """One entry per value of a property."""

    once_per_key: MessagePath = Field(
        description="The path of a value in the message: one entry for each person and value.",
        examples=["properties.order_id"],
    )


def _tag(raw: object) -> str | None:
    if isinstance(raw, str):
        return "<word>" if raw in ("once", "every_time", "not_while_active") else None
    return tag_by_key(raw, "once_per", "once_per_key")


_ReentryForm: TypeAlias = Annotated[
    Annotated[Literal["once", "every_time", "not_while_active"], Tag("<word>")]
    | Annotated[OncePerForm, Tag("<once_per>")]
    | Annotated[OncePerKeyForm, Tag("<once_per_key>")],
    Discriminator(
        _tag,
        custom_error_type="bad-reentry",
        custom_error_message=(
            "`reentry` is once, every_time, not_while_active, {once_per: 7d}, {once_per: day} or "
            "{once_per_key: properties.order_id}"
        ),
    ),
]
_MISSING = IfMissing(
    "say whether the same person may enter again: add reentry: once, every_time, "
    "not_while_active, {once_per: 7d} or {once_per_key: properties.order_id}",
    code="reentry-required",
)


def _read(form: _ReentryForm, reader: RuleReader) -> Reentry:
    return reader.pool.one(_reentry(form))


def _reentry(form: _ReentryForm) -> Reentry:
    match form:
        case "once":
            return Once()
        case "every_time":
            return EVERY_TIME
        case "not_while_active":
            return NotWhileActive()
        case OncePerForm():
            span = form.once_per
            return OncePerCalendar(span) if isinstance(span, CalendarSpan) else OncePer(span)
        case OncePerKeyForm():
            return OncePerKey(parts_of(form.once_per_key))
        case _:
            assert_never(form)


def _check(raw: JsonValue, checker: "PlanChecker") -> Iterator[Diagnostic]:
    key = raw.get("once_per_key") if isinstance(raw, dict) else None
    if isinstance(key, str):
        yield from checker.value(parts_of(key), ("reentry", "once_per_key"))


REENTRY = Key(
    name="reentry",
    attribute="reentry",
    written=Annotated[_ReentryForm, _MISSING],
    field=Field(
        description="Whether, and when, the same person may enter again.",
        examples=[
            "once",
            "every_time",
            "not_while_active",
            {"once_per": "7d"},
            {"once_per": "day"},
            {"once_per_key": "properties.order_id"},
        ],
    ),
    read=_read,
    check=_check,
)
