"""The short form: what each operator holds for, and what a missing value means."""

import pytest
from tests.unit.conditions.messages import holds, message, where

from whereupon.conditions import ALWAYS, NO_HISTORY, JsonValue, parse_condition
from whereupon.conditions.values import ROOTS


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        ("socks", "socks"),
        (20, 20.0),
        (20, "20"),
        (True, True),
        (["pro", "team"], "team"),
        ([1, "2"], 2),
        ({"eq": "socks"}, "socks"),
        ({"ne": "socks"}, "shoes"),
        ({"gt": 20}, "23.45"),
        ({"gt": 20}, 20.01),
        ({"gte": 20}, 20),
        ({"lt": 20}, -1),
        ({"lt": 20}, 0),
        ({"lte": "20"}, 20),
        ({"gte": "1.10"}, "1.2"),
        ({"gt": 10, "lt": 20}, 15),
        ({"in": ["socks", "shoes"]}, "shoes"),
        ({"in": [20]}, "20"),
        ({"not_in": ["socks", "shoes"]}, "hats"),
        ({"contains": "red"}, ["blue", "red"]),
        ({"contains": "red"}, "a red sock"),
        ({"contains": 1}, ["1"]),
        ({"starts_with": "AB"}, "AB-1"),
        ({"starts_with": 12}, 123),
        ({"ends_with": "-1"}, "AB-1"),
        ({"matches": "^[A-Z]+-[0-9]$"}, "AB-1"),
        ({"matches": "5"}, 23.45),
        ({"exists": True}, ""),
        ({"before": "2024-07-01"}, "2024-06-30T23:59:59Z"),
        ({"after": "2024-06-01"}, 1719748800),
        ({"within": "2d"}, "2024-06-29"),
        ({"within": "2d"}, "2024-07-02T11:00:00+00:00"),
        ({"within": "1h"}, 1719748800000),
    ],
)
def test_an_operator_holds_for_what_it_says(expected: JsonValue, value: JsonValue) -> None:
    """Values are compared as JSONLogic does, so that "23.45" is greater than 20."""
    assert holds({"it": expected}, {"it": value})


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        ("socks", "Socks"),
        (1, "one"),
        (["pro", "team"], "free"),
        ({"ne": 20}, "20"),
        ({"gt": 20}, "abc"),
        ({"gt": 20}, 20),
        ({"lt": 20}, "abc"),
        ({"gt": 10, "lt": 20}, 25),
        ({"not_in": [1]}, "1"),
        ({"contains": "red"}, ["reddish"]),
        ({"contains": 1}, 21),
        ({"starts_with": "AB"}, ["AB"]),
        ({"ends_with": "x"}, {"x": "x"}),
        ({"matches": "^b"}, "abc"),
        ({"exists": True}, None),
        ({"exists": False}, 0),
        ({"before": "2024-07-01"}, "2024-07-01T00:00:00Z"),
        ({"before": "2024-07-01"}, "yesterday"),
        ({"after": "2024-07-01"}, "2024-07-01"),
        ({"within": "1d"}, "2024-06-28"),
        ({"within": "1d"}, [1]),
    ],
)
def test_an_operator_does_not_hold_for_anything_else(expected: JsonValue, value: JsonValue) -> None:
    """What makes no sense to compare is not equal, not greater and not smaller; it never raises."""
    assert not holds({"it": expected}, {"it": value})


@pytest.mark.parametrize("properties", [{}, {"it": None}, None, [], "text", {"it": {}}])
@pytest.mark.parametrize(
    "expected",
    [
        *(0, "", False, "x", ["x"], {"ne": "x"}, {"ne": 0}, {"gt": -1}, {"gte": 0}, {"lt": 20}),
        *({"lte": 0}, {"lte": "0"}, {"not_in": ["x"]}, {"contains": "x"}, {"starts_with": "n"}),
        *({"ends_with": "l"}, {"matches": "."}, {"before": "2030-01-01"}, {"after": "1960-01-01"}),
        *({"within": "999999d"}, {"exists": True}),
    ],
)
def test_a_missing_value_satisfies_no_comparison(
    expected: JsonValue, properties: JsonValue
) -> None:
    """Null and missing are the same, and neither is less than 20, nor other than "x"."""
    assert not holds({"it.inner": expected}, properties)


@pytest.mark.parametrize("properties", [{}, {"it": None}])
def test_only_its_absence_can_be_asked_of_a_missing_value(properties: JsonValue) -> None:
    """``exists: false`` holds for a missing value and for null."""
    assert holds({"it": {"exists": False}}, properties)


def test_a_negation_holds_where_its_condition_does_not() -> None:
    """``not`` is plain negation: it holds for a missing value too."""
    assert holds({"not": {"price": {"gt": 20}}}, {})
    assert not holds({"not": {"price": {"gt": 20}}}, {"price": 21})


