"""The schedule of a broadcast: its times, on one clock for all people or on each person's own."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated, Final, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Discriminator, Field, Tag, WithJsonSchema

from whereupon.conditions.clocks import Clock
from whereupon.errors import Severity
from whereupon.messages.times import EPOCH, earlier, later
from whereupon.rules.field_types import Name, PositiveDuration, check_timezone
from whereupon.rules.form import Form
from whereupon.rules.keys.timezone import ClockForm, read_clock
from whereupon.rules.rule_reader import RuleReader
from whereupon.scheduling.cron import latest_occurrence, missing_day, next_occurrence

DEFAULT_LATE = timedelta(hours=24)
PERSON: Final = "person"
"""The word for each person's own timezone."""

FIRST_ON_EARTH: Final = timedelta(hours=14)
"""The clocks that are furthest ahead of UTC, as on Kiribati: there each local time comes first."""
LAST_ON_EARTH: Final = timedelta(hours=12)
"""The clocks that are furthest behind UTC: there each local time comes last."""
OPEN_FOR: Final = FIRST_ON_EARTH + LAST_ON_EARTH
"""How long a run on each person's clock is open."""
_MOST_A_DAY: Final = 24


@dataclass(frozen=True, slots=True)
class OnSchedule:
    """A broadcast's times: a crontab expression of five fields, in a named timezone or in each person's own.

    Attributes:
        timezone: an IANA name, or ``person``.
        late: how late a missed time may still run.
    """

    cron: str
    timezone: str = "UTC"
    late: timedelta = DEFAULT_LATE

    @property
    def is_personal(self) -> bool:
        """Whether the times are on each person's own clock."""
        return self.timezone == PERSON

    @property
    def zone(self) -> tzinfo:
        """The timezone of dates in the rule's conditions; UTC where each person has their own."""
        return UTC if self.timezone in {"UTC", PERSON} else ZoneInfo(self.timezone)

    def next_after(self, after: datetime) -> datetime | None:
        """The first of its times after an instant; on each person's clock, when the first clocks on earth show it."""
        if not self.is_personal:
            return next_occurrence(self.cron, self.timezone, after)
        shown = next_occurrence(self.cron, "UTC", later(after, FIRST_ON_EARTH))
        return None if shown is None else earlier(shown, FIRST_ON_EARTH)

    def latest_until(self, after: datetime, until: datetime) -> datetime | None:
        """The last of its times after an instant and up to another one, likewise."""
        if not self.is_personal:
            return latest_occurrence(self.cron, self.timezone, after, until)
        span = later(after, FIRST_ON_EARTH), later(until, FIRST_ON_EARTH)
        shown = latest_occurrence(self.cron, "UTC", *span)
        return None if shown is None else earlier(shown, FIRST_ON_EARTH)


def local_time_of(opening: datetime) -> datetime:
    """The local time of a run on each person's clock, without a timezone, by when its first people may enter."""
    return later(opening, FIRST_ON_EARTH).replace(tzinfo=None)


def closing_of(opening: datetime) -> datetime:
    """When the last clocks on earth show that time: 26 hours later."""
    return later(opening, OPEN_FOR)


def _zone_name(name: str) -> str:
    return name if name == PERSON else check_timezone(name)


def _tag(raw: object) -> str | None:
    if isinstance(raw, str):
        return "<name>"
    return "<clock>" if isinstance(raw, dict) else None


_ZoneName = Annotated[
    Name,
    AfterValidator(_zone_name),
    WithJsonSchema({"type": "string", "minLength": 1, "examples": ["Europe/Paris", PERSON]}),
]
_Zone: TypeAlias = Annotated[
    Annotated[_ZoneName, Tag("<name>")] | Annotated[ClockForm, Tag("<clock>")],
    Discriminator(
        _tag,
        custom_error_type="bad-timezone",
        custom_error_message=(
            "`timezone` is a name such as Europe/Paris, person for each person's own, or "
            "{attribute: timezone, else: Europe/Paris}"
        ),
    ),
]


class CronForm(Form):
    """A broadcast's times."""

    cron: Name = Field(
        description=(
            "The times: minute, hour, day of the month (L is the last), month, day of the week."
        ),
        examples=["0 9 * * MON"],
    )
    timezone: _Zone = Field(
        default="UTC",
        description=(
            "The timezone on whose clock the times are; person, or the attribute that names it, for each "
            "person's own."
        ),
        examples=["Europe/Paris", PERSON, {"attribute": "timezone", "else": "Europe/Paris"}],
    )
    late: PositiveDuration = Field(
        default=DEFAULT_LATE,
        description="How late a missed time may still go out after a standstill; the newest alone does.",
        examples=["6h"],
    )


def read_schedule(form: CronForm, reader: RuleReader) -> OnSchedule:
    """The value; the rule goes by its clock, if it says one."""
    is_each = isinstance(form.timezone, ClockForm)
    timezone = PERSON if isinstance(form.timezone, ClockForm) else form.timezone
    if is_each:
        reader.clock = read_clock(form.timezone)
    elif timezone != PERSON:
        reader.zone = timezone
        if "timezone" in form.model_fields_set:
            reader.clock = Clock(None, timezone, of_schedule=True)
    schedule = OnSchedule(form.cron, timezone, form.late)
    _report_cron(schedule, reader)
    return schedule


def _report_cron(schedule: OnSchedule, reader: RuleReader) -> None:
    """Report times that are no crontab expression, that never come, come too often, or lack in some months."""
    path, cron = ("when", "cron"), schedule.cron
    try:
        occurrence = next_occurrence(cron, "UTC", EPOCH)
    except ValueError as error:
        reader.report(path, "bad-cron", str(error))
        return
    if occurrence is None:
        reader.report(path, "bad-cron", f"{cron!r} names a day that never comes")
        return
    if schedule.is_personal and _is_too_often(cron, occurrence):
        message = (
            f"each run on each person's clock takes 26 hours: write at most {_MOST_A_DAY} times a day, or one "
            "timezone for all"
        )
        reader.report(path, "too-often", message)
    if (day := missing_day(cron)) is not None:
        message = (
            f"some months have no day {day}: it does not run in them; write L for the last day of "
            "every month"
        )
        reader.report(path, "short-month", message, Severity.WARNING)


def _is_too_often(cron: str, first: datetime) -> bool:
    """Whether more than that many times are in one day: from one time on, since every day has the same ones."""
    times, end = 0, first + timedelta(days=1)
    time: datetime | None = first
    while time is not None and time < end and times <= _MOST_A_DAY:
        times, time = times + 1, next_occurrence(cron, "UTC", time)
    return times > _MOST_A_DAY
