"""The moments of a date that a person has: before, at or after it, on a clock, once or each year. Pure."""

from collections.abc import Iterator
from datetime import MAXYEAR, UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

from whereupon.messages.local_times import moment_shown
from whereupon.messages.times import (
    earlier,
    format_instant,
    format_local,
    is_local,
    later,
    parse_instant,
)
from whereupon.rules.model import OnDate, UntilDate

_DAY = timedelta(days=1)
_MIDNIGHT = datetime.min.time()


class Moment(NamedTuple):
    """One moment of a date.

    Attributes:
        at: the instant.
        value: the value of the date, the same however it is written; with the year behind it if the date
            comes each year.
        date: the day or the time that the date says, on the clock, as templates read it.
    """

    at: datetime
    value: str
    date: str


class _Date(NamedTuple):
    """A date as a clock shows it.

    Attributes:
        wall: without a timezone.
        instant: None for a date, or a time, that says no offset.
    """

    wall: datetime
    instant: datetime | None

    @property
    def value(self) -> str:
        """The date, the same however it is written."""
        if self.instant is not None:
            return format_instant(self.instant)
        is_day = self.wall.time() == _MIDNIGHT
        return self.wall.date().isoformat() if is_day else self.wall.isoformat()


def next_moment(
    trigger: OnDate, value: object, zone: tzinfo, after: datetime | None = None
) -> Moment | None:
    """The first moment of a date that is later than an instant; None if there is none, or no date.

    Args:
        value: what the person's attribute says: a text, with or without a time of day and an offset, or a
            Unix time. A text without an offset is on the clock.
        zone: of the clock.
        after: None for the very first moment.
    """
    date = _date(value, zone)
    if date is None:
        return None
    found = (_moment(trigger, date, year, zone) for year in _years(trigger, date, after))
    return next((m for m in found if m is not None and (after is None or m.at > after)), None)


def end_of_wait(until: UntilDate, value: object, zone: tzinfo) -> datetime | None:
    """When a wait until a date is over, by the same calendar as `next_moment`; None if there is no date.

    Args:
        value: as for `next_moment`.
        zone: of the clock.
    """
    instant, date = parse_instant(value), _date(value, zone)
    if instant is None:
        return None
    try:
        moment = None if date is None else _moved(until, date.wall, date.instant, zone)
    except OverflowError:
        moment = None
    if moment is not None:
        return moment
    is_before = until.offset < timedelta()  # at the ends of the calendar
    return earlier(instant, -until.offset) if is_before else later(instant, until.offset)


def says_date(value: object) -> bool:
    """Whether an attribute holds a date, or a time."""
    return _date(value, UTC) is not None


def _date(value: object, zone: tzinfo) -> _Date | None:
    instant = parse_instant(value)
    if instant is None:
        return None
    if is_local(value):
        return _Date(instant.replace(tzinfo=None), None)
    try:
        return _Date(instant.astimezone(zone).replace(tzinfo=None), instant)
    except OverflowError:
        return None


def _years(trigger: OnDate, date: _Date, after: datetime | None) -> Iterator[int]:
    """The year of the date; if it comes each year, the years from the one before the first that may be wanted."""
    if not trigger.yearly:
        return iter((date.wall.year,))
    near = 0 if after is None else earlier(after, trigger.offset).year - 1
    return iter(range(max(near, date.wall.year), MAXYEAR + 1))


def _moment(trigger: OnDate, date: _Date, year: int, zone: tzinfo) -> Moment | None:
    """The moment of one year; None if it is beyond the calendar."""
    is_own = year == date.wall.year
    wall = date.wall if is_own else _in_year(date.wall, year)
    try:
        at = _moved(trigger, wall, date.instant if is_own else None, zone)
    except OverflowError:
        return None
    if at is None:
        return None
    value = f"{date.value}/{year}" if trigger.yearly else date.value
    return Moment(at, value, _shown(wall, date, zone))


def _in_year(wall: datetime, year: int) -> datetime:
    """The day of another year; 29 February is the 28th in a common one."""
    try:
        return wall.replace(year=year)
    except ValueError:
        return wall.replace(year=year, day=28)


def _moved(
    said: OnDate | UntilDate, wall: datetime, instant: datetime | None, zone: tzinfo
) -> datetime | None:
    """The moment: moved by the offset, then set to the time of day.

    Whole days move the day on the clock, whatever the clock does in between; anything else moves the instant.
    """
    whole_days = not said.offset % _DAY
    if not whole_days or (said.at is None and not said.offset):
        start = moment_shown(wall, zone) if instant is None else instant
        if start is None:
            return None
        moved = start + said.offset
        if said.at is None:
            return moved
        day = moved.astimezone(zone).replace(tzinfo=None)
    else:
        day = wall + said.offset
    return moment_shown(day if said.at is None else datetime.combine(day, said.at), zone)


def _shown(wall: datetime, date: _Date, zone: tzinfo) -> str:
    if date.instant is None and wall.time() == _MIDNIGHT:
        return wall.date().isoformat()
    at = moment_shown(wall, zone)
    return wall.isoformat() if at is None else format_local(at, zone)
