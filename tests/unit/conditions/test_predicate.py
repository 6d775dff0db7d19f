"""What a condition demands of one attribute, as the rule index reads it."""

import math

import pytest

from whereupon.conditions import JsonValue, parse_condition
from whereupon.conditions.predicate import Interval, Predicate, PredicateKind, Semantics


def predicates_of(raw: JsonValue) -> list[Predicate | None]:
    """The predicate of each conjunct of a condition over a message."""
    condition, _ = parse_condition(raw, root="properties")
    return [conjunct.predicate for conjunct in condition.conjuncts]


@pytest.mark.parametrize(
    ("symbol", "interval"),
    [
        (">", Interval(5.0, math.inf, open_below=True)),
        (">=", Interval(5.0, math.inf)),
        ("<", Interval(-math.inf, 5.0, open_above=True)),
        ("<=", Interval(-math.inf, 5.0)),
    ],
)
def test_a_bound_is_an_interval(symbol: str, interval: Interval) -> None:
    """A strict comparison leaves out the bound itself."""
    assert Interval.beside(symbol, 5) == interval


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (Interval(1, 5), Interval(3, 9), Interval(3, 5)),
        (Interval(1, 5), Interval(1, 5, open_below=True), Interval(1, 5, open_below=True)),
        (Interval(1, 5), Interval(1, 5, open_above=True), Interval(1, 5, open_above=True)),
        (Interval(1, 5, open_below=True), Interval(2, 4), Interval(2, 4)),
        (Interval(1, 5, open_above=True), Interval(2, 4), Interval(2, 4)),
    ],
)
def test_two_intervals_have_what_both_have(one: Interval, other: Interval, both: Interval) -> None:
    """The narrower bound counts; of equal bounds, the open one."""
    assert one.intersection(other) == both
    assert other.intersection(one) == both


@pytest.mark.parametrize(
    ("raw", "kind", "semantics", "holds_for_null"),
    [
        ({"a": 1}, PredicateKind.ONE_OF, Semantics.SHORT_FORM, False),
        ({"a": {"not_in": ["x"]}}, PredicateKind.NONE_OF, Semantics.SHORT_FORM, False),
        ({"a": {"lt": 5}}, PredicateKind.RANGE, Semantics.SHORT_FORM, False),
        ({"a": {"exists": False}}, PredicateKind.PRESENCE, Semantics.JAVASCRIPT, True),
        ({"logic": {"<": [{"var": "properties.a"}, 5]}}, PredicateKind.RANGE, Semantics.JAVASCRIPT, True),
        ({"logic": {"!=": [{"var": "properties.a"}, 5]}}, PredicateKind.NONE_OF, Semantics.JAVASCRIPT, True),
    ],
)  # fmt: skip
def test_a_test_of_one_attribute_is_a_predicate(
    raw: JsonValue, kind: PredicateKind, semantics: Semantics, holds_for_null: bool
) -> None:
    """Raw logic converts as JavaScript does, and may hold for null; the short form does neither."""
    (predicate,) = predicates_of(raw)
    assert predicate is not None
    assert (predicate.kind, predicate.semantics) == (kind, semantics)
    assert predicate.holds_for_null is holds_for_null


@pytest.mark.parametrize(
    "raw",
    [
        {"a": {"contains": "x"}},
        {"a": {"within": "3d"}},
        {"a": {"gt": "1.20.3"}},
        {"a": 10**300},
        {"a": {"between": [0, 10**300]}},
        {"a": {"between": [-(10**300), 0]}},
        {"a": {"between": ["1.20.3", "1.20.4"]}},
        {"any": [{"a": 1}, {"b": 2}]},
        {"logic": {"==": [{"var": "properties.a"}, {"var": "properties.b"}]}},
    ],
)
def test_anything_else_is_left_to_evaluation(raw: JsonValue) -> None:
    """Other attributes, computed texts, time, and numbers that no table compares exactly."""
    assert predicates_of(raw) == [None]


def test_a_predicate_has_the_values_that_it_compares_with() -> None:
    """The options of a membership, and the interval of a range."""
    options, above, between = predicates_of(
        {"a": ["x", 1], "b": {"gt": 5}, "c": {"between": [10, 20]}}
    )
    assert options is not None
    assert options.options == ("x", 1)
    assert above is not None
    assert above.interval == Interval(5.0, math.inf, open_below=True)
    assert between == Predicate(
        "properties.c",
        PredicateKind.RANGE,
        Semantics.SHORT_FORM,
        holds_for_null=False,
        interval=Interval(10.0, 20.0),
    )
