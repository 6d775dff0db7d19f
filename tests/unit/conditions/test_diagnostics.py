"""All diagnostics of a condition at once, each with its place and with what to write instead."""

import pytest
from tests.unit.conditions.messages import diagnostics_of

from whereupon.conditions import ALWAYS, JsonValue, parse_condition
from whereupon.errors import Severity

DEEP: JsonValue = {"a": 1}
for _ in range(150):
    DEEP = {"not": DEEP}


@pytest.mark.parametrize(
    ("raw", "path", "code", "sentence"),
    [
        ({"a": {"greater": 5}}, ("a", "greater"), "unknown-operator", "a.greater"),
        ({"a": {"conains": 5}}, ("a", "conains"), "unknown-operator", "'contains'"),
        ({"a": {">=": 5}}, ("a", ">="), "unknown-operator", "write gte"),
        ({"logic": {"gt": [1, 2]}}, ("logic", "gt"), "unknown-operator", "write '>'"),
        (
            {"logic": {"!": [{"fliter": 1}]}},
            ("logic", "!", 0, "fliter"),
            "unknown-operator",
            "'filter'",
        ),
        ({"logic": {"!": {"@within": 1}}}, ("logic", "!", "@within"), "unknown-operator", "there"),
        ({"a": {"within": "3 days"}}, ("a", "within"), "bad-duration", "7d"),
        ({"a": {"before": "soon"}}, ("a", "before"), "bad-instant", "2024-06-30"),
        ({"a": {"after": "2024"}}, ("a", "after"), "bad-instant", "2024-06-30"),
        ({"a": {"matches": "("}}, ("a", "matches"), "bad-regex", "missing )"),
        ({"a": {"matches": "(?=a)b"}}, ("a", "matches"), "bad-regex", "two conditions"),
        ({"a": {"matches": "a" * 1001}}, ("a", "matches"), "bad-regex", "longer"),
        ({"a": {"gt": None}}, ("a", "gt"), "bad-number", "such as 20"),
        ({"a": {"lt": [1]}}, ("a", "lt"), "bad-number", "such as 20"),
        ({"a": {"gte": True}}, ("a", "gte"), "bad-number", "such as 20"),
        ({"a": {"gte": "many"}}, ("a", "gte"), "bad-number", "such as 20"),
        ({"a": {"gte": 10**400}}, ("a", "gte"), "bad-number", "1e308"),
        ({"a": float("inf")}, ("a",), "bad-number", "1e308"),
        ({}, (), "empty-condition", "leave the key out"),
        ({"a": {}}, ("a",), "empty-condition", "say what a must be"),
        ({"a": []}, ("a",), "empty-condition", "nothing is in it"),
        ({"any": []}, ("any",), "empty-condition", "any has no conditions"),
        ({"not": {}}, ("not",), "empty-condition", "empty"),
        ({"logic": {}}, ("logic",), "empty-condition", "OPERATOR"),
        ({"a": None}, ("a",), "null-comparison", "{exists: false}"),
        ({"a": {"ne": None}}, ("a", "ne"), "null-comparison", "{exists: false}"),
        ({"a": ["x", None]}, ("a",), "null-comparison", "{exists: false}"),
        ("socks", (), "wrong-type", "mapping"),
        ({"a": {"eq": [1]}}, ("a", "eq"), "wrong-type", "{in: [...]}"),
        ({"a": {"eq": {"b": 1}}}, ("a", "eq"), "wrong-type", "not a mapping"),
        ({"a": {"in": 1}}, ("a", "in"), "wrong-type", "takes a list"),
        ({"a": {"exists": "yes"}}, ("a", "exists"), "wrong-type", "exists: true"),
        ({"a": {"starts_with": ""}}, ("a", "starts_with"), "wrong-type", "not empty"),
        ({"a": {"matches": 5}}, ("a", "matches"), "wrong-type", "regular expression"),
        ({"all": {"a": 1}}, ("all",), "wrong-type", "list of conditions"),
        ({"not": [1]}, ("not",), "wrong-type", "mapping"),
        ({"logic": [1]}, ("logic",), "wrong-type", "one operator"),
        ({"logic": {"a": 1, "b": 2}}, ("logic",), "wrong-type", "one operator"),
        ({"segment": "pro"}, ("segment",), "not-allowed-here", "who"),
        ({"any": [{"performed": {}}]}, ("any", 0, "performed"), "not-allowed-here", "who"),
        (DEEP, (), "too-deep", "nested"),
        ({"a": list(range(30_000))}, (), "too-large", "values"),
    ],
)
def test_an_error_says_where_it_is_and_what_to_write(
    raw: JsonValue, path: tuple[str | int, ...], code: str, sentence: str
) -> None:
    """The path leads the loader to the line; the condition is not used."""
    condition, diagnostics = parse_condition(raw, root="properties")
    assert condition == ALWAYS
    assert [(found.path, found.code, found.severity) for found in diagnostics] == [
        (path, code, Severity.ERROR)
    ]
    assert sentence in diagnostics[0].message


