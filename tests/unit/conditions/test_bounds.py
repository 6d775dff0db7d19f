"""Limits on evaluating logic: no logic and no data keep a machine busy or fill its memory."""

import tracemalloc

import pytest
from fixtures.jsonlogic.ours import compiled
from tests.unit.conditions.messages import message, where

from whereupon.conditions import NO_HISTORY, JsonValue

ITEMS: JsonValue = {"var": "properties.items"}
TEXT: JsonValue = {"var": "properties.text"}
ACC: JsonValue = {"var": "accumulator"}
PROPERTIES: JsonValue = {
    "items": list(range(10_000)),
    "text": "x" * 30_000,
    "nested": [[n] * 100 for n in range(100)],
    "path": "a." * 15_000,
}


def nested_loops(depth: int) -> JsonValue:
    """Make a loop over a list of the rule's own, within another loop, and so on."""
    inner: JsonValue = 1
    for _ in range(depth):
        inner = {"map": [list(range(1_000)), inner]}
    return inner


SPENDING: list[JsonValue] = [
    nested_loops(6),
    {"filter": [list(range(2_000)), {"some": [list(range(2_000)), {"==": [{"var": ""}, -1]}]}]},
    {"reduce": [ITEMS, {"merge": [ACC, ACC]}, [1]]},
    {"reduce": [ITEMS, {"cat": [ACC, ACC]}, "x"]},
    {"reduce": [ITEMS, {"cat": [[ACC, ACC]]}, [1]]},
    {"==": [{"reduce": [ITEMS, [ACC, ACC], [1]]}, "x"]},
    {"reduce": [ITEMS, {"merge": [ACC, {"==": [{"var": "accumulator.0"}, "x"]}, [[ACC, ACC]]]}, [1]]},
    {"map": [ITEMS, {"substr": [{"cat": ["x" * 10_000]}, 1]}]},
    {"map": [ITEMS, {"in": ["y", "x" * 10_000]}]},
    {"map": [ITEMS, {"+": [list(range(1_000))]}]},
    {"cat": [TEXT] * 2_000},
    {"merge": [ITEMS] * 1_000},
    {"cat": [{"cat": [TEXT] * 60}] * 60},
    {"reduce": [ITEMS, {"cat": [ACC, "\\."]}, "x"]},
]  # fmt: skip


@pytest.mark.parametrize("logic", SPENDING)
def test_logic_that_would_take_too_much_has_no_value(logic: JsonValue) -> None:
    """Work is counted, and ends where the count ends: at the same place on every machine."""
    apply = compiled(logic)
    assert apply({"properties": PROPERTIES}) is None


@pytest.mark.parametrize("logic", [SPENDING[2], SPENDING[3], {"cat": [TEXT] * 2_000}])
def test_what_is_made_on_the_way_is_bounded_too(logic: JsonValue) -> None:
    """A value that is thrown away takes memory, too."""
    apply = compiled(logic)
    tracemalloc.start()
    try:
        apply({"properties": PROPERTIES})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 30_000_000


@pytest.mark.parametrize("logic", SPENDING[2::3])
def test_a_condition_that_would_take_too_much_does_not_hold(logic: JsonValue) -> None:
    """Its negation does not hold either: nobody can make it true by sending more."""
    both: list[JsonValue] = [{"!!": [logic]}, {"!": [logic]}]
    for asked in both:
        condition = where({"logic": asked})
        data = message(PROPERTIES)
        assert not condition.holds(data, NO_HISTORY)
        failure = condition.failing(data, NO_HISTORY)
        assert failure is not None


def test_what_an_honest_rule_asks_of_a_long_list_is_answered() -> None:
    """Ten thousand items are searched, each with a condition of its own."""
    logic: JsonValue = {
        "some": [ITEMS, {"and": [{">": [{"var": ""}, 9_990]}, {"<": [{"var": ""}, 9_992]}]}]
    }
    total: JsonValue = {"reduce": [ITEMS, {"+": [{"var": "current"}, ACC]}, 0]}
    assert compiled(logic)({"properties": PROPERTIES}) is True
    assert compiled(total)({"properties": PROPERTIES}) == sum(range(10_000))
