"""The moment at which time alone changes a condition, and which conditions have such moments."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
import yaml
from tests.unit.conditions.messages import message, who

from whereupon.conditions import Condition, JsonValue, parse_condition
from whereupon.conditions.analysis import counts_on_time, is_computable, turns_by_time
from whereupon.conditions.moments import MOST_TRIES, next_change
from whereupon.decide.history import HistoryEvent, HistoryUntil
from whereupon.messages.codec import encode
from whereupon.testing.coverage.condition_probes import noted

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
HOUR_OF_DAY: JsonValue = {"substr": [{"var": "timestamp"}, 11, 2]}
VISITS = {"Visit": (-59 * DAY, -10 * DAY, -DAY)}


def past_of(events: Mapping[str, tuple[timedelta, ...]], **trigger: JsonValue) -> HistoryUntil:
    """A person's past, by how long before or after now something happened."""
    text = encode({"properties": {"order_id": 7}})
    found = {
        (1, name): [HistoryEvent(NOW + away, text) for away in aways]
        for name, aways in events.items()
    }
    return HistoryUntil(found, 1, NOW, trigger)


def change_of(
    raw: "JsonValue | Condition",
    person: JsonValue = None,
    past: HistoryUntil | None = None,
    zone: tzinfo = UTC,
) -> timedelta | None:
    """How long after now time alone changes a condition."""
    condition = raw if isinstance(raw, Condition) else who(raw)
    found = next_change(condition, message(person=person), past or past_of({}), zone, NOW)
    return None if found is None else found - NOW


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"performed": {"event": "Visit", "within": "60d"}}, 59 * DAY),
        ({"performed": {"event": "Visit", "within": "60d", "never": True}}, 59 * DAY),
        ({"not": {"performed": {"event": "Visit", "within": "60d"}}}, 59 * DAY),
        ({"performed": {"event": "Visit", "within": "60d", "at_least": 3}}, DAY),
        ({"performed": {"event": "Visit", "within": "60d", "at_least": 2}}, 50 * DAY),
        ({"performed": {"event": "Visit", "within": "60d", "exactly": 2}}, DAY),
        ({"performed": {"event": "Visit", "within": "60d", "where": {"order_id": 8}}}, None),
        ({"performed": {"event": "Visit", "at_least": 3}}, None),
        ({"performed": {"event": "Other", "within": "60d"}}, None),
    ],
)
def test_not_performed_within_60d_becomes_true_by_time_at_the_exact_moment(
    raw: JsonValue, expected: timedelta | None
) -> None:
    """Polarity counts: when the last event that matters falls out of the window."""
    assert change_of(raw, past=past_of(VISITS)) == expected


def test_same_counts_only_events_of_the_triggering_messages_key() -> None:
    """Without a key there is no answer that could change."""
    asked = who({"performed": {"event": "Visit", "within": "60d"}})
    tied = who_tied({"performed": {"event": "Visit", "within": "60d", "same": ["order_id"]}})
    assert change_of(asked, past=past_of(VISITS)) == 59 * DAY
    assert change_of(tied, past=past_of(VISITS, order_id="7")) == 59 * DAY
    assert change_of(tied, past=past_of(VISITS, order_id=8)) is None
    assert change_of(tied, past=past_of(VISITS)) is None


def who_tied(raw: JsonValue) -> Condition:
    """A `who` of a rule that a message triggers."""
    condition, found = parse_condition(raw, root="person", history_allowed=True, untied=None)
    assert found == ()
    return condition


