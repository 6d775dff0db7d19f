"""``performed`` and ``segment``: conditions on a person's past and on named groups."""

from datetime import timedelta

import pytest
from tests.unit.conditions.messages import Past, diagnostics_of, message, who

from whereupon.conditions import NO_HISTORY, JsonValue


@pytest.mark.parametrize(
    ("asks", "enough", "not_enough"),
    [
        ({}, [1, 7], [0]),
        ({"at_least": 3}, [3, 4], [0, 2]),
        ({"at_most": 2}, [0, 2], [3]),
        ({"exactly": 2}, [2], [1, 3]),
        ({"never": True}, [0], [1]),
        ({"at_least": 1, "at_most": 2}, [1, 2], [0, 3]),
    ],
)
def test_performed_compares_a_count(
    asks: dict[str, JsonValue], enough: list[int], not_enough: list[int]
) -> None:
    """The history counts and the condition compares; without a number, one event is enough."""
    condition = who({"performed": {"event": "visit", **asks}})
    assert all(condition.holds(message(), Past({"visit": count})) for count in enough)
    assert not any(condition.holds(message(), Past({"visit": count})) for count in not_enough)


def test_a_question_carries_its_own_condition_and_window() -> None:
    """The history is asked with a value: event, where, within, and the counts that satisfy."""
    raw: JsonValue = {"event": "purchase", "where": {"price": {"gte": 10}}, "within": "30d"}
    condition = who({"performed": raw})
    past = Past({"purchase": 1})
    assert condition.holds(message(), past)
    (asked,) = past.asked
    assert (asked.event, asked.within) == ("purchase", timedelta(days=30))
    assert (asked.least, asked.most) == (1, None)
    assert asked.where is not None
    assert asked.where.holds(message({"price": 10}), NO_HISTORY)
    assert not asked.where.holds(message({"price": 9}), NO_HISTORY)


def test_every_question_of_a_condition_is_listed_once() -> None:
    """The store loads the history that the rules ask about, nested questions and segments too."""
    buys: JsonValue = {"performed": {"event": "purchase"}}
    condition = who(
        {"any": [buys, {"not": {"performed": {"event": "refund"}}}], "segment": "buyers"},
        {"buyers": buys},
    )
    assert [asked.event for asked in condition.performed] == ["purchase", "refund"]
    assert condition.holds(message(), Past({"purchase": 1}))
    assert not condition.holds(message(), Past({"refund": 1}))


def test_a_segment_holds_where_its_own_condition_does() -> None:
    """A list of segments needs each of them; a segment may refer to another."""
    segments: dict[str, JsonValue] = {
        "pro": {"plan": ["pro", "team"]},
        "big-pro": {"segment": "pro", "seats": {"gt": 10}},
        "adult": {"age": {"gte": 18}},
    }
    condition = who({"segment": ["big-pro", "adult"]}, segments)
    assert condition.segments == {"pro", "big-pro", "adult"}
    assert condition.holds(message(None, {"plan": "pro", "seats": 11, "age": 18}), NO_HISTORY)
    assert not condition.holds(message(None, {"plan": "pro", "seats": 11, "age": 17}), NO_HISTORY)
    assert not condition.holds(message(None, {"plan": "free", "seats": 11, "age": 18}), NO_HISTORY)


def test_a_segment_of_everybody_holds_for_everybody() -> None:
    """A segment without a condition is no error."""
    assert who({"segment": "all-of-them"}, {"all-of-them": None}).holds(message(), NO_HISTORY)


def test_segments_that_multiply_are_refused_before_they_fill_the_memory() -> None:
    """Each names the one below twice; written out, thirty of them would be a billion conditions."""
    segments: dict[str, JsonValue] = {"s0": {"a": 1}}
    for level in range(1, 30):
        below: JsonValue = {"segment": f"s{level - 1}"}
        segments[f"s{level}"] = {"all": [below, below]}
    found = diagnostics_of(
        {"segment": "s29"}, root="person", segments=segments, history_allowed=True
    )
    assert {diagnostic.code for diagnostic in found} <= {"too-large", "too-deep", "broken-segment"}
    assert found