@pytest.mark.parametrize(
    ("raw", "path", "code"),
    [
        ({"performed": "purchase"}, ("performed",), "wrong-type"),
        ({"performed": {"at_least": 1}}, ("performed",), "wrong-type"),
        ({"performed": {"event": ["a"]}}, ("performed", "event"), "wrong-type"),
        ({"performed": {"event": "a", "time": 1}}, ("performed", "time"), "unknown-key"),
        ({"performed": {"event": "a", "within": 7}}, ("performed", "within"), "bad-duration"),
        ({"performed": {"event": "a", "exactly": -1}}, ("performed", "exactly"), "bad-number"),
        ({"performed": {"event": "a", "at_most": 1.5}}, ("performed", "at_most"), "bad-number"),
        ({"performed": {"event": "a", "at_least": True}}, ("performed", "at_least"), "bad-number"),
        ({"performed": {"event": "a", "never": False}}, ("performed", "never"), "wrong-type"),
        (
            {"performed": {"event": "a", "never": True, "exactly": 1}},
            ("performed", "never"),
            "conflicting-counts",
        ),
        (
            {"performed": {"event": "a", "at_least": 3, "at_most": 2}},
            ("performed", "at_most"),
            "conflicting-counts",
        ),
        (
            {"performed": {"event": "a", "where": {"b": {"gt": None}}}},
            ("performed", "where", "b", "gt"),
            "bad-number",
        ),
        (
            {"performed": {"event": "a", "where": {"segment": "pro"}}},
            ("performed", "where", "segment"),
            "not-allowed-here",
        ),
        ({"segment": "prro"}, ("segment",), "unknown-segment"),
        ({"segment": ["pro", "gone"]}, ("segment", 1), "unknown-segment"),
        ({"segment": [7]}, ("segment", 0), "wrong-type"),
        ({"segment": {}}, ("segment",), "wrong-type"),
        ({"segment": []}, ("segment",), "empty-condition"),
        ({"segment": "self"}, ("segment",), "segment-cycle"),
        ({"any": [{"segment": "ping"}]}, ("any", 0, "segment"), "segment-cycle"),
        ({"segment": "broken"}, ("segment",), "broken-segment"),
    ],
)
def test_an_error_in_who_is_located_too(
    raw: JsonValue, path: tuple[str | int, ...], code: str
) -> None:
    """Questions to the history and names of segments are checked when the rules are loaded."""
    segments: dict[str, JsonValue] = {
        "pro": {"plan": "pro"},
        "self": {"segment": "self"},
        "ping": {"segment": "pong"},
        "pong": {"not": {"segment": "ping"}},
        "broken": {"plan": {"gt": None}},
    }
    condition, diagnostics = parse_condition(
        raw, root="person", segments=segments, history_allowed=True
    )
    assert condition == ALWAYS
    assert [(found.path, found.code) for found in diagnostics] == [(path, code)]


def test_a_cycle_of_segments_names_the_way_round() -> None:
    """The author needs to know where to break the circle."""
    (found,) = diagnostics_of(
        {"segment": "ping"},
        root="person",
        segments={"ping": {"segment": "pong"}, "pong": {"segment": "ping"}},
        history_allowed=True,
    )
    assert "ping → pong → ping" in found.message


