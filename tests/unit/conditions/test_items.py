"""Items of lists: ``any_item``, ``all_items`` and ``no_item``."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.conditions.messages import message

from whereupon.conditions import NO_HISTORY, Condition, JsonValue, parse_condition
from whereupon.conditions.analysis import guaranteed_by, turns_by_time
from whereupon.conditions.condition import in_turn
from whereupon.conditions.scope import MOST_WORK

PRODUCTS: JsonValue = [
    {"category": "socks", "price": 10},
    {"category": "shoes", "price": 30},
    {"category": "socks", "price": 25, "tags": ["wool", "new"]},
]


def condition(raw: JsonValue) -> Condition:
    """A condition over the properties, which has no diagnostic."""
    made, diagnostics = parse_condition(raw, root="properties")
    assert diagnostics == ()
    return made


def holds(raw: JsonValue, properties: JsonValue, person: JsonValue = None) -> bool:
    """Whether a condition holds, compiled and one conjunct after another."""
    made = condition(raw)
    data = message(properties, person)
    answer = made.holds(data, NO_HISTORY)
    assert in_turn(made.conjuncts)(data, NO_HISTORY) is answer
    assert (made.failing(data, NO_HISTORY) is None) is answer
    return answer


def test_one_element_of_a_list_satisfies_the_whole_condition() -> None:
    """Cheap socks beside expensive shoes are no expensive socks."""
    dear_socks: JsonValue = {"products": {"any_item": {"category": "socks", "price": {"gt": 20}}}}
    assert holds(dear_socks, {"products": PRODUCTS})
    assert not holds(dear_socks, {"products": PRODUCTS[:2]})  # type: ignore[index]  # a list


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("any_item", [False, True, True]),
        ("all_items", [True, False, True]),
        ("no_item", [True, False, False]),
    ],
)
def test_the_three_tests_of_lists_with_no_some_and_all_items(
    test: str, expected: list[bool]
) -> None:
    """Of an empty list each item satisfies anything, and none does."""
    lists: list[JsonValue] = [[], ["a", "b"], ["a", "a"]]
    assert [holds({"tags": {test: "a"}}, {"tags": each}) for each in lists] == expected


@pytest.mark.parametrize("test", ["any_item", "all_items", "no_item"])
@pytest.mark.parametrize("value", [None, "vip", 7, True, {"a": "vip"}])
def test_what_is_no_list_satisfies_nothing(test: str, value: JsonValue) -> None:
    """A missing value, a text and an object have no items, not even none."""
    raw: JsonValue = {"tags": {test: {"exists": True}}}
    assert not holds(raw, {"tags": value})
    assert not holds(raw, {})
    assert holds({"not": raw}, {})


@pytest.mark.parametrize(
    "short", ["vip", ["vip", "gold"], {"eq": "vip"}, {"in": ["vip"]}, {"starts_with": "v"}]
)
def test_items_that_are_no_objects_are_asked_by_a_value_a_list_or_operators(
    short: JsonValue,
) -> None:
    """`any_item: vip` is `any_item: {eq: vip}`."""
    assert holds({"tags": {"any_item": short}}, {"tags": ["new", "vip"]})
    assert not holds({"tags": {"any_item": short}}, {"tags": ["new", None, {"vip": 1}]})


def test_inside_dollar_reaches_outside() -> None:
    """As a name and as a value: the person, the properties, the context and the event."""
    raw: JsonValue = {
        "products": {
            "any_item": {
                "category": "$.person.favourite",
                "price": {"lte": "$.properties.limit", "gt": 5},
                "$.person.plan": ["pro", "team"],
                "$.event": "purchase",
            }
        }
    }
    pro: JsonValue = {"plan": "pro", "favourite": "socks"}
    bought: dict[str, JsonValue] = {"products": PRODUCTS, "limit": "10"}
    assert holds(raw, bought, pro)
    assert not holds(raw, {**bought, "limit": 9}, pro)
    assert not holds(raw, bought, {"plan": "free", "favourite": "socks"})
    assert not holds(raw, bought, {"plan": "pro", "favourite": "hats"})


@pytest.mark.parametrize("operator", ["eq", "ne", "in", "not_in", "gt", "lte", "contains", "after"])
@pytest.mark.parametrize("outside", [{}, {"it": None}, {"it": {"a": 1}}])
def test_what_is_missing_outside_satisfies_nothing(operator: str, outside: JsonValue) -> None:
    """Not even `ne` holds beside a value that is not there."""
    raw: JsonValue = {"products": {"any_item": {"price": {operator: "$.person.it"}}}}
    holds_so = holds(raw, {"products": [{"price": 7}]}, outside)
    assert holds_so is (operator in {"ne", "not_in"} and outside == {"it": {"a": 1}})


def test_a_date_outside_without_an_offset_is_on_the_clock_of_the_rule() -> None:
    """Both dates are in Paris, or none is."""
    raw: JsonValue = {"visits": {"any_item": {"at": {"after": "$.person.since"}}}}
    made, _ = parse_condition(raw, root="properties", zone="Europe/Paris")
    data = message({"visits": [{"at": "2024-06-30T12:30:00"}]}, {"since": "2024-06-30T10:00:00Z"})
    assert made.holds(data, NO_HISTORY)
    data = message({"visits": [{"at": "2024-06-30T11:30:00Z"}]}, {"since": "2024-06-30T12:00:00"})
    assert made.holds(data, NO_HISTORY)
    data = message({"visits": [{"at": "2024-06-30T12:30:00"}]}, {"since": "2024-06-30T13:00:00"})
    assert not made.holds(data, NO_HISTORY)


def test_items_nest() -> None:
    """Lists in items, and lists in lists; outside is always outside of all."""
    raw: JsonValue = {
        "orders": {"any_item": {"paid": True, "lines": {"all_items": {"sku": "$.person.sku"}}}}
    }
    orders: JsonValue = [
        {"paid": False, "lines": [{"sku": 1}]},
        {"paid": True, "lines": [{"sku": 1}, {"sku": "1"}]},
    ]
    assert holds(raw, {"orders": orders}, {"sku": 1})
    assert not holds(raw, {"orders": orders}, {"sku": 2})
    assert holds({"matrix": {"any_item": {"all_items": {"gt": 2}}}}, {"matrix": [[1, 3], [3, 4]]})


def test_all_any_not_and_logic_stand_inside() -> None:
    """`logic` sees the item, and what `$` reaches."""
    inner: JsonValue = {
        "any": [{"category": "hats"}, {"not": {"category": "socks"}}],
        "all": [{"price": {"gt": 5}}, {"price": {"lt": 50}}],
        "logic": {">": [{"var": "price"}, {"*": [{"var": "$.person.budget"}, 2]}]},
    }
    raw: JsonValue = {"products": {"any_item": inner}}
    assert holds(raw, {"products": PRODUCTS}, {"budget": 14})
    assert not holds(raw, {"products": PRODUCTS}, {"budget": 15})
    default: JsonValue = {"any_item": {"logic": {"==": [{"var": "a"}, {"var": ["$.person.b", 3]}]}}}
    assert holds({"it": default}, {"it": [{"a": 3}]})


def test_a_name_with_a_dot_is_written_with_a_backslash_inside_too() -> None:
    """The item's own key, and the list's."""
    raw: JsonValue = {r"cart\.items": {"any_item": {r"utm\.source": "mail", "size.eu": 42}}}
    item: JsonValue = {"utm.source": "mail", "size": {"eu": 42}}
    assert holds(raw, {"cart.items": [item]})
    assert not holds(raw, {"cart": {"items": [item]}})


def test_a_time_in_an_item_is_compared_with_the_time_of_the_message() -> None:
    """`within` reads the message's time, though paths start at the item."""
    raw: JsonValue = {"visits": {"any_item": {"at": {"within": "3d"}}}}
    assert holds(raw, {"visits": [{"at": "2024-06-01"}, {"at": "2024-06-28"}]})
    assert not holds(raw, {"visits": [{"at": "2024-06-01"}]})
    assert turns_by_time(condition(raw).logic, to=True)
    of_the_item: JsonValue = {"visits": {"any_item": {"timestamp": {"gt": 7}}}}
    assert not turns_by_time(condition(of_the_item).logic, to=True)
    assert holds(of_the_item, {"visits": [{"timestamp": 8}]})


