"""Properties of conditions that hold for all data."""

import math

from fixtures.jsonlogic.cases import Cases
from fixtures.jsonlogic.ours import compiled
from hypothesis import given
from hypothesis import strategies as st

from whereupon.conditions import NO_HISTORY, JsonValue, parse_condition
from whereupon.conditions.compiler import evaluator_of
from whereupon.conditions.condition import in_turn
from whereupon.conditions.item_tests import ITEM_TESTS
from whereupon.conditions.jsonlogic.coercion import is_truthy
from whereupon.conditions.operators import OPERATORS
from whereupon.conditions.operators.dates import instant_of

scalars: st.SearchStrategy[JsonValue] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.from_regex(r"[ +-]?(0x)?[0-9]{0,4}[.e]?[0-9]{0,3}", fullmatch=True),
    st.datetimes().map(lambda instant: instant.isoformat()),
)
values: st.SearchStrategy[JsonValue] = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from("abclx"), inner, max_size=4)
    ),
    max_leaves=12,
)


def is_json(value: JsonValue) -> bool:
    """Whether JSON can hold it: rules may not contain NaN and the infinities."""
    return not isinstance(value, float) or math.isfinite(value)


numbers = st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False))
EXPECTED: dict[str, JsonValue] = {
    **{name: row.example for name, row in OPERATORS.items()},
    **dict.fromkeys(("eq", "ne", "gt", "gte", "lt", "lte", "contains"), "1"),
    **dict.fromkeys(("starts_with", "ends_with", "matches"), "x1"),
    **dict.fromkeys(("before", "after"), "2024-06-30"),
    "in": ["1", 2, True],
    "not_in": ["1", 2, True],
    "exists": True,
    "within": "3d",
}
EVERY_OPERATOR: JsonValue = {
    "all": [{"not": {"a": {operator: expected}}} for operator, expected in EXPECTED.items()]
}


@given(seed=st.integers(0, 10**9), data=values)
def test_no_data_makes_logic_raise(seed: int, data: JsonValue) -> None:
    """Logic has a value for any data."""
    rule, usual = Cases(seed).case()
    apply = compiled(rule)
    apply(data)
    apply(usual)


@given(
    data=st.dictionaries(
        st.sampled_from(("properties", "person", "timestamp")),
        st.one_of(values, st.fixed_dictionaries({"a": values})),
    )
)
def test_no_data_makes_a_condition_raise(data: dict[str, JsonValue]) -> None:
    """Neither its value nor its explanation, for any operator."""
    condition, diagnostics = parse_condition(EVERY_OPERATOR, root="properties")
    assert diagnostics == ()
    failure = condition.failing(data, NO_HISTORY)
    assert condition.holds(data, NO_HISTORY) is (failure is None)


@given(raw=values)
def test_no_rule_file_makes_parsing_raise(raw: JsonValue) -> None:
    """Any value of ``where`` is a condition or has a list of diagnostics."""
    parse_condition(raw, root="properties")
    parse_condition({"logic": raw, "performed": raw, "segment": raw, "any": raw}, root="person")
    parse_condition({"performed": raw, "segment": raw}, root="person", history_allowed=True)


@given(value=numbers, bound=numbers)
def test_numbers_compare_as_in_python(value: float, bound: float) -> None:
    """The short form is the comparison that its name says."""
    stated = {
        "eq": value == bound,
        "ne": value != bound,
        "gt": value > bound,
        "gte": value >= bound,
        "lt": value < bound,
        "lte": value <= bound,
    }
    for operator, expected in stated.items():
        condition, _ = parse_condition({"it": {operator: bound}}, root="properties")
        assert condition.holds({"properties": {"it": value}}, NO_HISTORY) is expected


@given(value=st.text(), options=st.lists(st.text(), min_size=1))
def test_texts_compare_as_in_python(value: str, options: list[str]) -> None:
    """Equality and membership of texts need no conversion."""
    properties: JsonValue = {"it": value}
    stated: list[tuple[JsonValue, bool]] = [
        (options[0], value == options[0]),
        ({"ne": options[0]}, value != options[0]),
        ([*options], value in options),
        ({"not_in": [*options]}, value not in options),
        ({"contains": options[0]}, options[0] in value),
    ]
    for expected, holds in stated:
        condition, diagnostics = parse_condition({"it": expected}, root="properties")
        if not diagnostics:  # a text that looks like a path or a template is refused
            assert condition.holds({"properties": properties}, NO_HISTORY) is holds


@given(value=scalars, option=scalars.filter(lambda option: option is not None and is_json(option)))
def test_in_is_the_same_equality_as_eq(value: JsonValue, option: JsonValue) -> None:
    """A list with one item equals that item, and ``not_in`` is the opposite for existing values."""
    data: dict[str, JsonValue] = {"properties": {"it": value}}
    answers = [
        parse_condition({"it": {operator: expected}}, root="properties")[0].holds(data, NO_HISTORY)
        for operator, expected in (("eq", option), ("in", [option]), ("not_in", [option]))
    ]
    assert answers[0] is answers[1]
    assert value is None or answers[2] is not answers[1]


@given(value=values)
def test_any_value_is_an_instant_or_none(value: JsonValue) -> None:
    """Also numbers beyond every calendar."""
    instant = instant_of(value)
    assert instant is None or instant.tzinfo is not None


