"""The write key and the type of a body, found before it is divided into messages."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whereupon.messages.outer_fields import outer_fields, with_type, without_key, write_key_in

KEY = "wk_0123456789abcdef"
members = st.dictionaries(
    st.sampled_from(["writeKey", "batch", "sentAt", "type", "x", 'a"b', "\u00e4"]),
    st.sampled_from(
        ["wk_a", "b.c-d", "", " k", "\u00e4", "a\\", 'a"', 1, None, [], {"writeKey": "inner"}]
    )
    | st.text(max_size=5)
    | st.lists(st.just({"writeKey": "inner"}), max_size=2),
)


@given(members, st.sampled_from([None, 1]), st.booleans())
def test_the_key_is_that_of_the_whole_object(
    body: dict[str, Any], indent: int | None, is_ascii: bool
) -> None:
    """Wherever it stands, and however the body is written; a key that is no text is none."""
    text = json.dumps(body, indent=indent, ensure_ascii=is_ascii).encode()
    key = body.get("writeKey")
    assert write_key_in(text) == (key if isinstance(key, str) else "")


@given(members, st.sampled_from([None, 1]))
def test_a_type_is_added_only_where_there_is_none(body: dict[str, Any], indent: int | None) -> None:
    """And nothing else of the body changes; a batch stays as it is."""
    text = json.dumps(body, indent=indent).encode()
    changed = json.loads(with_type(text, outer_fields(text), "track"))
    is_alone = body.get("type") is None and not isinstance(body.get("batch"), list)
    assert changed == ({**body, "type": "track"} if is_alone else body)


@given(members, st.sampled_from([None, 1]), st.integers(0, 2))
def test_only_members_with_the_secret_are_taken_out(
    body: dict[str, Any], indent: int | None, items: int
) -> None:
    """Of the body and of its messages; what is left is JSON, and has all the rest."""
    whole = {
        **body,
        "writeKey": KEY,
        "batch": [{**body, "writeKey": KEY}] * items,
        "said": f'"{KEY}',
    }
    text = json.dumps(whole, indent=indent).encode()
    inner = {name: value for name, value in body.items() if name != "writeKey"}
    expected = {**inner, "batch": [inner] * items, "said": f'"{KEY}'}
    assert json.loads(without_key(text, KEY)) == expected


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"1", b"{", b'{"a":', b'"writeKey":"k"}', b"\xff", b'{"a":1}x', b"{" * 5_000],
)
def test_a_body_that_is_no_object_has_no_fields(body: bytes) -> None:
    """And is passed on as it came, so that its rejection says what is wrong with it."""
    fields = outer_fields(body)
    assert write_key_in(body) == ""
    assert with_type(body, fields, "track") == body
    assert without_key(body, KEY) == body
    assert fields.count == 1
