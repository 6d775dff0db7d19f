"""The door, whatever is sent: an answer of an allowed status with a JSON object, and no message lost or made up."""

import json
from collections.abc import Callable, Iterator
from io import BytesIO
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

from whereupon.web.adapters import asgi_request, wsgi_application
from whereupon.web.http import Answer, Request
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


raw_bytes = st.binary(max_size=60) | st.sampled_from(
    [
        b"/v1/t",
        b"http://[/v1/t",
        b"//x/v1/t",
        b"*",
        b"/w/v1/t%2F",
        b"/%",
        b"?",
        b"/\xff",
        b"http://",
    ]
)
latin = raw_bytes.map(lambda raw: raw.decode("latin-1"))


@given(
    mount=latin,
    path=st.text(max_size=30) | latin,
    raw_path=st.none() | raw_bytes,
    query_string=raw_bytes,
    headers=st.lists(st.tuples(raw_bytes.map(bytes.lower), raw_bytes), max_size=6),
    client=st.sampled_from([None, ("192.0.2.1", 1), ("", 0)]),
)
def test_any_scope_of_asgi_is_a_request(
    door: DoorOfTest, mount: str, headers: list[tuple[bytes, bytes]], **scope: Any
) -> None:
    """Whatever a server passes on of what a client wrote."""
    whole = {"method": "POST", "root_path": mount, "headers": headers, "scheme": "https", **scope}
    check_form(door.door.answer(asgi_request(whole, b"{}")))


@given(
    mount=latin,
    path=latin,
    sent=st.none() | latin,
    query=latin,
    host=latin,
    length=latin,
    kind=latin,
)
def test_any_environment_of_wsgi_is_a_request(
    door: DoorOfTest, mount: str, path: str, sent: str | None, query: str, **text: str
) -> None:
    """Likewise."""
    environ: dict[str, object] = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": mount,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "HTTP_HOST": text["host"],
        "CONTENT_LENGTH": text["length"],
        "CONTENT_TYPE": text["kind"],
        "wsgi.input": BytesIO(b"{}"),
        **({} if sent is None else {"REQUEST_URI": sent}),
    }
    answers: list[Answer] = []

    def respond(request: Request) -> Answer:
        answers.append(door.door.answer(request))
        return answers[-1]

    wsgi_application(respond)(environ, lambda *_: None)
    check_form(answers[0])


@given(st.text(max_size=300), st.sampled_from(["/v1/t", "/v1/batch", "/v1/projects/x/settings"]))
def test_an_origin_is_echoed_exactly_or_not_at_all(
    door: DoorOfTest, origin: str, path: str
) -> None:
    """So no header of another kind can be made of it."""
    answer = door.door.answer(asked(path, "OPTIONS", origin=origin))
    echoed = dict(answer.headers).get("Access-Control-Allow-Origin")
    assert echoed in {None, origin}
    assert echoed is None or (echoed.isascii() and echoed.isprintable())