@pytest.mark.parametrize(
    ("expected", "value", "moment"),
    [
        ({"in_next": "7d"}, "2026-03-20T12:00:00Z", 8 * DAY),
        ({"in_next": "7d"}, "2026-03-06T12:00:00Z", DAY),
        ({"in_next": "7d"}, "2026-03-01T12:00:00Z", None),
        ({"in_last": "7d"}, "2026-03-06T12:00:00Z", DAY),
        ({"in_last": "7d"}, "2026-03-04T12:00:00Z", 6 * DAY),
        ({"not_in_last": "7d"}, "2026-03-04T12:00:00Z", 6 * DAY),
        ({"not_in_last": "7d"}, "2026-01-01T12:00:00Z", None),
        ({"within": "7d"}, "2026-03-04T12:00:00Z", 6 * DAY + TICK),
        ({"within": "7d"}, "2026-03-20T12:00:00Z", 8 * DAY),
        ({"on_day": "0d"}, "2026-03-07", 1.5 * DAY),
        ({"on_day": "0d"}, "2026-03-05", 0.5 * DAY),
        ({"on_day": "-1d"}, "2026-03-05", 0.5 * DAY),
        ({"on_day": "+3d"}, "2026-03-10", 1.5 * DAY),
        ({"on_day": "0d"}, "2026-03-04", None),
        ({"anniversary": "0d"}, "1990-03-07", 1.5 * DAY),
        ({"anniversary": "0d"}, "1990-03-05", 0.5 * DAY),
        ({"anniversary": "0d"}, "1992-02-29", 359.5 * DAY),
        ({"before": "2026-12-01"}, "2026-03-05", None),
        ({"in_next": "7d"}, "soon", None),
    ],
)
def test_a_date_beside_now_turns_at_clean_instants(
    expected: JsonValue, value: JsonValue, moment: timedelta | None
) -> None:
    """At the date, or a span before or behind it; days at midnight."""
    assert change_of({"at": expected}, {"at": value}) == moment


def test_days_turn_at_midnight_on_the_persons_clock() -> None:
    """Where the clocks go forward over midnight, the day begins at one."""
    person: JsonValue = {"at": "2024-04-26", "timezone": "Africa/Cairo"}
    condition = who({"at": {"on_day": "0d"}})
    begins = next_change(
        condition, message(person=person), past_of({}), UTC, datetime(2024, 4, 20, tzinfo=UTC)
    )
    assert begins == datetime(2024, 4, 25, 22, tzinfo=UTC)
    assert begins.astimezone(ZoneInfo("Africa/Cairo")).hour == 1


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"any": [{"a": {"in_next": "1d"}}, {"b": {"in_next": "1d"}}]}, DAY),
        ({"all": [{"a": {"in_next": "1d"}}, {"b": {"in_next": "1d"}}]}, 1.5 * DAY),
        ({"all": [{"a": {"in_next": "1d"}}, {"plan": "pro"}]}, None),
        ({"not": {"a": {"in_next": "1d"}}}, DAY),
        ({"list": {"any_item": {"at": {"in_next": "1d"}}}}, 3 * DAY),
        ({"list": {"no_item": {"at": {"in_next": "1d"}}}}, 3 * DAY),
        ({"list": {"any_item": {"at": {"before": "$.timestamp"}}}}, 4 * DAY + TICK),
    ],
)
def test_the_condition_is_asked_anew_at_each_candidate(
    raw: JsonValue, expected: timedelta | None
) -> None:
    """What the rest of it decides does not change by time alone."""
    person: JsonValue = {
        "a": "2026-03-07T12:00:00Z",
        "b": "2026-03-08T00:00:00Z",
        "plan": "free",
        "list": [{"at": "2026-03-09T12:00:00Z"}, {"at": "2026-03-11T00:00:00Z"}, "other"],
    }
    assert change_of(raw, person) == expected


@pytest.mark.parametrize(
    ("logic", "expected"),
    [
        ({">": [{"var": "timestamp"}, "2026-03-06T12:00:00Z"]}, DAY + timedelta(seconds=1)),
        ({">=": [{"var": "timestamp"}, "2026-03-06T12:00:00Z"]}, DAY + timedelta(seconds=1)),
        ({">=": [{"var": "timestamp"}, "2026-03-06"]}, 0.5 * DAY),
        ({"<": [{"var": "timestamp"}, {"var": "person.until"}]}, 0.5 * DAY),
        ({">": [{"var": "timestamp"}, 20]}, None),
        ({">": [{"var": "timestamp"}, "2020"]}, None),
    ],
)
def test_the_bare_timestamp_beside_another_value(
    logic: JsonValue, expected: timedelta | None
) -> None:
    """JSONLogic compares texts: a time within a second is written with a point, which comes before a Z."""
    found = change_of(who_of({"logic": logic}), {"until": "2026-03-06"})
    if expected == DAY + timedelta(seconds=1):
        assert found in {DAY, expected}
    else:
        assert found == expected


def who_of(raw: JsonValue) -> Condition:
    """A `who` that may have a warning."""
    return parse_condition(raw, root="person", history_allowed=True)[0]


