"""Instants and durations: every form that is sent, and what is rejected."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whereupon.messages.times import (
    EPOCH,
    FIRST_INSTANT,
    LAST_INSTANT,
    all_as_micros,
    as_micros,
    duration_micros,
    earlier,
    format_duration,
    format_instant,
    format_local,
    from_micros,
    later,
    parse_duration,
    parse_instant,
    parse_local,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
instants = st.datetimes(timezones=st.just(UTC))
durations = st.integers(0, 10**8).map(lambda seconds: timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("sent", "instant"),
    [
        ("2026-03-01T12:00:00Z", NOON),
        ("2026-03-01T12:00:00.000Z", NOON),
        ("2026-03-01t12:00:00z", NOON),
        ("2026-03-01T14:00:00+02:00", NOON),
        ("2026-03-01T14:00:00+0200", NOON),
        ("2026-03-01T06:30:00-05:30", NOON),
        ("2026-03-01T12:00:00", NOON),
        ("2026-03-01 12:00", NOON),
        (" 2026-03-01T12:00:00Z ", NOON),
        ("2026-03-01", NOON - timedelta(hours=12)),
        ("2026-03-01T12:00:00.123456789Z", NOON + timedelta(microseconds=123_456)),
        ("2026-03-01T12:00:00.5Z", NOON + timedelta(seconds=0.5)),
        (1_772_366_400, NOON),
        (1_772_366_400.25, NOON + timedelta(seconds=0.25)),
        (1_772_366_400_000, NOON),
        (1_772_366_400_123, NOON + timedelta(milliseconds=123)),
        ("1772366400", NOON),
        ("1772366400.5", NOON + timedelta(seconds=0.5)),
        ("1772366400000", NOON),
        ("1712011200000", datetime(2024, 4, 1, 22, 40, tzinfo=UTC)),
        (0, EPOCH),
        (-1, EPOCH - timedelta(seconds=1)),
        (20_000_000_000, EPOCH + timedelta(seconds=20_000_000_000)),
        (20_000_000_001, EPOCH + timedelta(milliseconds=20_000_000_001)),
    ],
)
def test_every_form_of_time_in_circulation_is_read(sent: object, instant: datetime) -> None:
    """ISO 8601 of any precision, with an offset or in UTC; Unix seconds and milliseconds."""
    assert parse_instant(sent) == instant


@pytest.mark.parametrize(
    ("sent", "instant"),
    [
        ("Sun, 1 Mar 2026 06:30:05 -0530", NOON + timedelta(seconds=5)),
        ("Sun, 1 Mar 2026 17:45:05 +0545", NOON + timedelta(seconds=5)),
        ("Sun, 1 Mar 2026 07:00:05 EST", NOON + timedelta(seconds=5)),
        ("Sun, 1 Mar 2026 05:00:05 PDT", NOON + timedelta(seconds=5)),
        ("2026-3-1 6:30:05.25 -05:30", NOON + timedelta(seconds=5.25)),
        ("2026-3-1T14:30:05.25+0230", NOON + timedelta(seconds=5.25)),
        ("2026-03-01 12:00:05.5 UTC", NOON + timedelta(seconds=5.5)),
    ],
)
def test_offsets_seconds_and_fractions_of_odd_forms_count(sent: str, instant: datetime) -> None:
    """West of Greenwich is behind UTC and east before it, also by half and quarter hours."""
    assert parse_instant(sent) == instant
    assert all_as_micros([instant]) == [round(instant.timestamp() * 1_000_000)]


@pytest.mark.parametrize(
    "sent",
    [
        *("2024-3-12 9:05:00", "2024-03-12 09:05:00 UTC", "2024/03/12 9:05", "2024-3-12T9:5Z"),
        *("2024-03-12 10:05:00 +0100", "2024-03-12 09:05:00 +0000 UTC", " 2024-03-12t09:05:00z\n"),
        *("Tue, 12 Mar 2024 09:05:00 GMT", "12 Mar 2024 05:05 EDT", "12 Mar 2024 10:05 +01:00"),
        "Tue Mar 12 2024 10:05:00 GMT+0100 (Central European Standard Time)",
        *(1710234300, 1710234300000, 1710234300000000, 1710234300000000000),
        *("1710234300", "1710234300.0", "1710234300000", "1710234300000000000"),
    ],
)
def test_times_are_read_as_clients_write_them(sent: object) -> None:
    """With one digit for a month or an hour, as in mail and JavaScript, and with any precision."""
    assert parse_instant(sent) == datetime(2024, 3, 12, 9, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "sent",
    [
        *("", " ", "yesterday", "2026-13-01", "2026-03-01T25:00:00Z", "nan", "inf", "1e400"),
        *(True, False, None, [], {}, 10**400, 1e300, float("nan"), float("inf"), "2024", "1e10"),
        *("0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00", "9" * 400),
    ],
)
def test_a_value_that_is_not_a_time_gives_none(sent: object) -> None:
    """No time is guessed, and nothing is raised."""
    assert parse_instant(sent) is None


@given(instants)
def test_an_instant_survives_writing(instant: datetime) -> None:
    """As text and as microseconds, an instant comes back unchanged."""
    assert parse_instant(format_instant(instant)) == instant
    assert from_micros(as_micros(instant)) == instant


@given(instants, st.integers(-14, 14))
def test_instants_are_written_in_utc(instant: datetime, hours: int) -> None:
    """For every offset, the text ends in ``Z``."""
    try:
        elsewhere = instant.astimezone(timezone(timedelta(hours=hours)))
    except OverflowError:
        return
    assert format_instant(elsewhere) == format_instant(instant)
    assert format_instant(instant).endswith("Z")


@given(st.text())
def test_no_text_makes_a_reader_raise(text: str) -> None:
    """For any text the answer is a value or None."""
    parse_instant(text)
    parse_duration(text)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("2h10m", timedelta(minutes=130)),
        ("7d", timedelta(days=7)),
        ("0s", timedelta(0)),
    ],
)
def test_durations_are_numbers_with_units(text: str, duration: timedelta) -> None:
    """A day is 24 hours."""
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "7", "d", "1.5h", "-1d", "1w", "7 d", "999999999d" * 9, "7D"])
def test_a_text_that_is_not_a_duration_gives_none(text: str) -> None:
    """A number without a unit is not a duration, and neither is one beyond every calendar."""
    assert parse_duration(text) is None


@given(durations)
def test_a_duration_survives_writing(duration: timedelta) -> None:
    """A duration comes back from its text."""
    assert parse_duration(format_duration(duration)) == duration
    assert duration_micros(duration) == duration.total_seconds() * 1_000_000


def test_the_calendar_ends_where_it_ends() -> None:
    """A span that leads out of the calendar ends at its end."""
    assert later(LAST_INSTANT, timedelta(days=1)) == LAST_INSTANT
    assert earlier(FIRST_INSTANT, timedelta(days=1)) == FIRST_INSTANT
    assert later(NOON, timedelta(days=1)) - NOON == timedelta(days=1)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("2026-03-06", "2026-03-06T00:00:00+11:00"),
        ("2026-03-06 09:30", "2026-03-06T09:30:00+11:00"),
        ("2026-3-6 9:30", "2026-03-06T09:30:00+11:00"),
        ("20260306", "2026-03-06T00:00:00+11:00"),
        ("6 Mar 2026", "2026-03-06T00:00:00+11:00"),
        ("October 6, 2026", "2026-10-06T00:00:00+11:00"),
        ("2026-03-06T09:30:00Z", "2026-03-06T20:30:00+11:00"),
        ("2026-03-06T09:30:00-05:00", "2026-03-07T01:30:00+11:00"),
        ("Fri, 06 Mar 2026 09:30:00 GMT", "2026-03-06T20:30:00+11:00"),
        (1772789400, "2026-03-06T20:30:00+11:00"),
        ("1772789400", "2026-03-06T20:30:00+11:00"),
        ("2026-07-06", "2026-07-06T00:00:00+10:00"),
    ],
)
def test_a_date_without_an_offset_is_on_the_clock_that_is_asked_for(
    value: str | int, written: str
) -> None:
    """A text with an offset, and a Unix time, is the same instant in every timezone."""
    sydney = ZoneInfo("Australia/Sydney")
    instant = parse_local(value, sydney)
    assert instant is not None
    assert format_local(instant, sydney) == written
    assert parse_local(value, UTC) == parse_instant(value)
    assert parse_local("soon", sydney) is None
