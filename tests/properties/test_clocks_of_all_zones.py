"""Quiet hours, waits until a time of day and calendar re-entry, on every zone of the timezone database.

The model is a list of what the clock shows every five minutes, around each change of the clock in some years. Since
1972 all clocks are set at such minutes, and by such a number of minutes.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import given
from hypothesis import strategies as st

from whereupon.decide.quiet_hours import quiet_until
from whereupon.messages.local_times import day_on, next_time_of_day
from whereupon.rules.model import CalendarSpan, QuietHours

ZONES = sorted(available_timezones())
STEP = timedelta(minutes=5)
DAY = timedelta(days=1)
_YEARS = (datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
_SHIFTS = (  # days that a zone skips, and clocks that are set back by much
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ("Pacific/Kwajalein", datetime(1993, 8, 21, 12, tzinfo=UTC)),
    ("Antarctica/Casey", datetime(2010, 3, 4, 15, tzinfo=UTC)),
    ("Asia/Pyongyang", datetime(2018, 5, 4, 15, tzinfo=UTC)),
)
HOURS = (
    QuietHours(time(21), time(8)),
    QuietHours(time(2, 15), time(2, 45)),
    QuietHours(time(1, 30), time(23)),
    QuietHours(time(23, 30), time(0, 30)),
    QuietHours(time(0), time(2, 30)),
)


@cache
def changes(name: str) -> tuple[datetime, ...]:
    """An instant before each change of a zone's clock in the years looked at, at most a day before it."""
    zone, (day, end), found = ZoneInfo(name), _YEARS, list[datetime]()
    while day < end:
        if day.astimezone(zone).utcoffset() != (day + DAY).astimezone(zone).utcoffset():
            found.append(day)
        day += DAY
    return (*found, *(at - DAY / 2 for zone_name, at in _SHIFTS if zone_name == name))


@cache
def zones() -> tuple[str, ...]:
    """A zone for each way in which clocks are set in the years looked at: most zones share theirs with others, or have none."""
    ways: dict[object, str] = {}
    for name in ZONES:
        zone = ZoneInfo(name)
        way = tuple((begin, *_set(zone, begin)) for begin in changes(name))
        ways.setdefault(way, name)
    return tuple(ways.values())


def all_changes() -> Iterator[tuple[str, datetime]]:
    """Every change of those zones' clocks, with the zone."""
    for name in zones():
        for begin in changes(name):
            yield name, begin


def _set(zone: ZoneInfo, begin: datetime) -> Sequence[tuple[datetime, timedelta | None]]:
    """When, in the days around a change, a clock is set, and how it then differs from UTC."""
    found = list[tuple[datetime, timedelta | None]]()
    for step in range(4 * 288):
        at = begin - DAY + STEP * step
        offset = at.astimezone(zone).utcoffset()
        if not found or found[-1][1] != offset:
            found.append((at, offset))
    return found


def instants(first_year: int) -> st.SearchStrategy[datetime]:
    """Any instant from the beginning of a year up to the year 2100."""
    begin = datetime(first_year, 1, 1, tzinfo=UTC)
    span = datetime(2100, 1, 1, tzinfo=UTC) - begin
    return st.timedeltas(timedelta(0), span).map(lambda since: begin + since)


def is_inside(hours: QuietHours, shown: time) -> bool:
    """Whether a clock shows a time within the hours."""
    if hours.start < hours.end:
        return hours.start <= shown < hours.end
    return shown >= hours.start or shown < hours.end


def grid(name: str, begin: datetime) -> Sequence[tuple[datetime, datetime]]:
    """Every five minutes of the days around a change: the instant, and what the clock shows."""
    zone = ZoneInfo(name)
    instants = [begin - DAY + STEP * n for n in range(4 * 288)]
    return [(at, at.astimezone(zone).replace(tzinfo=None)) for at in instants]


def _first_outside(
    hours: QuietHours, points: Sequence[tuple[datetime, datetime]]
) -> Iterator[tuple[datetime, datetime]]:
    """Each instant with the first one from it on that is outside of the hours, as far as the days reach."""
    last: datetime | None = None
    for at, shown in reversed(points):
        if not is_inside(hours, shown.time()):
            last = at
        if last is not None:
            yield at, last