@pytest.mark.parametrize(
    "logic",
    [
        {"<": [{"var": "properties.price"}, 20]},
        {"<=": [{"var": "properties.price"}, 0]},
        {">": [{"var": "properties.price"}, -1]},
        {"<=": [0, {"var": "properties.price"}, 20]},
        {">": [20, {"var": "properties.price"}]},
    ],
)
def test_a_comparison_that_a_missing_value_satisfies_is_warned_about(logic: JsonValue) -> None:
    """Null < 20 is true in JSONLogic, which the author of a condition on a price does not mean."""
    condition, diagnostics = parse_condition({"logic": {"or": [logic, False]}}, root="properties")
    assert [(found.code, found.severity) for found in diagnostics] == [
        ("null-comparison-trap", Severity.WARNING)
    ]
    assert diagnostics[0].path[:3] == ("logic", "or", 0)
    assert condition != ALWAYS


@pytest.mark.parametrize(
    "logic",
    [
        {">": [{"var": "properties.price"}, 20]},
        {"<": [{"var": ["properties.price", 99]}, 20]},
        {"<": [{"var": "properties.price"}, {"var": "person.budget"}]},
        {"and": [{"!=": [{"var": "properties.a"}, None]}, {"<": [{"var": "properties.a"}, 5]}]},
        {"and": [{"var": "properties.a"}, {"<": [{"var": "properties.a"}, 5]}]},
        {"and": [{"!!": {"var": "properties.a"}}, {"<": [{"var": "properties.a"}, 5]}]},
        {"and": [{">": [{"var": "properties.a"}, 0]}, {"<": [{"var": "properties.a"}, 5]}]},
    ],
)
def test_a_comparison_that_rules_missing_values_out_is_not_warned_about(logic: JsonValue) -> None:
    """The warning asks for a default, or for a test of the value beside the comparison."""
    assert diagnostics_of({"logic": logic}) == ()


@pytest.mark.parametrize(
    ("raw", "path", "code"),
    [
        ({"properties.price": 5}, ("properties.price",), "repeated-root"),
        ({"logic": {"var": "price"}}, ("logic",), "unknown-root"),
        ({"logic": {"==": [{"var": "event"}]}}, ("logic", "=="), "wrong-arity"),
        ({"logic": {">": [3, 2, 1]}}, ("logic", ">"), "wrong-arity"),
    ],
)
def test_what_is_probably_not_meant_is_warned_about(
    raw: JsonValue, path: tuple[str | int, ...], code: str
) -> None:
    """The condition is still used: the reference would accept it."""
    found = diagnostics_of(raw)
    assert [(each.path, each.code, each.severity) for each in found] == [
        (path, code, Severity.WARNING)
    ]


def test_all_problems_are_found_at_once() -> None:
    """One run of the linter, and one round of corrections."""
    raw: JsonValue = {
        "a": {"gt": None, "mtches": "x"},
        "any": [{"b": {"within": "x"}}, {}],
        "logic": {"and": [{"eq": [1, 1]}, {"<": [{"var": "properties.c"}, 1]}]},
    }
    assert [(found.path, found.code) for found in diagnostics_of(raw)] == [
        (("a", "gt"), "bad-number"),
        (("a", "mtches"), "unknown-operator"),
        (("any", 0, "b", "within"), "bad-duration"),
        (("any", 1), "empty-condition"),
        (("logic", "and", 0, "eq"), "unknown-operator"),
        (("logic", "and", 1, "<"), "null-comparison-trap"),
    ]


def test_an_attribute_that_is_called_user_id_is_not_whom_the_engine_knows() -> None:
    """Any message may set such a trait, so a condition on it is warned about before it chooses or protects a person."""
    (found,) = diagnostics_of({"user_id": "ada"}, root="person")
    assert (found.path, found.code, found.severity) == (
        ("user_id",),
        "attribute-not-id",
        Severity.WARNING,
    )
    assert diagnostics_of({"user_id": "ada"}) == ()
