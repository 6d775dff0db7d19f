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
    """A text that reads as a number counts as it, so that "23.45" is greater than 20."""
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
    """Values that cannot be compared are not equal, not greater and not smaller; nothing is raised."""
    assert not holds({"it": expected}, {"it": value})


ZEROS: list[JsonValue] = [0, 0.0, -0.0, "0", "0.0", " 0 ", "-0", "+0", ".0", "0.", "0e5", "00"]
ONES: list[JsonValue] = [1, 1.0, "1", "1.0", " 1\n"]
TRUES: list[JsonValue] = [True, "true", "TRUE", "True", " true "]
FALSES: list[JsonValue] = [False, "false", "FALSE", "False"]
NOTHINGS: list[JsonValue] = [
    "",
    " ",
    "abc",
    "yes",
    "on",
    "0x0",
    "1_0",
    "1,0",
    "Infinity",
    "NaN",
    "null",
]
NOTHINGS += [[], [0], [1], [True], ["0"], ["x"], {}, {"a": 0}, None]
KINDS: dict[str, list[JsonValue]] = {
    "zero": ZEROS,
    "one": ONES,
    "true": TRUES,
    "false": FALSES,
    "nothing": NOTHINGS,
}


@pytest.mark.parametrize(
    ("asked", "met_by"),
    [(0, "zero"), (1, "one"), (True, "true"), (False, "false"), ("x", "none"), ("[]", "none")],
)
def test_what_is_asked_for_is_met_by_its_own_kind_alone(asked: JsonValue, met_by: str) -> None:
    """A number by what reads as that number, true and false by their words: not by "", [], 1 or null.

    The same in a list, in an item of a list, and denied.
    """
    for kind, values in KINDS.items():
        for value in values:
            is_met = kind == met_by
            assert holds({"it": asked}, {"it": value}) is is_met, value
            assert holds({"it": [asked, "other"]}, {"it": value}) is is_met, value
            assert holds({"it": {"contains": asked}}, {"it": [value]}) is is_met, value
            denied = value is not None and not is_met
            assert holds({"it": {"ne": asked}}, {"it": value}) is denied, value
            assert holds({"it": {"not_in": ["other", asked]}}, {"it": value}) is denied, value


@pytest.mark.parametrize("operator", ["gt", "gte", "lt", "lte"])
@pytest.mark.parametrize("bound", [-5, 5, "5", " -5.0"])
def test_a_bound_is_met_by_numbers_and_by_texts_that_read_as_one(
    operator: str, bound: JsonValue
) -> None:
    """No other value is greater or less than a number, whatever JavaScript would convert it to."""
    values: list[JsonValue] = [*TRUES, *FALSES, *NOTHINGS]
    for value in values:
        assert not holds({"it": {operator: bound}}, {"it": value}), value
    is_above = operator.startswith("g")
    assert holds({"it": {operator: bound}}, {"it": "7.5"}) is is_above
    assert holds({"it": {operator: bound}}, {"it": -7.5}) is not is_above


@pytest.mark.parametrize(
    ("asked", "value", "is_met"),
    [
        ("1001", 1001, True),
        ("1001", 1001.0, True),
        ("1001", "1001.0", False),
        ("007", 7, True),
        ("true", True, True),
        ("True", True, True),
        ("1", True, False),
        ("", 0, False),
        ("", False, False),
        ("", [], False),
        ("", "", True),
        ("red", ["red"], False),
        ("1,2", [1, 2], False),
        (9007199254740993, "9007199254740993", True),
        (9007199254740993, "9007199254740992", False),
    ],
)
def test_a_text_is_met_by_itself_and_by_what_it_reads_as(
    asked: JsonValue, value: JsonValue, *, is_met: bool
) -> None:
    """An id in quotes matches the same id without quotes; a list never counts as its one item."""
    assert holds({"it": asked}, {"it": value}) is is_met
    assert holds({"it": [asked]}, {"it": value}) is is_met


def test_two_texts_that_are_no_numbers_are_ordered_as_texts() -> None:
    """A version such as 1.20.3 is only compared with other texts."""
    assert holds({"it": {"gte": "1.20.3"}}, {"it": "1.20.4"})
    assert not holds({"it": {"gte": "1.20.3"}}, {"it": 5})
    assert not holds({"it": {"lt": "1.20.3"}}, {"it": True})


def test_raw_logic_keeps_the_standards_conversions() -> None:
    """There "" is 0, and 1 is true."""
    loose: JsonValue = {"logic": {"==": [{"var": "properties.it"}, 0]}}
    zeros: list[JsonValue] = ["", False, [], "0"]
    for value in zeros:
        assert where(loose).holds(message({"it": value}), NO_HISTORY)


@pytest.mark.parametrize(
    ("path", "properties"),
    [
        (r"utm\.source", {"utm.source": "ads"}),
        (r"a\.b.c\.d", {"a.b": {"c.d": "ads"}}),
        (r"a.b\.c", {"a": {"b.c": "ads"}}),
        (r"back\slash", {"back\\slash": "ads"}),
        (r"odd\\.x", {"odd\\": {"x": "ads"}}),
    ],
)
def test_a_backslash_makes_a_dot_part_of_a_name(path: str, properties: JsonValue) -> None:
    """In the short form and in raw logic, also if the path is computed."""
    full = f"properties.{path}"
    computed: JsonValue = {"==": [{"var": {"cat": [full]}}, "ads"]}
    conditions: list[JsonValue] = [
        {path: "ads"},
        {path: ["ads"]},
        {path: {"starts_with": "a"}},
        {"logic": {"==": [{"var": full}, "ads"]}},
        {"logic": {"!": {"missing": [full]}}},
        {"logic": computed},
    ]
    for raw in conditions:
        assert holds(raw, properties), raw
        assert not holds(raw, {"utm": {"source": "ads"}}), raw
    assert where({path: {"gt": 5}}).failing(message(properties), NO_HISTORY) is not None
    failure = where({path: "other"}).failing(message(properties), NO_HISTORY)
    assert failure is not None
    assert failure.values == {full: "ads"}


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
    """The keys of one mapping are joined by "and"."""
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
    """Raw logic stands beside the short form, and can read every root."""
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
    """There is one evaluator; the short form's own comparisons are operators beside the standard's."""
    assert where({"price": {"gt": 20}}).logic == {"@gt": [{"var": "properties.price"}, 20]}


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
    """If the path is computed, or the whole message is taken, every root is read."""
    assert where({"logic": logic}).variables == variables
