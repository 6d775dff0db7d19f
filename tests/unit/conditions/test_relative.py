"""Dates beside now: ``in_next``, ``in_last``, ``not_in_last``, ``on_day``, ``anniversary``, and ``within``."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.conditions.messages import diagnostics_of, message, where, who

from whereupon.conditions import NO_HISTORY, Condition, JsonValue, parse_condition
from whereupon.conditions.clocks import Clock
from whereupon.conditions.prefilter import EVERYBODY
from whereupon.conditions.pushdown import prefilter_of
from whereupon.errors import Severity
from whereupon.messages.times import format_instant
from whereupon.rules.loading import load_rules

DATE = datetime(2026, 3, 5, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
ZONES = st.sampled_from(sorted(available_timezones()))
OPERATORS = {
    "in_next": "7d",
    "in_last": "7d",
    "not_in_last": "7d",
    "on_day": "0d",
    "anniversary": "0d",
}


def asked(
    expected: JsonValue, now: datetime, value: JsonValue = None, timezone: JsonValue = None
) -> bool:
    """Whether an attribute, by default a date in 2026, satisfies what is expected at an instant."""
    person: JsonValue = {
        "at": format_instant(DATE) if value is None else value,
        "timezone": timezone,
    }
    data = message(person=person, timestamp=format_instant(now))
    condition, denied = who({"at": expected}), who({"not": {"at": expected}})
    answer = condition.holds(data, NO_HISTORY)
    assert answer is not denied.holds(data, NO_HISTORY)
    return answer


@pytest.mark.parametrize(
    ("now", "in_next", "in_last", "not_in_last", "within"),
    [
        (DATE - 7 * DAY - TICK, False, False, True, False),
        (DATE - 7 * DAY, True, False, True, True),
        (DATE - TICK, True, False, True, True),
        (DATE, False, True, False, True),
        (DATE + 7 * DAY - TICK, False, True, False, True),
        (DATE + 7 * DAY, False, False, True, True),
        (DATE + 7 * DAY + TICK, False, False, True, False),
    ],
)
def test_operators_on_dates_are_never_symmetric_and_within_is_either_side(
    now: datetime, *, in_next: bool, in_last: bool, not_in_last: bool, within: bool
) -> None:
    """`in_next` is before the date, `in_last` from it on, `not_in_last` what `in_last` is not; `within` is both."""
    assert asked({"in_next": "7d"}, now) is in_next
    assert asked({"in_last": "7d"}, now) is in_last
    assert asked({"not_in_last": "7d"}, now) is not_in_last
    assert asked({"within": "7d"}, now) is within


@pytest.mark.parametrize(
    ("expected", "first"),
    [("0d", 0), ("+0d", 0), ("3d", -3), ("+3d", -3), ("-1d", 1), ("-400d", 400)],
)
def test_on_day_is_a_calendar_day_on_the_persons_clock(expected: str, first: int) -> None:
    """`0d` is today, and `+3d` holds for the whole of the third day before the date's."""
    clock = ZoneInfo("America/New_York")
    begins = datetime(2026, 3, 5, tzinfo=clock) + first * DAY  # the wall clock's days
    ends = begins + DAY
    for value in (format_instant(DATE), "2026-03-05", "2026-03-05T23:59:59"):
        for at, holds in ((begins, True), (ends, False)):
            now = at.astimezone(UTC)
            assert asked({"on_day": expected}, now, value, clock.key) is holds, (value, at)
            assert asked({"on_day": expected}, now - TICK, value, clock.key) is not holds


@pytest.mark.parametrize(
    ("value", "today", "expected"),
    [
        ("1990-03-05", "2026-03-05", True),
        ("1990-03-05", "2026-03-06", False),
        ("2040-03-05", "2026-03-05", True),
        ("2026-03-05", "2026-03-05", True),
        ("1992-02-29", "2026-02-28", True),
        ("1992-02-29", "2028-02-28", False),
        ("1992-02-29", "2028-02-29", True),
        ("1990-02-28", "2028-02-29", False),
        ("1992-02-29", "2026-03-01", False),
    ],
)
def test_an_anniversary_has_the_month_and_day_and_29_february_is_the_28th_in_common_years(
    value: str, today: str, expected: bool
) -> None:
    """In whatever year the date is."""
    now = datetime.fromisoformat(f"{today}T12:00:00+00:00")
    assert asked({"anniversary": "0d"}, now, value) is expected
    assert asked({"anniversary": "+7d"}, now - 7 * DAY, value) is expected
    assert asked({"anniversary": "-7d"}, now + 7 * DAY, value) is expected


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("value", ["", "soon", [], {}, True, "2026-02-30"])
def test_what_is_no_date_satisfies_none_of_them(name: str, value: JsonValue) -> None:
    """Neither does a missing value, nor null: not even `not_in_last`."""
    assert not asked({name: OPERATORS[name]}, DATE, value)
    condition = who({"at": {name: OPERATORS[name]}})
    persons: list[JsonValue] = [{}, {"at": None}]
    for person in persons:
        assert not condition.holds(message(person=person), NO_HISTORY)


