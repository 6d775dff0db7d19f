"""The moments of a date that a person has, on clocks of all timezones."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from whereupon.decide.date_moments import end_of_wait, next_moment, says_date
from whereupon.messages.times import FIRST_INSTANT, LAST_INSTANT, parse_instant
from whereupon.rules.model import OnDate, UntilDate

PARIS, NEW_YORK = ZoneInfo("Europe/Paris"), ZoneInfo("America/New_York")
ZONES = st.sampled_from(sorted(available_timezones())).map(ZoneInfo)
DATES = st.dates(date(1971, 1, 1), date(2080, 12, 31))
TIMES = st.times().map(lambda t: t.replace(second=0, microsecond=0))


def _on(*, days: int = 0, hours: int = 0, at: str | None = None, yearly: bool = False) -> OnDate:
    clock = None if at is None else time.fromisoformat(at)
    offset = timedelta(days=days, hours=hours)
    return OnDate(("renews_at",), offset, clock, yearly=yearly)


def _instant(text: str) -> datetime:
    found = parse_instant(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("trigger", "value", "at"),
    [
        (_on(days=-7, at="09:00"), "2026-02-10", "2026-02-03T08:00:00Z"),
        (_on(days=-7, at="09:00"), "2026-04-01", "2026-03-25T08:00:00Z"),  # over a clock change
        (_on(days=1, at="09:00"), "2026-03-28", "2026-03-29T07:00:00Z"),
        (_on(days=-7), "2026-04-01T10:30", "2026-03-25T09:30:00Z"),
        (_on(hours=-36), "2026-03-30T10:30", "2026-03-28T20:30:00Z"),  # hours are hours
        (_on(hours=-36, at="09:00"), "2026-03-30T10:30", "2026-03-28T08:00:00Z"),
        (_on(), "2026-02-10", "2026-02-09T23:00:00Z"),
        (_on(at="09:00"), "2026-02-10T23:30:00Z", "2026-02-11T08:00:00Z"),  # the 11th in Paris
        (_on(at="02:30"), "2026-03-29", "2026-03-29T01:00:00Z"),  # no clock shows it
        (_on(at="02:30"), "2026-10-25", "2026-10-25T00:30:00Z"),  # clocks show it twice
    ],
)
def test_before_and_after_are_days_of_the_calendar_at_a_time_on_the_clock(
    trigger: OnDate, value: str, at: str
) -> None:
    """In Paris; a time that a clock change skips is the first moment behind it, and a time twice the first."""
    found = next_moment(trigger, value, PARIS)
    assert found is not None
    assert found.at == _instant(at)
    assert (
        end_of_wait(UntilDate(trigger.path, trigger.offset, trigger.at), value, PARIS) == found.at
    )


@pytest.mark.parametrize(
    ("value", "days", "at"),
    [
        ("0001-01-01", -3, FIRST_INSTANT),
        ("0001-01-01T00:00:00Z", 0, FIRST_INSTANT),
        ("9999-12-31T23:59:59.999999Z", 0, LAST_INSTANT),
        ("9999-12-31", 3, LAST_INSTANT),
        ("soon", 3, None),
    ],
)
@pytest.mark.parametrize("zone", [UTC, PARIS, NEW_YORK])
def test_a_wait_until_the_ends_of_the_calendar_is_over_at_once_or_never(
    value: str, days: int, at: datetime | None, zone: tzinfo
) -> None:
    """As other systems write a date that is not known, or has no end."""
    assert end_of_wait(UntilDate(("ends",), timedelta(days=days), None), value, zone) == at


@pytest.mark.parametrize(
    "value", ["2026-10-25T02:30:00+01:00", 1792891800, 1792891800000, "1792891800"]
)
def test_no_at_with_a_date_time_is_that_instant(value: JsonValue) -> None:
    """Also the second of two times that a clock shows alike."""
    found = next_moment(_on(), value, PARIS)
    assert found is not None
    assert found.at == _instant("2026-10-25T01:30:00Z")


@pytest.mark.parametrize(
    "value", [None, "soon", "", True, 1.5e300, [], ["2026-01-01"], {"a": 1}, "2026-02-30"]
)
def test_a_value_that_is_no_date_has_no_moment(value: JsonValue) -> None:
    """Whatever it is."""
    assert next_moment(_on(), value, PARIS) is None
    assert not says_date(value)


def test_moments_beyond_the_calendar_are_none() -> None:
    """Before its first year, and after its last."""
    assert next_moment(_on(days=-7), "0001-01-02", PARIS) is None
    assert next_moment(_on(days=7), "9999-12-30", PARIS) is None
    last = next_moment(_on(yearly=True), "2000-12-31", UTC, _instant("9999-12-31T00:00:00Z"))
    assert last is None


def test_a_yearly_date_comes_from_its_own_year_on_for_ever() -> None:
    """Never before the date itself."""
    trigger = _on(at="09:00", yearly=True)
    first = next_moment(trigger, "2027-05-01", PARIS, _instant("2026-05-01T00:00:00Z"))
    assert first is not None
    assert (first.at, first.date) == (_instant("2027-05-01T07:00:00Z"), "2027-05-01")
    later = next_moment(trigger, "2027-05-01", PARIS, first.at)
    assert later is not None
    assert later.date == "2028-05-01"
    late = next_moment(trigger, "1827-05-01", PARIS, _instant("2526-12-31T00:00:00Z"))
    assert late is not None
    assert late.date == "2527-05-01"


def test_29_february_counts_as_the_28th_in_common_years() -> None:
    """And as the 29th in leap years; days before it are counted from there."""
    on, week = _on(yearly=True), _on(days=-7, yearly=True)
    for year, day in ((2027, "2027-02-28"), (2028, "2028-02-29"), (2100, "2100-02-28")):
        after = datetime(year, 1, 1, tzinfo=UTC)
        for trigger in (on, week):
            found = next_moment(trigger, "1992-02-29", UTC, after)
            assert found is not None
            assert found.date == day
            assert found.at == _instant(f"{day}T00:00:00Z") + trigger.offset


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2026-03-01", "1 March 2026"),
        ("2026-03-01", "2026-03-01T00:00:00"),
        ("2026-03-01T09:00:00Z", 1772355600),
        ("2026-03-01T09:00:00Z", "2026-03-01T10:00:00+01:00"),
    ],
)
def test_a_date_is_one_value_however_it_is_written(one: JsonValue, other: JsonValue) -> None:
    """By which the database refuses a second entry."""
    first, second = next_moment(_on(), one, PARIS), next_moment(_on(), other, PARIS)
    assert first == second != None  # noqa: E711 - both are there


def test_a_date_without_an_offset_is_the_same_value_on_every_clock() -> None:
    """Somebody who moves is not written to twice."""
    values = {
        found.value
        for zone in (PARIS, NEW_YORK, UTC)
        if (found := next_moment(_on(), "2026-03-01", zone)) is not None
    }
    assert values == {"2026-03-01"}


@given(zone=ZONES, day=DATES, at=TIMES, days=st.integers(-400, 400))
def test_the_moment_is_at_the_wall_time_asked_for_on_the_right_day(
    zone: ZoneInfo, day: date, at: time, days: int
) -> None:
    """In every timezone: or else the clock skips that time, and the moment is the first behind the gap."""
    found = next_moment(OnDate(("x",), timedelta(days=days), at), day.isoformat(), zone)
    assert found is not None
    wanted = datetime.combine(day + timedelta(days=days), at)
    shown = found.at.astimezone(zone).replace(tzinfo=None)
    if shown != wanted:
        assert shown > wanted
        just_before = (found.at - timedelta(microseconds=1)).astimezone(zone).replace(tzinfo=None)
        assert just_before < wanted
    earlier = [found.at - timedelta(minutes=minutes) for minutes in range(15, 24 * 60, 15)]
    assert all(each.astimezone(zone).replace(tzinfo=None) != wanted for each in earlier)


@given(zone=ZONES, born=DATES, days=st.integers(-40, 40), year=st.integers(1971, 2080))
def test_a_yearly_date_comes_once_in_each_year(
    zone: ZoneInfo, born: date, days: int, year: int
) -> None:
    """One after the other, each with a value of its own."""
    trigger = OnDate(("x",), timedelta(days=days), time(9), yearly=True)
    after = datetime(year, 6, 1, tzinfo=UTC)
    values, dates = set(), []
    for _ in range(5):
        found = next_moment(trigger, born.isoformat(), zone, after)
        assert found is not None
        assert found.at > after
        after = found.at
        values.add(found.value)
        dates.append(date.fromisoformat(found.date))
    assert len(values) == 5
    assert [each.year for each in dates] == [dates[0].year + each for each in range(5)]
    assert dates[0].year >= born.year
