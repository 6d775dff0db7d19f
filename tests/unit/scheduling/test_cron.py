"""Cron schedules in a named timezone."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from whereupon.messages.times import FIRST_INSTANT, LAST_INSTANT
from whereupon.scheduling import latest_occurrence, next_occurrence


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_nine_in_paris_stays_nine_in_paris_when_the_clocks_change() -> None:
    """A daily cron keeps its local hour over the change to summer time."""
    before = next_occurrence("0 9 * * *", "Europe/Paris", _at("2026-03-28T00:00:00+00:00"))
    after = next_occurrence("0 9 * * *", "Europe/Paris", _at("2026-03-29T00:00:00+00:00"))
    assert (before, after) == (_at("2026-03-28T08:00:00+00:00"), _at("2026-03-29T07:00:00+00:00"))


@pytest.mark.parametrize(
    ("cron", "hours"),
    [
        ("30 2 * * *", [0.5, 25.5]),
        ("*/30 2 * * *", [0, 0.5, 25, 25.5]),
        ("0 * * * *", [0, 1, 2, 3]),
    ],
)
def test_an_hour_that_a_clock_put_back_repeats_counts_once_unless_every_hour_does(
    cron: str, hours: list[float]
) -> None:
    """On 25 October 2026 Paris has two o'clock twice, at 00:00 and at 01:00 UTC."""
    midnight = _at("2026-10-25T00:00:00+00:00")
    found, moment = [], midnight - timedelta(seconds=1)
    for _ in hours:
        moment = next_occurrence(cron, "Europe/Paris", moment) or midnight
        found.append((moment - midnight) / timedelta(hours=1))
    assert found == hours


@pytest.mark.parametrize(
    "timezone", ["America/Santiago", "Africa/Cairo", "Asia/Beirut", "Europe/Paris"]
)
@pytest.mark.parametrize("cron", ["0 0 * * *", "30 0 * * *", "30 2 * * *"])
def test_no_day_is_lost_where_a_clock_is_put_forward(cron: str, timezone: str) -> None:
    """Also if that is at midnight; times that the clock leaves out come as much later."""
    moment, end, days = _at("2026-01-01T00:00:00+00:00"), _at("2026-12-30T00:00:00+00:00"), []
    while (moment := next_occurrence(cron, timezone, moment) or end) < end:
        days.append(moment.astimezone(ZoneInfo(timezone)).date())
    assert {later - earlier for earlier, later in pairwise(days)} == {timedelta(days=1)}


def test_all_of_an_hour_that_a_clock_leaves_out_comes_later() -> None:
    """Two o'clock on 29 March 2026 is three o'clock in Paris."""
    moment, found = _at("2026-03-28T12:00:00+00:00"), []
    for _ in range(3):
        moment = next_occurrence("*/30 2 * * *", "Europe/Paris", moment) or moment
        found.append(moment.isoformat())
    assert [each[5:16] for each in found] == ["03-29T01:00", "03-29T01:30", "03-30T00:00"]


def test_the_calendar_ends() -> None:
    """No instant raises an exception."""
    assert next_occurrence("0 9 * * *", "Europe/Paris", LAST_INSTANT) is None
    first = next_occurrence("0 9 * * *", "America/Lima", FIRST_INSTANT)
    assert first is not None


def test_the_next_occurrence_is_later_than_the_instant_asked_about() -> None:
    """An occurrence at the very instant is over."""
    nine = _at("2026-06-01T09:00:00+00:00")
    assert next_occurrence("0 9 * * *", "UTC", nine) == _at("2026-06-02T09:00:00+00:00")


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ("MON", 1), ("1", 1), ("0", 0), ("7", 0), ("sun", 0), ("1-5", 1), ("5-7", 0),
        ("FRI-SUN", 0), ("6,3", 3), ("*/2", 0), ("2-6/2", 2),
    ],
)  # fmt: skip
def test_days_of_the_week_are_numbered_as_cron_does(days: str, expected: int) -> None:
    """0 and 7 are Sunday; the first day after a Saturday evening shows it."""
    saturday = _at("2026-06-06T23:00:00+00:00")
    found = next_occurrence(f"0 9 * * {days}", "UTC", saturday)
    assert found is not None
    assert found.isoweekday() % 7 == expected


