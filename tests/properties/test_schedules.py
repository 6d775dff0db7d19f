"""Schedules on every clock on earth: each day's time comes once, at the time that was written."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from tests.examples import examples

from whereupon.decide.own_times import own_time
from whereupon.records import Person
from whereupon.rules.files.settings import DEFAULT_SETTINGS
from whereupon.rules.model import OnSchedule, Rule, closing_of, local_time_of
from whereupon.rules.reader import parse_rule_file
from whereupon.scheduling import latest_occurrence, next_occurrence

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
ZONES = st.sampled_from(sorted(available_timezones() - {"localtime", "Factory"}))
FIRST, LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2035, 12, 31, tzinfo=UTC)
MOMENTS = st.datetimes(
    FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None), timezones=st.just(UTC)
)
TIMES = st.tuples(st.integers(0, 23), st.integers(0, 59))


@cache
def _rule() -> Rule:
    source: dict[str, JsonValue] = {
        "broadcast": "news",
        "description": "News.",
        "when": {"cron": "0 9 * * *", "timezone": "person"},
        "whereupon": [{"send": "push", "title": "News"}],
    }
    rule, diagnostics = parse_rule_file(source, stem="news", segments={})
    assert isinstance(rule, Rule), diagnostics
    return rule


def _skips(zone: ZoneInfo, wall: datetime) -> bool:
    """Whether the clocks of a zone are set forward past a local time."""
    there = wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)
    return there.replace(tzinfo=None) != wall


@examples(300)
@given(zone=ZONES, start=MOMENTS, at=TIMES)
def test_a_daily_time_comes_once_a_day_at_that_time_on_every_clock_on_earth(
    zone: str, start: datetime, at: tuple[int, int]
) -> None:
    """Unless the clocks skip it: then it comes when they have gone on. No time that comes twice is doubled."""
    place, (hour, minute), moment = ZoneInfo(zone), at, start
    shown = list[datetime]()
    for _ in range(4):
        moment = next_occurrence(f"{minute} {hour} * * *", zone, moment) or moment
        shown.append(moment.astimezone(place))
    for each in shown:
        wall = each.replace(tzinfo=None)
        asked = datetime.combine(wall.date(), time(hour, minute))
        assert wall == asked or _skips(place, asked) or _skips(place, asked - DAY)
        assert each.fold == 0 or wall != asked
    for first, second in pairwise(shown):
        days = second.date() - first.date()
        assert days == DAY or _has_no_day(place, first.date() + DAY)


def _has_no_day(zone: ZoneInfo, day: date) -> bool:
    """Whether the clocks skip a whole day, as on Samoa in 2011, or a part of it, in which a time moves to the next."""
    return any(_skips(zone, datetime.combine(day, time(hour))) for hour in range(24))


@examples(100)
@given(zone=ZONES, start=MOMENTS, at=TIMES, days=st.integers(0, 30))
def test_the_latest_time_is_the_last_of_the_next_ones(
    zone: str, start: datetime, at: tuple[int, int], days: int
) -> None:
    """Counting one by one gives the same as halving."""
    cron, until = f"{at[1]} {at[0]} * * *", start + days * DAY
    found, moment = None, next_occurrence(cron, zone, start)
    while moment is not None and moment <= until:
        found, moment = moment, next_occurrence(cron, zone, moment)
    assert latest_occurrence(cron, zone, start, until) == found


@examples(500)
@given(zone=ZONES, start=MOMENTS, at=TIMES)
def test_everybodys_own_time_is_within_the_26_hours_of_the_run(
    zone: str, start: datetime, at: tuple[int, int]
) -> None:
    """And their clock shows it; where the clocks skip it, it is the first moment after the gap."""
    schedule = OnSchedule(f"{at[1]} {at[0]} * * *", "person")
    opening = schedule.next_after(start)
    assert opening is not None
    place, wall = ZoneInfo(zone), local_time_of(opening)
    assert (wall.hour, wall.minute) == at
    person = Person(1, "ada", start, {"timezone": zone})
    moment = own_time(opening, person, _rule(), DEFAULT_SETTINGS)
    assert opening <= moment <= closing_of(opening)
    there = moment.astimezone(place)
    if not _skips(place, wall):
        assert (there.replace(tzinfo=None), there.fold) == (wall, 0)
    else:
        assert (moment - MINUTE).astimezone(place).replace(tzinfo=None) < wall
        assert there.replace(tzinfo=None) > wall


@given(start=MOMENTS, at=TIMES)
def test_a_time_on_each_persons_clock_opens_14_hours_ahead_of_utc(
    start: datetime, at: tuple[int, int]
) -> None:
    """Strictly after the instant that is asked about, and the latest one is found in the same way."""
    schedule = OnSchedule(f"{at[1]} {at[0]} * * *", "person")
    opening = schedule.next_after(start)
    assert opening is not None
    assert start < opening <= start + DAY
    assert schedule.latest_until(start, opening) == opening
    assert schedule.latest_until(start, opening - MINUTE) is None
