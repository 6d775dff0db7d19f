"""Cron in a named timezone: APScheduler only computes times here.

The days of the week are cron's own (0 and 7 are Sunday), not APScheduler's (where 0 is Monday).
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger  # type: ignore[import-untyped]

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FIELDS = 5
_MICROSECOND = timedelta(microseconds=1)


def next_occurrence(cron: str, timezone: str, after: datetime) -> datetime | None:
    """The first time after ``after``, in UTC; None where there is no further one in the calendar.

    Args:
        cron: minute, hour, day of the month, month, day of the week.
        timezone: the IANA name of the place whose clock it is; 09:00 stays 09:00 there.
        after: an aware instant.

    Raises:
        ValueError: the expression or the timezone is none; the text says what to write.
    """
    trigger = _trigger(cron, timezone)
    try:
        return _first_behind(after, trigger, cron)
    except (OverflowError, ValueError):  # at an end of the calendar, as 9999-12-31 in an export is
        return None


def _first_behind(after: datetime, trigger: "CronTrigger", cron: str) -> datetime | None:
    found: datetime | None = trigger.get_next_fire_time(None, after + _MICROSECOND)
    while found is not None and found.fold and not _is_every_hour(cron):
        found = trigger.get_next_fire_time(None, found.astimezone(UTC) + _MICROSECOND)
    return None if found is None else found.astimezone(UTC)


def _is_every_hour(cron: str) -> bool:
    """Whether it goes by the hours that pass, also by one that a clock put back repeats.

    What names its hours comes in the first of the two only, as in Vixie's cron.
    """
    return "*" in cron.split()[1]


def _trigger(cron: str, timezone: str) -> "CronTrigger":
    from apscheduler.triggers.cron import CronTrigger  # noqa: PLC0415 - few have a rule with a schedule

    fields = cron.split()
    if len(fields) != _FIELDS:
        message = f"{cron!r} has {len(fields)} fields; write five, such as 0 9 * * MON"
        raise ValueError(message)
    minute, hour, day, month, weekday = fields
    if day != "*" and weekday != "*":
        message = (
            "name a day of the month or a day of the week, not both: crons differ on what it means"
        )
        raise ValueError(message)
    try:
        return CronTrigger(
            minute=minute,
            hour=hour,
            day=day,
            month=month,
            day_of_week=_days_of_week(weekday),
            timezone=ZoneInfo(timezone),
        )
    except (LookupError, OSError) as error:
        message = f"there is no timezone {timezone!r}; write one such as Europe/Paris"
        raise ValueError(message) from error
    except ValueError as error:
        message = f"{cron!r} is no crontab expression ({error}); write one such as 0 9 * * MON"
        raise ValueError(message) from error


def _days_of_week(field: str) -> str:
    """Cron's days as names, each written out, since the two number them differently."""
    if field == "*":
        return field
    days = [day for part in field.split(",") for day in _days_of_part(part)]
    return ",".join(dict.fromkeys(days))


def _days_of_part(part: str) -> tuple[str, ...]:
    span, _, step = part.partition("/")
    first, dash, last = span.partition("-")
    start = 0 if span == "*" else _day_number(first)
    end = _end_of(span, start, last if dash else "")
    if step and (not step.isdecimal() or int(step) == 0):
        message = f"{part!r} is no day of the week"
        raise ValueError(message)
    return _DAYS[start : end + 1 : int(step or 1)]


def _end_of(span: str, start: int, last: str) -> int:
    if span == "*":
        return 6
    if not last:
        return start
    end = _day_number(last)
    if end == 0 and start > 0:
        return 7
    if end < start:
        message = f"{span!r} runs backwards"
        raise ValueError(message)
    return end


def _day_number(name: str) -> int:
    if name.isdecimal() and int(name) < len(_DAYS):
        return int(name)
    if name.lower() in _DAYS:
        return _DAYS.index(name.lower())
    message = f"{name!r} is no day of the week; write MON to SUN, or 0 (Sunday) to 6"
    raise ValueError(message)