def test_time_turns_no_item_the_other_way() -> None:
    """*No visit within 3d* becomes true by time, if its item is not performed but dated."""
    raw: JsonValue = {"visits": {"any_item": {"logic": {">": [{"var": "$.timestamp"}, "2025"]}}}}
    assert turns_by_time(condition(raw).logic, to=True)
    denied: JsonValue = {"visits": {"no_item": {"logic": {">": [{"var": "$.timestamp"}, "2025"]}}}}
    assert turns_by_time(condition(denied).logic, to=False)
    assert not turns_by_time(condition(denied).logic, to=True)


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ("any_item", "has an item where"),
        ("all_items", "has only items where"),
        ("no_item", "has no item where"),
    ],
)
def test_the_failing_part_is_told_in_words_with_the_values_seen(test: str, words: str) -> None:
    """The list, and what stands outside."""
    raw: JsonValue = {"products": {test: {"category": "$.person.favourite", "price": {"gt": 20}}}}
    failure = condition({"not": raw} if test == "no_item" else raw).failing(
        message({"products": [{"category": "hats"}]}, {"favourite": "socks"}), NO_HISTORY
    )
    assert failure is not None
    assert (
        f"products {words} category is person.favourite and price is greater than 20"
        in failure.text
    )
    assert failure.values == {
        "properties.products": [{"category": "hats"}],
        "person.favourite": "socks",
    }