@pytest.mark.parametrize("name", OPERATORS)
def test_dates_are_written_as_clients_write_them(name: str) -> None:
    """ISO 8601 with any offset, RFC 2822, and Unix time in seconds or milliseconds are one instant."""
    ways: list[JsonValue] = [
        *("2026-03-05T09:30:00Z", "2026-03-05T10:30:00+01:00", "Thu, 5 Mar 2026 09:30:00 GMT"),
        *(int(DATE.timestamp()), DATE.timestamp(), int(DATE.timestamp()) * 1000),
    ]
    for now in (DATE - 8 * DAY, DATE - DAY, DATE, DATE + DAY, DATE + 8 * DAY):
        assert len({asked({name: OPERATORS[name]}, now, each) for each in ways}) == 1


def test_a_date_without_an_offset_is_on_the_persons_clock() -> None:
    """Midnight in Tokyo is nine hours before midnight in UTC."""
    midnight = datetime(2026, 3, 5, tzinfo=ZoneInfo("Asia/Tokyo")).astimezone(UTC)
    wanted: list[JsonValue] = [{"in_last": "1d"}, {"on_day": "0d"}]
    for expected in wanted:
        assert asked(expected, midnight, "2026-03-05", "Asia/Tokyo")
        assert not asked(expected, midnight - TICK, "2026-03-05", "Asia/Tokyo")
        assert not asked(expected, midnight, "2026-03-05")


@pytest.mark.parametrize("timezone", [None, "", "Nowhere/Land", "../etc/passwd", 9, ["Asia/Tokyo"]])
def test_an_unknown_or_missing_timezone_of_a_person_counts_as_else(timezone: JsonValue) -> None:
    """So every person has a clock."""
    condition, _ = parse_condition(
        {"at": {"on_day": "0d"}}, root="person", clock=Clock(("home", "zone"), "Asia/Tokyo")
    )
    for now, holds in (("2026-03-04T15:00:00Z", True), ("2026-03-05T15:00:00Z", False)):
        person: JsonValue = {
            "at": "2026-03-05",
            "home": {"zone": timezone},
            "timezone": "Europe/Paris",
        }
        assert condition.holds(message(person=person, timestamp=now), NO_HISTORY) is holds


@given(
    zone=ZONES,
    day=st.dates(date(1971, 1, 1), date(2037, 12, 1)),
    days=st.integers(-3, 3),
)
def test_each_instant_is_on_the_day_that_a_clock_shows(zone: str, day: date, days: int) -> None:
    """On every clock of tzdata, also on the days on which it is changed."""
    clock = ZoneInfo(zone)
    condition = who({"at": {"on_day": f"{days:+d}d"}})
    person: JsonValue = {"at": day.isoformat(), "timezone": zone}
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC) - days * DAY
    is_skipped = (
        datetime(day.year, day.month, day.day, tzinfo=clock)
        .astimezone(UTC)
        .astimezone(clock)
        .date()
        != day
    )
    for step in range(-24, 25):
        now = noon + step * timedelta(hours=1)
        shown = now.astimezone(clock).date() + timedelta(days=days)
        data = message(person=person, timestamp=format_instant(now))
        assert is_skipped or condition.holds(data, NO_HISTORY) is (shown == day), now


# --- whose clock ----------------------------------------------------------------------------------


