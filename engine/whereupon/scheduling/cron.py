"""Cron schedules in a timezone. APScheduler computes the times.

Days of the week are numbered as in cron (0 and 7 are Sunday), not as in APScheduler (0 is Monday). ``L`` in the field
of the day is the last day of the month, as in Quartz; so is ``last``, as in APScheduler.
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from whereupon.messages.times import FIRST_INSTANT, ZERO

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger  # type: ignore[import-untyped]

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FIELDS = 5
_LAST = "last"
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_EARLIEST = FIRST_INSTANT + 2 * _DAY
"""The earliest instant with a day before it in every timezone."""


def next_occurrence(cron: str, timezone: str, after: datetime) -> datetime | None:
    """The first time of a schedule after an instant, in UTC; None if the calendar has no further one.

    Args:
        cron: minute, hour, day of the month, month, day of the week.
        timezone: an IANA name; 09:00 is 09:00 by the clocks there, in summer and in winter.
        after: an aware instant.

    Raises:
        ValueError: the expression or the timezone is not valid; the text says what to write.
    """
    trigger = _trigger(cron, timezone)
    after = max(after, _EARLIEST)
    try:
        found = _next(trigger, after)
        if _is_every_hour(cron):
            return None if found is None else found.astimezone(UTC)
        while found is not None and found.fold:
            found = _next(trigger, found.astimezone(UTC))
        on_the_wall = _next_on_the_wall(cron, ZoneInfo(timezone), after)
        return min((t.astimezone(UTC) for t in (found, on_the_wall) if t is not None), default=None)
    except (
        OverflowError,
        ValueError,
    ):  # the time is after the end of the calendar, as after 9999-12-31
        return None


def missing_day(cron: str) -> int | None:
    """The first day of the month of a schedule that some of its months lack, such as 31; else None.

    A range counts by its first day. ``*`` and steps have no such day, and nothing is lacking where the last day of
    each month is among the days.
    """
    fields = cron.split()
    if len(fields) != _FIELDS:
        return None
    months = _months(fields[3])
    shortest = min((_LENGTHS[month - 1] for month in months), default=31)
    parts = _day_parts(fields[2])
    if _LAST in parts:
        return None
    written = (part.partition("-")[0] for part in parts if "/" not in part)
    days = (int(day) for day in written if day.isdecimal())
    return next((day for day in days if day > shortest), None)


def _day_parts(field: str) -> list[str]:
    """The parts of the field of the day, with the last day in the one spelling that APScheduler knows."""
    return [_LAST if part.lower() in {"l", _LAST} else part for part in field.split(",")]


def _months(field: str) -> set[int]:
    """The months of a field; all months if the field cannot be read."""
    found: set[int] = set()
    for part in field.lower().split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        start = 1 if span == "*" else _month(first)
        end = 12 if span == "*" or (step and not dash) else _month(last) if dash else start
        if start is None or end is None or (step and not step.isdecimal()):
            return set(range(1, 13))
        found.update(range(start, end + 1, int(step or 1) or 1))
    return found


def _month(name: str) -> int | None:
    if name.isdecimal():
        return int(name) if 1 <= int(name) <= len(_LENGTHS) else None
    return _MONTHS.index(name) + 1 if name in _MONTHS else None


def latest_occurrence(
    cron: str, timezone: str, after: datetime, until: datetime
) -> datetime | None:
    """The last time of a schedule after ``after`` and up to ``until``; None if there is none.

    It halves the interval in each step, so a schedule of every minute takes a few dozen steps for a year.
    """
    found = next_occurrence(cron, timezone, after)
    if found is None or found > until:
        return None
    while True:
        following = next_occurrence(cron, timezone, found)
        if following is None or following > until:
            return found
        middle = following + (until - following) / 2
        ahead = next_occurrence(cron, timezone, middle)
        if ahead is not None and ahead <= until:
            found = ahead
        else:
            found, until = following, middle


def _next(trigger: "CronTrigger", after: datetime) -> datetime | None:
    found: datetime | None = trigger.get_next_fire_time(None, after + _MICROSECOND)
    return found


def _next_on_the_wall(cron: str, place: ZoneInfo, after: datetime) -> datetime | None:
    """The next time, computed on a clock without summer time and then converted to the place.

    If a clock is put forward at midnight, APScheduler finds no time on that day. Here, a time that the
    clock skips comes later by as much as the clock was put forward.
    """
    trigger = _trigger(cron, "UTC")
    wall: datetime | None = after + min(_offset(place, after), _offset(place, after - _DAY))
    while wall is not None and (wall := _next(trigger, wall)) is not None:
        found = wall.replace(tzinfo=place)
        if found.astimezone(UTC) > after:
            return found
    return None


def _offset(place: ZoneInfo, instant: datetime) -> timedelta:
    return instant.astimezone(place).utcoffset() or ZERO


def _is_every_hour(cron: str) -> bool:
    """Whether a schedule runs in every hour, also in the hour that is repeated when a clock is put back.

    A schedule that names its hours runs only in the first of the two hours, as in Vixie's cron.
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
            "name a day of the month or a day of the week, not both: crons differ on the meaning"
        )
        raise ValueError(message)
    try:
        return CronTrigger(
            minute=minute,
            hour=hour,
            day=",".join(_day_parts(day)),
            month=month,
            day_of_week=_days_of_week(weekday),
            timezone=ZoneInfo(timezone),
        )
    except (LookupError, OSError) as error:
        message = f"there is no timezone {timezone!r}; write one such as Europe/Paris"
        raise ValueError(message) from error
    except ValueError as error:
        message = f"{cron!r} is not a crontab expression ({error}); write one such as 0 9 * * MON"
        raise ValueError(message) from error


def _days_of_week(field: str) -> str:
    """The days of the week as names, since cron and APScheduler number them differently."""
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
        message = f"{part!r} is not a day of the week"
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
    message = f"{name!r} is not a day of the week; write MON to SUN, or 0 (Sunday) to 6"
    raise ValueError(message)