def test_the_list_is_guaranteed_to_be_there() -> None:
    """A template may use it without a default."""
    assert guaranteed_by(condition({"products": {"any_item": {"a": 1}}})) == {"properties.products"}


@pytest.mark.parametrize(
    ("inner", "place", "code"),
    [
        ({}, ("it", "any_item"), "empty-condition"),
        ([], ("it", "any_item"), "empty-condition"),
        (None, ("it", "any_item"), "null-comparison"),
        ({"price": "person.budget"}, ("it", "any_item", "price"), "path-as-value"),
        ({"price": "$.budget"}, ("it", "any_item", "price"), "looks-outside"),
        ({"$.budget": 5}, ("it", "any_item", "$.budget"), "looks-outside"),
        ({"$.person": 5}, ("it", "any_item", "$.person"), "looks-outside"),
        (
            {"price": {"between": "$.person.a"}},
            ("it", "any_item", "price", "between"),
            "path-as-value",
        ),
        ({"price": "{{ 5 }}"}, ("it", "any_item", "price"), "template-in-condition"),
        ({"segment": "pro"}, ("it", "any_item", "segment"), "not-allowed-here"),
        ({"performed": {"event": "a"}}, ("it", "any_item", "performed"), "not-allowed-here"),
        ({"price": {"than": 5}}, ("it", "any_item", "price", "than"), "unknown-operator"),
        ({"logic": {"var": "$.who.a"}}, ("it", "any_item", "logic", "var"), "looks-outside"),
        (
            {"logic": {"missing": ["$.person.a"]}},
            ("it", "any_item", "logic", "missing"),
            "looks-outside",
        ),
    ],
)
def test_each_fault_inside_has_its_place(
    inner: JsonValue, place: tuple[object, ...], code: str
) -> None:
    """Line and column come from the path."""
    _, diagnostics = parse_condition(
        {"it": {"any_item": inner}}, root="person", history_allowed=True
    )
    assert [(each.path, each.code) for each in diagnostics] == [(place, code)]


def test_outside_of_lists_a_dollar_reaches_nothing() -> None:
    """What is meant is said: `logic`."""
    raw: JsonValue = {"price": {"gt": "$.person.budget"}, "$.person.plan": "pro"}
    _, diagnostics = parse_condition(raw, root="properties")
    assert [each.code for each in diagnostics] == ["path-as-value", "other-root"]
    assert all("logic" in each.message for each in diagnostics)


def test_a_list_that_is_too_long_to_be_looked_through_does_not_hold() -> None:
    """The work of a condition is bounded, and the same on every machine."""
    raw: JsonValue = {"it": {"no_item": {"any": [{"a": each} for each in range(20)]}}}
    assert holds(raw, {"it": [{"a": 30}] * 100})
    assert not holds(raw, {"it": [{"a": 30}] * MOST_WORK})


items = st.lists(st.one_of(st.integers(0, 3), st.sampled_from("ab"), st.none()), max_size=4)


@given(values=items, wanted=st.one_of(st.integers(0, 3), st.sampled_from("ab")))
def test_no_item_is_the_opposite_of_any_item_for_every_list(
    values: list[JsonValue], wanted: JsonValue
) -> None:
    """And all items satisfy what none denies."""
    properties: JsonValue = {"it": values}
    some = holds({"it": {"any_item": wanted}}, properties)
    assert holds({"it": {"no_item": wanted}}, properties) is not some
    every = holds({"it": {"all_items": {"not": {"eq": wanted}}}}, properties)
    assert every is not some
    outside = holds({"it": {"any_item": "$.person.x"}}, properties, {"x": wanted})
    assert outside is some
