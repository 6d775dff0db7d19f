"""JSON in and out: numbers as sent, and rejections with a reason."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from whereupon.messages.codec import JsonError, decode, encode, encode_canonically

texts = st.text(st.characters(exclude_categories=["Cs"]))
values: st.SearchStrategy[JsonValue] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(-(10**40), 10**40),
        st.floats(allow_nan=False, allow_infinity=False),
        texts,
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(texts, inner)),
)


@pytest.mark.slow
@given(values)
def test_a_value_comes_back_as_it_was(value: JsonValue) -> None:
    """Whole numbers of any size keep every digit."""
    assert decode(encode(value)) == value
    assert decode(encode_canonically(value)) == value


@pytest.mark.parametrize("number", [2**63 - 1, 2**63, 2**64, 2**64 + 1, -(2**63) - 1, 10**60])
def test_huge_whole_numbers_are_exact(number: int) -> None:
    """An id of twenty digits is not rounded to a float."""
    assert decode(str(number)) == number
    assert encode({"n": number}) == b'{"n":%d}' % number


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[1,]", "NaN", "Infinity", "{'a': 1}", '"\\ud800"', "\x00", "\ud800", "01"),
        *("[NaN, 12345678901234567890]", "12345678901234567890x", "[" * 100_000, b"\xff"),
    ],
)
def test_text_that_is_not_json_is_rejected(text: str | bytes) -> None:
    """One error for every fault, also beside huge numbers."""
    with pytest.raises(JsonError):
        decode(text)


@pytest.mark.parametrize("value", [object(), {1, 2}, "\ud800", {"a": {"b": b"bytes"}}])
def test_what_json_cannot_hold_is_rejected(value: object) -> None:
    """No value is written as another one."""
    with pytest.raises(JsonError):
        encode(value)


def test_a_value_within_itself_is_rejected() -> None:
    """A cycle cannot be written."""
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(JsonError):
        encode(circle)
    with pytest.raises(JsonError):
        encode([2**70, circle])


def test_the_hosts_values_become_text() -> None:
    """Hosts use instants, dates and UUIDs."""
    instant = datetime(2026, 3, 1, 12, tzinfo=UTC)
    some = {"at": instant, "on": date(2026, 3, 1), "id": UUID(int=1), "nan": float("nan")}
    assert decode(encode(some)) == {
        "at": "2026-03-01T12:00:00+00:00",
        "on": "2026-03-01",
        "id": "00000000-0000-0000-0000-000000000001",
        "nan": None,
    }


def test_the_hosts_values_become_text_beside_huge_numbers() -> None:
    """The exact writer writes the same as the fast one."""
    instant = datetime(2026, 3, 1, 12, tzinfo=UTC)
    some = {"at": instant, "nan": float("nan"), 7: date(2026, 3, 1), "huge": 2**70}
    assert decode(encode(some)) == {
        "at": "2026-03-01T12:00:00+00:00",
        "nan": None,
        "7": "2026-03-01",
        "huge": 2**70,
    }


@pytest.mark.slow
@given(st.dictionaries(texts, values))
def test_equal_objects_are_written_alike(value: dict[str, JsonValue]) -> None:
    """The canonical form ignores the order of keys."""
    turned = dict(reversed(value.items()))
    assert encode_canonically(turned) == encode_canonically(value)
