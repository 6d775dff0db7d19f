"""The door, whatever is sent: an answer of an allowed status with a JSON object, and no message lost or made up."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.door import (
    CLIENT,
    PAGE,
    READER,
    SERVER,
    DoorOfTest,
    asked,
    basic,
    check_form,
    opened_door,
)

from whereupon.web.http import Request
from whereupon.web.site import Site

KEYS = (SERVER, CLIENT, PAGE, READER, "wk_unknown", "")
NAMES = (
    *(
        "authorization",
        "content-encoding",
        "content-type",
        "origin",
        "x-write-key",
        "x-strict-mode",
    ),
    *("sentat", "anonymousid", "accept", "access-control-request-headers", "cookie", "host"),
)
VALUES = (
    *(basic(key) for key in KEYS),
    *(f"Bearer {key}" for key in KEYS),
    *("Basic", "Basic \xff", "Basic ====", "gzip", "deflate", "identity", "br", "1", "null"),
    *("text/html", "https://shop.example", "https://x\r\nA: b", "a, b"),
)
PATHS = (
    *(
        "/v1/batch",
        "/v1/b",
        "/v1/t",
        "/v1/track",
        "/v1/i",
        "/v1/m",
        "/v1/import",
        "/v1/projects/x/settings",
    ),
    *("/api/s/track", "/sourceConfig/", "/beacon/v1/batch", "/analytics.js/v1/x/analytics.min.js"),
    *("/v1/", "/", "", "/v1/%2e%2e/", "/u/x", "/callbacks/x"),
)


@pytest.fixture(scope="module")
def door() -> Iterator[DoorOfTest]:
    """One for all examples."""
    with opened_door() as door:
        yield door


json_values: Callable[..., st.SearchStrategy[Any]] = st.recursive
values = json_values(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)
members = st.dictionaries(
    st.sampled_from(
        [
            "type",
            "event",
            "userId",
            "anonymousId",
            "messageId",
            "batch",
            "writeKey",
            "sentAt",
            "context",
        ]
    ),
    values | st.sampled_from(["track", "identify", "ada", SERVER]),
)
batches = st.builds(
    lambda items, more: {**more, "batch": items}, st.lists(members, max_size=4), members
)
bodies = (
    st.binary(max_size=200)
    | (values | members | batches).map(lambda value: json.dumps(value).encode())
    | (members | batches).map(lambda value: json.dumps(value).encode()[:-2])
)
headers = st.dictionaries(
    st.sampled_from(NAMES),
    st.sampled_from(VALUES) | st.text(st.characters(max_codepoint=255), max_size=30),
    max_size=5,
)


@given(
    method=st.sampled_from(["GET", "POST", "OPTIONS", "HEAD", "PUT", "DELETE", "", "\x00"]),
    path=st.sampled_from(PATHS) | st.text(max_size=20).map(lambda text: f"/v1/{text}"),
    query=st.sampled_from(["", f"writeKey={SERVER}", "writeKey=", "&&=%", "writeKey=%FF"])
    | st.text(max_size=20),
    headers=headers,
    body=bodies,
    is_too_large=st.booleans(),
)
def test_any_request_has_an_answer_that_clients_can_read(door: DoorOfTest, **request: Any) -> None:
    """Of the door itself; and of the whole site an answer of some kind."""
    asking = Request(origin="https://shop.example", **request)
    check_form(door.door.answer(asking))
    answer = Site(door.engine, door=None).answer(asking)
    assert answer.status in {200, 302, 404, 405, 413}


@given(batches)
def test_every_message_is_accepted_or_named(door: DoorOfTest, batch: dict[str, Any]) -> None:
    """The places that are named, and the number that is accepted, make up the whole batch."""
    status, said = door.post("/v1/batch", batch)
    count = len(_flat(batch))
    named = [each["index"] for each in said.get("rejected", [])]
    assert named == sorted(set(named))
    assert status == 200 or named
    if said == {"success": True}:
        return
    assert said["accepted"] + len(named) == count
    assert all(0 <= each < count for each in named)
    assert (status == 200) == (said["accepted"] > 0)


def _flat(value: Any) -> list[Any]:
    """The messages of a batch, which may hold batches."""
    if isinstance(value, dict) and isinstance(value.get("batch"), list):
        return [each for item in value["batch"] for each in _flat(item)]
    return [value]


@given(st.text(max_size=300), st.sampled_from(["/v1/t", "/v1/batch", "/v1/projects/x/settings"]))
def test_an_origin_is_echoed_exactly_or_not_at_all(
    door: DoorOfTest, origin: str, path: str
) -> None:
    """So no header of another kind can be made of it."""
    answer = door.door.answer(asked(path, "OPTIONS", origin=origin))
    echoed = dict(answer.headers).get("Access-Control-Allow-Origin")
    assert echoed in {None, origin}
    assert echoed is None or (echoed.isascii() and echoed.isprintable())