@given(
    value=scalars,
    operand=scalars.filter(is_json),
    operator=st.sampled_from(("==", "!=", "<", "<=", ">", ">=")),
)
def test_a_comparison_with_a_fixed_value_answers_as_the_general_rule(
    value: JsonValue, operand: JsonValue, operator: str
) -> None:
    """A comparison with a fixed value is faster than with a computed one, and gives the same."""
    quick = compiled({operator: [{"var": "a.b"}, operand]})
    general = compiled({operator: [{"var": "a.b"}, {"var": "operand"}]})
    data: JsonValue = {"a": {"b": value}, "operand": operand}
    assert quick(data) is general(data)


HOSTILE: st.SearchStrategy[JsonValue] = st.one_of(
    values,
    st.sampled_from(("socks", "20", "20.0", " 20 ", "0x14", "1e400", "NaN", "Infinity", "", "é")),
    st.sampled_from((20, 20.0, -0.0, 2**53, 2**53 + 1, 10**400, True, False, ["socks"], [20])),
)
FIXED: st.SearchStrategy[JsonValue] = st.one_of(
    st.sampled_from(("socks", "20", "", "é", 20, 20.5, 0, 1, 2**53 + 1, True, False)),
    st.text(max_size=3),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)
BOUNDS: st.SearchStrategy[JsonValue] = st.sampled_from((0, 20, 20.5, -1, 2**60, "20", "1.20.3"))
EXPECTATIONS: st.SearchStrategy[JsonValue] = st.one_of(
    FIXED,
    st.lists(FIXED, min_size=1, max_size=3),
    st.builds(lambda op, v: {op: v}, st.sampled_from(("eq", "ne", "contains")), FIXED),
    st.builds(lambda op, v: {op: v}, st.sampled_from(("gt", "gte", "lt", "lte")), BOUNDS),
    st.sampled_from([{name: row.example} for name, row in OPERATORS.items()]),
    st.builds(lambda v: {"exists": v}, st.booleans()),
    st.sampled_from(({"starts_with": "so"}, {"ends_with": "0"}, {"matches": "^s"})),
    st.builds(lambda v: {"not_in": v}, st.lists(FIXED, min_size=1, max_size=3)),
)
FIELDS: st.SearchStrategy[JsonValue] = st.dictionaries(
    st.sampled_from(("a", "b", "a.b", "a.b.c", "a.0", "a.length", r"a\.b", r"a.b\.c")),
    EXPECTATIONS,
    min_size=1,
)
OUTSIDE: st.SearchStrategy[JsonValue] = st.sampled_from(
    ("$.person.a", "$.properties.b", "$.properties.a.0", {"lte": "$.person.a"})
)
ITEMS: st.SearchStrategy[JsonValue] = st.builds(
    lambda name, test, item: {name: {test: item}},
    st.sampled_from(("a", "b", "a.b")),
    st.sampled_from(tuple(ITEM_TESTS)),
    st.one_of(EXPECTATIONS, FIELDS, st.builds(lambda each: {"b": each}, OUTSIDE), OUTSIDE),
)
SHORT_FORMS: st.SearchStrategy[JsonValue] = st.recursive(
    st.one_of(FIELDS, FIELDS, ITEMS),
    lambda inner: st.one_of(
        st.builds(
            lambda test, each: {"a": {test: each}}, st.sampled_from(tuple(ITEM_TESTS)), inner
        ),
        st.builds(lambda each: {"not": each}, inner),
        st.builds(lambda each: {"any": each}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda each, one: {"all": each, "a": one}, st.lists(inner, min_size=1), FIXED),
    ),
    max_leaves=5,
)
RAW: st.SearchStrategy[JsonValue] = st.builds(
    lambda op, left, right: {"logic": {op: [left, right]}},
    st.sampled_from(("==", "!=", "===", "!==", ">", ">=", "<", "<=", "in", "and", "or")),
    st.sampled_from(({"var": "properties.a"}, {"var": "person"}, {"var": "event"}, 20, "so")),
    st.one_of(
        st.sampled_from(({"var": "properties.b"}, {"var": "properties"}, {"var": "person.a.b"})),
        st.lists(FIXED, max_size=3),
        FIXED,
        st.none(),
    ),
)


def by_closures(logic: JsonValue, data: dict[str, JsonValue]) -> bool:
    """Whether logic holds, evaluated without generated source."""
    return is_truthy(evaluator_of(logic, questions={})(data, NO_HISTORY))


@given(
    raw=st.one_of(SHORT_FORMS, RAW),
    data=st.fixed_dictionaries(
        {},
        optional={
            "properties": st.one_of(
                HOSTILE,
                st.fixed_dictionaries({}, optional={"a": HOSTILE, "b": HOSTILE, "a.b": HOSTILE}),
            ),
            "person": st.one_of(HOSTILE, st.fixed_dictionaries({"a": HOSTILE})),
            "event": st.just("socks"),
        },
    ),
)
def test_generated_source_and_closures_agree(raw: JsonValue, data: dict[str, JsonValue]) -> None:
    """All ways of compiling agree on the value, and on the conjunct that fails."""
    condition, _ = parse_condition(raw, root="properties")
    holds = condition.holds(data, NO_HISTORY)
    assert holds is all(by_closures(each.logic, data) for each in condition.conjuncts)
    assert holds is in_turn(condition.conjuncts)(data, NO_HISTORY)
    assert holds is (condition.failing(data, NO_HISTORY) is None)