def test_after_many_instants_without_a_change_the_last_is_a_lower_bound() -> None:
    """So the work of one answer is bounded, and a timer asks again then."""
    condition = who({"born": {"anniversary": "0d"}, "plan": "pro"})
    found = change_of(condition, {"born": "1990-03-07", "plan": "free"})
    assert found is not None
    assert found > (MOST_TRIES // 2 - 2) * 365 * DAY


def test_a_condition_that_coverage_notes_turns_when_it_does_without() -> None:
    """Tests run with coverage, and must see what the engine does."""
    condition = who({"at": {"in_next": "7d"}})
    person: JsonValue = {"at": "2026-03-20T12:00:00Z"}
    assert change_of(noted(condition, "who", (), []), person) == change_of(condition, person)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"at": {"in_next": "7d"}}, True),
        ({"performed": {"event": "Visit", "within": "7d"}}, True),
        ({"logic": {">": [{"var": "timestamp"}, "2026"]}}, True),
        ({"logic": {"if": [{">": [{"var": "timestamp"}, "2026"]}, {"var": "person.a"}, True]}}, True),
        ({"logic": {"missing": ["timestamp"]}}, True),
        ({"logic": {"some": [{"var": "person.list"}, {"==": [{"var": "timestamp"}, "x"]}]}}, True),
        ({"list": {"any_item": {"timestamp": "2026"}}}, True),
        ({"logic": {"==": [HOUR_OF_DAY, "09"]}}, False),
        ({"not": {"any": [{"plan": "pro"}, {"logic": {"in": ["T09", {"var": "timestamp"}]}}]}}, False),
        ({"logic": {">": [{"var": "timestamp"}, HOUR_OF_DAY]}}, False),
        ({"logic": {"!!": [{"var": {"cat": ["time", "stamp"]}}]}}, False),
        ({"logic": {"!!": [{"var": ""}]}}, False),
        ({"list": {"any_item": {"at": {"gt": "$.timestamp"}}}}, False),
        ({"list": {"any_item": {"at": "$.timestamp"}}}, False),
    ],
)  # fmt: skip
def test_a_condition_has_computable_moments_unless_it_computes_with_the_time(
    raw: JsonValue, *, expected: bool
) -> None:
    """The paths inside of an item are the item's own."""
    assert is_computable(who_of(raw).logic) is expected


def test_what_does_not_count_on_time_never_changes_by_it() -> None:
    """And is found so before anything is computed."""
    for raw in (
        {"plan": "pro"},
        {"performed": {"event": "Visit"}},
        {"at": {"before": "2026-01-01"}},
    ):
        assert not counts_on_time(who(raw).logic)  # type: ignore[arg-type]
        assert change_of(raw, past=past_of(VISITS)) is None  # type: ignore[arg-type]


_RECENT = "performed: {event: purchase, within: 60d}"


@pytest.mark.parametrize(
    ("raw", "enters", "leaves"),
    [
        (f"{{{_RECENT}}}", False, True),
        (f"{{not: {{{_RECENT}}}}}", True, False),
        (f"{{not: {{not: {{{_RECENT}}}}}}}", False, True),
        ("{performed: {event: purchase, never: true, within: 60d}}", True, False),
        ("{not: {performed: {event: purchase, never: true, within: 60d}}}", False, True),
        ("{performed: {event: purchase, at_most: 2, within: 60d}}", True, False),
        ("{performed: {event: purchase, exactly: 2, within: 60d}}", True, True),
        ("{performed: {event: purchase, at_least: 2}}", False, False),
        (f"{{any: [{{plan: pro}}, {{not: {{{_RECENT}}}}}]}}", True, False),
        ("{renews_at: {within: 7d}}", True, True),
        ("{not: {renews_at: {within: 7d}}}", True, True),
        ("{born: {before: '2000-01-31'}}", False, False),
        ('{logic: {">": [{var: timestamp}, "2026-01-31"]}}', True, False),
        ('{logic: {"!": {">": [{var: timestamp}, "2026-01-31"]}}}', False, True),
        ('{logic: {"<": ["2026-01-31", {var: timestamp}]}}', True, False),
        ('{logic: {if: [{">": [{var: timestamp}, "2026-01-31"]}, {var: person.a}, true]}}', True, True),
    ],
)  # fmt: skip
def test_polarity_says_what_comes_true_by_time_alone(
    raw: str, *, enters: bool, leaves: bool
) -> None:
    """A person without a purchase for 60 days joins by time; one with a purchase only leaves by it."""
    condition = who_of(yaml.safe_load(raw))
    assert turns_by_time(condition.logic, to=True) is enters
    assert turns_by_time(condition.logic, to=False) is leaves