def test_all_keys_of_a_mapping_must_hold() -> None:
    """The keys of one mapping are and."""
    raw: JsonValue = {"a": 1, "b": {"gt": 1}, "c": [1, 2]}
    assert holds(raw, {"a": 1, "b": 2, "c": 2})
    assert not holds(raw, {"a": 1, "b": 2, "c": 3})


def test_any_and_all_nest() -> None:
    """``any`` needs one of its conditions, ``all`` each of them, at any depth."""
    raw: JsonValue = {"any": [{"a": 1, "b": 1}, {"all": [{"a": 2}, {"not": {"b": 1}}]}]}
    assert holds(raw, {"a": 1, "b": 1})
    assert holds(raw, {"a": 2, "b": 2})
    assert not holds(raw, {"a": 2, "b": 1})
    assert not holds(raw, {"a": 1, "b": 2})


def test_a_dotted_path_reaches_into_objects_and_lists() -> None:
    """A path is JSONLogic's: keys of objects and positions of lists."""
    raw: JsonValue = {"items.0.sku": "A1", "items.length": {"gte": 2}}
    assert holds(raw, {"items": [{"sku": "A1"}, {"sku": "B2"}]})
    assert not holds(raw, {"items": [{"sku": "A1"}]})


def test_logic_sees_the_whole_message() -> None:
    """Raw logic stands beside the short form, and reads every root."""
    condition = where(
        {
            "product": "socks",
            "logic": {">": [{"var": "properties.price"}, {"var": "person.budget"}]},
        }
    )
    rich: JsonValue = {"budget": 10}
    poor: JsonValue = {"budget": 50}
    properties: JsonValue = {"product": "socks", "price": 20}
    assert condition.holds(message(properties, rich), NO_HISTORY)
    assert not condition.holds(message(properties, poor), NO_HISTORY)


@pytest.mark.parametrize("result", [{}, "0", [0]])
def test_logic_holds_where_its_value_is_true_to_jsonlogic(result: JsonValue) -> None:
    """An empty object and the text "0" are true, whatever Python thinks of them."""
    assert where({"logic": {"var": "properties.it"}}).holds(message({"it": result}), NO_HISTORY)


@pytest.mark.parametrize("result", [[], "", 0, None, False, float("nan")])
def test_logic_does_not_hold_where_its_value_is_false_to_jsonlogic(result: JsonValue) -> None:
    """An empty list and NaN are false."""
    condition = where({"logic": {"var": "properties.it"}})
    assert not condition.holds(message({"it": result}), NO_HISTORY)


def test_a_condition_knows_what_it_reads() -> None:
    """The variables are absolute paths, those of raw logic and of the timestamp included."""
    condition = where(
        {
            "price": {"gt": 20},
            "ends": {"within": "2d"},
            "logic": {"some": [{"var": "context.ids"}, {"==": [{"var": "kind"}, "x"]}]},
        }
    )
    read = {"properties.price", "properties.ends", "timestamp", "context.ids"}
    assert condition.variables == read


def test_the_short_form_compiles_to_jsonlogic() -> None:
    """There is one evaluator; what the standard can say is said in the standard."""
    assert where({"price": {"gt": 20}}).logic == {">": [{"var": "properties.price"}, 20]}


def test_no_condition_always_holds() -> None:
    """A rule without ``where`` fires for every message of its event."""
    assert parse_condition(None, root="properties") == (ALWAYS, ())
    assert ALWAYS.holds(message(), NO_HISTORY)
    assert ALWAYS.failing(message(), NO_HISTORY) is None


def test_two_conditions_of_the_same_logic_are_equal() -> None:
    """So that a question to the history can be looked up; 1 and true are not the same logic."""
    assert where({"a": 1}) == where({"a": 1})
    assert hash(where({"a": 1})) == hash(where({"a": 1}))
    assert where({"a": 1}) != where({"a": True})


@pytest.mark.parametrize(
    ("logic", "variables"),
    [
        ({"missing": ["properties.a", "person.b"]}, {"properties.a", "person.b"}),
        ({"missing": [["properties.a"]]}, {"properties.a"}),
        ({"!": {"missing_some": [1, ["properties.a", "event"]]}}, {"properties.a", "event"}),
        ({"var": ["properties.a", {"var": "person.b"}]}, {"properties.a", "person.b"}),
        ({"in": [1, [{"var": "properties.a"}, 2]]}, {"properties.a"}),
        ({"reduce": [{"var": "properties.a"}, {"var": "current"}, 0]}, {"properties.a"}),
        ({"var": {"cat": ["properties.", {"var": "person.key"}]}}, {"person.key", *ROOTS}),
        ({"!!": {"var": ""}}, {*ROOTS}),
    ],
)
def test_the_variables_of_raw_logic_are_known(logic: JsonValue, variables: set[str]) -> None:
    """Where the path is computed, or the whole message is taken, every root is read."""
    assert where({"logic": logic}).variables == variables