def test_nothing_is_sent_inside_quiet_hours_and_all_of_it_at_the_first_moment_outside() -> None:
    """On every zone, around every change of its clock: never inside, and at the first moment outside."""
    for name, begin in all_changes():
        points = grid(name, begin)
        for hours in HOURS:
            for at, expected in [*_first_outside(hours, points)][::3]:
                assert (quiet_until(hours, at, ZoneInfo(name)) or at) == expected, (name, hours, at)


@given(
    name=st.sampled_from(ZONES),
    instant=instants(1900),
    start=st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    end=st.times().map(lambda t: t.replace(second=0, microsecond=0)),
)
def test_any_instant_of_two_centuries_is_outside_of_quiet_hours_when_it_is_sent(
    name: str, instant: datetime, start: time, end: time
) -> None:
    """Also where clocks were set by seconds; and a moment before, it was still quiet."""
    if start == end:
        return
    hours, zone = QuietHours(start, end), ZoneInfo(name)
    until = quiet_until(hours, instant, zone)
    assert (until is None) == (not is_inside(hours, instant.astimezone(zone).time()))
    if until is not None:
        before = until - timedelta(microseconds=1)
        assert instant <= before
        assert not is_inside(hours, until.astimezone(zone).time())
        assert is_inside(hours, before.astimezone(zone).time())


# --- waits until a time of day ----------------------------------------------------------------------

TIMES = (time(2, 30), time(0), time(9))


def _expected(points: Sequence[tuple[datetime, datetime]], day: date, at: time) -> datetime | None:
    """The first instant at which the clock shows a local time, or the first behind the gap that skips it."""
    local = datetime.combine(day, at)
    for (_, before), (instant, shown) in pairwise(points):
        if shown == local or before < local < shown:
            return instant
    return None


def test_a_wait_until_a_time_of_day_ends_at_its_first_moment_or_behind_the_gap() -> None:
    """A skipped local time becomes the first moment after the gap; one that comes twice is its first."""
    for name, begin in all_changes():
        zone = ZoneInfo(name)
        points = grid(name, begin)
        last = points[-1][1].date()
        days = [last - DAY * n for n in (1, 2, 3)]  # some zone has skipped one of them
        for at in TIMES:
            moments = [m for day in days if (m := _expected(points, day, at)) is not None]
            for after, _ in points[:: 288 // 8]:
                following = [m for m in moments if m > after]
                if following and after > moments[0] - DAY:
                    assert next_time_of_day(after, zone, at) == min(following), (name, after, at)


# --- calendar re-entry ------------------------------------------------------------------------------


@given(
    names=st.tuples(st.sampled_from(ZONES), st.sampled_from(ZONES)),
    first=instants(1971),
    apart=st.timedeltas(timedelta(0), timedelta(days=40)),
    span=st.sampled_from(CalendarSpan),
)
def test_who_shares_a_day_a_week_or_a_month_is_within_reach_of_the_look_back(
    names: tuple[str, str], first: datetime, apart: timedelta, span: CalendarSpan
) -> None:
    """So an entry that refuses another is always loaded, even if both were on different clocks."""
    moments = zip((first, first + apart), names, strict=True)
    days = [day_on(moment, ZoneInfo(name)) for moment, name in moments]
    if span.begin(days[0]) == span.begin(days[1]):
        assert apart < span.reach


@given(
    name=st.sampled_from(ZONES),
    first=instants(1971),
    apart=st.timedeltas(timedelta(0), timedelta(days=40)),
)
def test_a_day_a_week_and_a_month_are_those_of_the_calendar(
    name: str, first: datetime, apart: timedelta
) -> None:
    """Days, ISO weeks and months of what the clock shows."""
    zone = ZoneInfo(name)
    one, two = (moment.astimezone(zone).date() for moment in (first, first + apart))
    same = {span: span.begin(one) == span.begin(two) for span in CalendarSpan}
    assert same[CalendarSpan.DAY] == (one == two)
    assert same[CalendarSpan.WEEK] == (one.isocalendar()[:2] == two.isocalendar()[:2])
    assert same[CalendarSpan.MONTH] == (one.isoformat()[:7] == two.isoformat()[:7])
