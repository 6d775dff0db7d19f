"""Clocks and moments, for the model of a year. Instants are whole microseconds since 1970, and nothing is the engine's."""

import re
from calendar import isleap
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Any
from zoneinfo import ZoneInfo

SECOND = 1_000_000
DAY = 86_400 * SECOND
WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_few = lru_cache(maxsize=1 << 16)
"""Keeps the answers of a year's people, and no more of them than memory should hold."""


def instant_of(moment: datetime) -> int:
    """The microseconds of an aware instant."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def local(at: int, zone: ZoneInfo) -> datetime:
    """An instant on a clock."""
    return (_EPOCH + timedelta(microseconds=at)).astimezone(zone)


@cache
def span(duration: str) -> int:
    """The length of a duration such as ``1h30m``."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    sign = -1 if duration.startswith("-") else 1
    return sign * SECOND * sum(int(n) * units[u] for n, u in re.findall(r"(\d+)([smhd])", duration))


def days_of(offset: str) -> int:
    """The days of an offset such as ``+3d``."""
    return span(offset.removeprefix("+")) // DAY


@cache
def zone_named(name: str) -> ZoneInfo | None:
    """A timezone by name; None if there is none of that name."""
    try:
        return ZoneInfo(name)
    except Exception:  # noqa: BLE001 - whatever a person calls their timezone
        return None


@_few
def on_clock(day: date, at: time, zone: ZoneInfo) -> int:
    """The instant of a local time: of two the first, and of none the first moment after the gap."""
    wanted = datetime.combine(day, at, zone)
    early, late = (instant_of(wanted.replace(fold=fold).astimezone(UTC)) for fold in (1, 0))
    if early >= late:  # of two, fold 0 is the first
        return late
    while late - early > SECOND:  # in a gap: the change lies between the two readings
        middle = (early + late) // 2 // SECOND * SECOND
        middle = max(middle, early + SECOND)
        is_after = local(middle, zone).utcoffset() == local(late, zone).utcoffset()
        early, late = (early, middle) if is_after else (middle, late)
    return late


def clock_time(text: str) -> time:
    """``09:00`` as a time of day."""
    return time.fromisoformat(text)


def next_time(after: int, at: str, days: list[str], zone: ZoneInfo) -> int:
    """The next time of day after an instant, on one of these days of the week."""
    day = local(after, zone).date() - timedelta(days=1)
    while True:
        if WEEK[day.weekday()] in days and (found := on_clock(day, clock_time(at), zone)) > after:
            return found
        day += timedelta(days=1)


def days_named(on: Any) -> list[str]:
    """The days of the week in a list of days and spans of days."""
    named: list[str] = []
    for each in on if isinstance(on, list) else [on]:
        first, _, last = each.partition("-")
        begin, end = WEEK.index(first), WEEK.index(last or first)
        named += [WEEK[n % 7] for n in range(begin, end + 1 + 7 * (end < begin))]
    return named


def moment_of(value: Any, zone: ZoneInfo) -> int | None:
    """A date or a time in a text as an instant; a date is its first moment on the clock."""
    return _moment_said(value, zone) if isinstance(value, str) else None


@_few
def _moment_said(value: str, zone: ZoneInfo) -> int | None:
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            return on_clock(date.fromisoformat(value), time(0), zone)
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return on_clock(moment.date(), moment.time(), zone)
    return instant_of(moment)


def day_of(value: Any, zone: ZoneInfo) -> date | None:
    """The calendar day of a date or a time, on the clock."""
    moment = moment_of(value, zone)
    return None if moment is None else local(moment, zone).date()


def in_year(day: date, year: int) -> date:
    """The same day of another year; 29 February is the 28th in common years."""
    is_leap_day = (day.month, day.day) == (2, 29)
    return date(year, 2, 28) if is_leap_day and not isleap(year) else day.replace(year=year)


def date_moment(value: Any, moved: dict[str, Any], zone: ZoneInfo) -> int | None:
    """The instant of a date, moved by whole days on the clock, at a time of day; None if it is no date."""
    moment = moment_of(value, zone)
    if moment is None:
        return None
    offset = span(moved.get("after", "0s")) - span(moved.get("before", "0s"))
    return _moved(moment, offset, moved.get("at"), zone)


@_few
def _moved(moment: int, offset: int, shown: str | None, zone: ZoneInfo) -> int:
    whole, rest = divmod(offset, DAY)
    at = local(moment, zone)
    if shown is not None:
        return on_clock((at + timedelta(days=whole)).date(), clock_time(shown), zone)
    if rest:
        return moment + offset
    return on_clock(at.date() + timedelta(days=whole), at.time(), zone) if whole else moment


def cron_times(cron: str, zone: ZoneInfo, start: int, end: int) -> list[int]:
    """The instants of a crontab expression on a clock."""
    minutes, hours, days, months, weekdays = cron.split()
    found, day, last = list[int](), local(start, zone).date(), local(end, zone).date()
    while day <= last:
        tomorrow = day + timedelta(days=1)
        days_meant = _cron_field(days.replace("last", "L").replace("L", "32"), range(1, 33))
        is_day = day.day in days_meant or (32 in days_meant and days != "*" and tomorrow.day == 1)
        is_weekday = day.isoweekday() % 7 in {n % 7 for n in _cron_field(weekdays, range(8))}
        chosen = is_day or is_weekday if "*" not in (days, weekdays) else is_day and is_weekday
        if chosen and day.month in _cron_field(months, range(1, 13)):
            for hour in sorted(_cron_field(hours, range(24))):
                for minute in sorted(_cron_field(minutes, range(60))):
                    found.append(on_clock(day, time(hour, minute), zone))
        day = tomorrow
    return [at for at in sorted(set(found)) if start <= at < end]


_NAMES = {name.upper(): str((n + 1) % 7) for n, name in enumerate(WEEK)}
_NAMES |= {
    m: str(n + 1)
    for n, m in enumerate(
        ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
    )
}


@cache
def _cron_field(field: str, every: range) -> frozenset[int]:
    found: set[int] = set()
    for part in field.upper().split(","):
        text, _, step = part.partition("/")
        first, _, last = text.partition("-")
        begin = every[0] if text == "*" else int(_NAMES.get(first, first))
        end = (
            every[-1]
            if text == "*" or (step and not last)
            else int(_NAMES.get(last, last) if last else begin)
        )
        found |= set(range(begin, end + 1, int(step or 1)))
    return frozenset(found)