@pytest.mark.parametrize("timezone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_where_the_calendar_ends_there_is_no_next_occurrence(timezone: str) -> None:
    """Exports write 9999-12-31 for never: the clock of a stream may reach it."""
    for after in ("9999-12-30T23:00:00+00:00", "9999-12-31T23:59:59.999999+00:00"):
        found = next_occurrence("0 9 * * *", timezone, _at(after))
        assert found is None or found > _at(after)
    assert next_occurrence("0 9 * * *", timezone, datetime.max.replace(tzinfo=UTC)) is None
    earliest = datetime.min.replace(tzinfo=UTC)
    assert (next_occurrence("0 9 * * *", timezone, earliest) or _at("0001-01-02T00:00Z")) > earliest


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ("L", ["01-31", "02-28", "03-31", "04-30"]),
        ("last", ["01-31", "02-28", "03-31", "04-30"]),
        ("1,15,l", ["01-15", "01-31", "02-01", "02-15", "02-28"]),
        ("28-30,L", ["01-28", "01-29", "01-30", "01-31", "02-28", "03-28"]),
    ],
)
def test_l_in_the_day_field_is_the_last_day(days: str, expected: list[str]) -> None:
    """Of every month, also beside other days, and once where it is one of them."""
    moment, found = _at("2026-01-02T00:00:00+00:00"), list[str]()
    for _ in expected:
        moment = next_occurrence(f"0 9 {days} * *", "UTC", moment) or moment
        found.append(format(moment, "%m-%d"))
    assert found == expected


def test_the_last_day_of_february_in_a_leap_year_is_the_29th() -> None:
    """The last day goes by the calendar of the year."""
    february = _at("2028-02-01T00:00:00+00:00")
    assert next_occurrence("0 9 L 2 *", "UTC", february) == _at("2028-02-29T09:00:00+00:00")


@pytest.mark.parametrize("days", ["L-3", "LW", "15L", "*/L", "1-L"])
def test_other_uses_of_l_are_refused(days: str) -> None:
    """Quartz knows more of them; here they would mean something else, or nothing."""
    with pytest.raises(ValueError, match="is not a crontab expression"):
        next_occurrence(f"0 9 {days} * *", "UTC", _at("2026-01-01T00:00:00+00:00"))


def test_a_day_that_never_comes_has_no_next_occurrence() -> None:
    """There is no 30 February."""
    assert next_occurrence("0 0 30 2 *", "UTC", _at("2026-01-01T00:00:00+00:00")) is None


@pytest.mark.parametrize(
    ("cron", "timezone"),
    [
        ("0 9 * *", "UTC"), ("0 9 * * FOO", "UTC"), ("61 9 * * *", "UTC"), ("x 9 * * *", "UTC"),
        ("0 9 1 * MON", "UTC"), ("0 9 * * *", "Europe/Pariss"), ("0 9 * * 5-2", "UTC"),
        ("0 9 * * */0", "UTC"), ("", "UTC"), ("0 9 * * *", "../../etc/passwd"), ("0 9 * * 8", "UTC"),
    ],
)  # fmt: skip
def test_an_invalid_schedule_raises_and_says_what_to_write(cron: str, timezone: str) -> None:
    """A bad expression or timezone is a ValueError with an example."""
    with pytest.raises(ValueError, match=r"write|day of the week|backwards"):
        next_occurrence(cron, timezone, _at("2026-01-01T00:00:00+00:00"))


@pytest.mark.parametrize(
    ("cron", "after", "until", "found"),
    [
        ("0 8 * * *", "2026-04-01T07:00:00Z", "2026-04-06T12:00:00Z", "2026-04-06T08:00:00Z"),
        ("0 8 * * *", "2026-04-01T08:00:00Z", "2026-04-02T07:59:59Z", None),
        ("0 8 * * *", "2026-04-01T08:00:00Z", "2026-04-02T08:00:00Z", "2026-04-02T08:00:00Z"),
        ("* * * * *", "2025-01-01T00:00:30Z", "2026-04-01T08:00:30Z", "2026-04-01T08:00:00Z"),
        ("0 0 29 2 *", "2019-01-01T00:00:00Z", "2026-04-01T00:00:00Z", "2024-02-29T00:00:00Z"),
        ("* 9 * * *", "2026-04-01T00:00:00Z", "2026-04-03T08:00:00Z", "2026-04-02T09:59:00Z"),
    ],
)
def test_the_latest_time_is_the_newest_that_has_passed(
    cron: str, after: str, until: str, found: str | None
) -> None:
    """It is found by bisection, for any number of times."""
    span = (datetime.fromisoformat(after), datetime.fromisoformat(until))
    expected = None if found is None else datetime.fromisoformat(found)
    assert latest_occurrence(cron, "UTC", *span) == expected