def test_a_folders_timezone_is_the_clock_of_its_conditions_and_a_rule_can_override_it(
    tmp_path: Path,
) -> None:
    """A schedule's timezone is that of people who have none."""
    files = {
        "settings": "settings: settings\ntimezone: {attribute: tz, else: Asia/Tokyo}\n",
        "near": "segment: near\nwho: {at: {on_day: 0d}}\n",
        "a": "campaign: a\ndescription: A.\nwhen: x\nreentry: once\nwho: {at: {on_day: 0d}}\n",
        "b": "campaign: b\ndescription: B.\nwhen: x\nreentry: once\ntimezone: Europe/Paris\nwho: {segment: near}\n",
        "c": "broadcast: c\nwhen: {cron: '0 9 * * *', timezone: Asia/Kolkata}\nwho: {segment: near}\n",
    }
    for name, text in files.items():
        steps = "whereupon: [{send: push, title: Hi}]\n" if name in "abc" else ""
        (tmp_path / f"{name}.yaml").write_text(text + steps)
    book, found = load_rules(tmp_path)
    assert not [each for each in found if each.severity is Severity.ERROR]
    read = {
        "a": "tz Asia/Tokyo", "b": " Europe/Paris", "c": "tz Asia/Kolkata", "near": "tz Asia/Tokyo",
    }  # fmt: skip
    conditions = {rule.id: rule.who for rule in book.rules} | {"near": book.segments["near"].who}
    for name, condition in conditions.items():
        attribute, _, zone = read[name].partition(" ")
        paths = {"person.at", "timestamp"} | ({f"person.{attribute}"} if attribute else set())
        assert condition.variables == paths
        begins = datetime(2026, 3, 5, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        assert _is_today(condition, begins)
        assert not _is_today(condition, begins - TICK)
        own = datetime(2026, 3, 5, tzinfo=ZoneInfo("America/Lima")).astimezone(UTC)
        assert _is_today(condition, own + timedelta(hours=20), tz="America/Lima") is bool(attribute)


def _is_today(condition: Condition, now: datetime, tz: JsonValue = None) -> bool:
    person: JsonValue = {"at": "2026-03-05", "tz": tz, "timezone": "Pacific/Apia"}
    return condition.holds(message(person=person, timestamp=format_instant(now)), NO_HISTORY)


def test_conditions_without_days_read_no_clock() -> None:
    """What uses none of it costs nothing."""
    assert who({"at": {"within": "7d"}}).variables == {"person.at", "timestamp"}
    assert who({"at": {"before": "2026-01-31"}}).variables == {"person.at"}


def test_before_after_and_within_stay_in_utc_whatever_the_persons_timezone() -> None:
    """What stored rules decide does not change."""
    person: JsonValue = {"at": "2026-01-31", "timezone": "Asia/Tokyo"}
    data = message(person=person, timestamp="2026-02-01T00:00:00Z")
    assert who({"at": {"within": "1d"}}).holds(data, NO_HISTORY)
    assert not who({"at": {"after": "2026-01-31"}}).holds(data, NO_HISTORY)
    assert not who({"at": {"before": "2026-01-31"}}).holds(data, NO_HISTORY)


# --- where they stand -----------------------------------------------------------------------------


def test_they_stand_in_where_and_inside_of_items_too() -> None:
    """The clock is the person's, though paths start at the message or at an item."""
    raw: JsonValue = {"list": {"any_item": {"on": {"on_day": "0d"}, "until": {"in_next": "12h"}}}}
    condition = where(raw)
    items: JsonValue = [{"on": "2026-03-05", "until": "2026-03-05T06:00:00"}]
    data = message({"list": items}, {"timezone": "Asia/Tokyo"}, timestamp="2026-03-04T15:00:00Z")
    assert condition.holds(data, NO_HISTORY)
    data = message({"list": items}, {}, timestamp="2026-03-04T15:00:00Z")
    assert not condition.holds(data, NO_HISTORY)


def test_a_question_to_the_history_reads_the_clock_that_its_days_go_by() -> None:
    """So a timezone that changes is known to change the answer; the event's own time is no value of the message."""
    asked: JsonValue = {"event": "Booked", "where": {"check_in": {"on_day": "+1d"}, "price": 5}}
    assert who({"performed": asked}).variables == {"person.timezone"}


@pytest.mark.parametrize("name", OPERATORS)
def test_a_prefilter_lets_everybody_pass_because_days_are_each_persons_own(name: str) -> None:
    """The condition itself is asked of each."""
    assert prefilter_of(who({"at": {name: OPERATORS[name]}}), message()) == EVERYBODY


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ({"in_next": "7d"}, "at is in the next 7d"),
        ({"in_last": "30d"}, "at is in the last 30d"),
        ({"not_in_last": "60d"}, "at is not in the last 60d"),
        ({"on_day": "0d"}, "at is today"),
        ({"on_day": "+1d"}, "at is tomorrow"),
        ({"on_day": "-1d"}, "at is yesterday"),
        ({"on_day": "+3d"}, "at is in 3 days"),
        ({"on_day": "-3d"}, "at is 3 days ago"),
        ({"anniversary": "0d"}, "at has its anniversary today"),
        ({"anniversary": "+7d"}, "at has its anniversary in 7 days"),
    ],
)
def test_a_reason_is_told_in_words_with_the_date_the_time_and_the_timezone(
    expected: JsonValue, words: str
) -> None:
    """Explain says what was seen."""
    failure = who({"at": expected}).failing(message(person={"timezone": "Asia/Tokyo"}), NO_HISTORY)
    assert failure is not None
    assert failure.text == words
    told = {"timestamp": message()["timestamp"], "person.timezone": "Asia/Tokyo"}
    assert failure.values == {"person.at": None, **told}


@pytest.mark.parametrize(
    ("expected", "code"),
    [
        ({"in_next": "soon"}, "bad-duration"),
        ({"in_next": 7}, "bad-duration"),
        ({"in_next": "0d"}, "bad-duration"),
        ({"in_last": "-7d"}, "bad-duration"),
        ({"not_in_last": "1w"}, "bad-duration"),
        ({"on_day": 0}, "bad-duration"),
        ({"on_day": "3h"}, "bad-duration"),
        ({"on_day": "today"}, "bad-duration"),
        ({"anniversary": True}, "bad-duration"),
        ({"on_day": "{{ person.days }}"}, "template-in-condition"),
        ({"in_next": "person.days"}, "path-as-value"),
    ],
)
def test_what_they_do_not_take_is_an_error_with_what_to_write(
    expected: dict[str, JsonValue], code: str
) -> None:
    """Located at the operator."""
    (found,) = diagnostics_of({"at": expected}, root="person")
    assert found.code == code
    assert found.path == ("at", *expected)
