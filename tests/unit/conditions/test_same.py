"""`same`: what ties a message to the one that triggered a rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import JsonValue

from whereupon.conditions.same import (
    SAME_NAME_SCHEMA,
    Pair,
    Same,
    read_same,
    same_faults,
    same_key,
)

ORDER = Same((Pair(("order_id",), ("order_id",)),))

keys = st.one_of(
    st.text(max_size=4), st.integers(-3, 3), st.floats(-3, 3), st.booleans(), st.none()
)


@pytest.mark.parametrize("other", [1001, 1001.0, "1001", " 1001 "])
@pytest.mark.parametrize("one", [1001, 1001.0, "1001"])
def test_keys_compare_as_ids_do(one: JsonValue, other: JsonValue) -> None:
    """1001, 1001.0 and "1001" are one key, with any space around it."""
    assert same_key(ORDER, {"order_id": one}, {"order_id": other})


@pytest.mark.parametrize("blank", ["", "  ", None, [], {}])
def test_an_empty_or_blank_key_is_no_key(blank: JsonValue) -> None:
    """Two messages without a key are not about the same thing."""
    assert not same_key(ORDER, {"order_id": blank}, {"order_id": blank})
    assert not same_key(ORDER, {}, {})
    assert ORDER.missing({"order_id": blank}) == "order_id"


@given(one=keys, other=keys)
def test_which_of_two_messages_came_first_does_not_count(one: JsonValue, other: JsonValue) -> None:
    """The comparison is symmetric, and a key is the same as itself."""
    forth = same_key(ORDER, {"order_id": one}, {"order_id": other})
    assert forth == same_key(ORDER, {"order_id": other}, {"order_id": one})
    assert same_key(ORDER, {"order_id": one}, {"order_id": one}) == (
        ORDER.missing({"order_id": one}) is None
    )


def test_every_pair_must_be_equal() -> None:
    """An order of the same number in another shop is another order."""
    same = read_same(["shop", "order_id"])
    assert same_key(same, {"shop": "a", "order_id": 1}, {"shop": "a", "order_id": "1"})
    assert not same_key(same, {"shop": "b", "order_id": 1}, {"shop": "a", "order_id": "1"})


def test_the_message_has_its_own_name_for_what_the_trigger_calls_otherwise() -> None:
    """`same: {invoice_id: id}` is theirs, and the trigger's."""
    same = read_same({"invoice_id": "id"})
    assert same_key(same, {"invoice_id": 7}, {"id": "7"})
    assert not same_key(same, {"id": 7}, {"invoice_id": "7"})


def test_a_path_leads_into_objects_and_a_backslash_keeps_a_dot_in_a_name() -> None:
    r"""`order.id` is the id of an order; `utm\.id` is one name."""
    same = read_same({"order.id": r"utm\.id"})
    assert same_key(same, {"order": {"id": 7}}, {"utm.id": 7})


def test_without_same_every_message_is_about_the_same_thing() -> None:
    """What has no `same` compares nothing."""
    assert same_key(None, {}, {})


@pytest.mark.parametrize(
    ("raw", "place", "code"),
    [
        ("order_id", (), "wrong-type"),
        ([], (), "wrong-type"),
        ({}, (), "wrong-type"),
        (["a", 7], (1,), "wrong-type"),
        ({"a": None}, ("a",), "wrong-type"),
        (["properties.order_id"], (0,), "path-as-value"),
        (["{{ properties.id }}"], (0,), "template-in-condition"),
        (["order..id"], (0,), "wrong-type"),
    ],
)
def test_each_fault_of_a_same_has_its_place(
    raw: JsonValue, place: tuple[object, ...], code: str
) -> None:
    """A list of names, or a mapping of names; each a path below the properties."""
    ((found, (name, sentence)),) = same_faults(raw)
    assert (found, name) == (place, code)
    assert sentence


@given(st.text(st.sampled_from("a.\\\n{%"), max_size=6) | st.sampled_from(("person.a", "event")))
def test_an_editor_refuses_the_names_that_the_reader_refuses(name: str) -> None:
    """A path has no empty name: no dot at an end, and no two beside each other."""
    accepts = Draft202012Validator(SAME_NAME_SCHEMA).is_valid(name)
    assert accepts is (not any(True for _ in same_faults([name])))
