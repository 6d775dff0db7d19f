"""Who asks: where a key may stand, and what is refused."""

import base64
import gzip
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from tests.door import (
    CLIENT,
    MANAGER,
    ORIGIN,
    PAGE,
    READER,
    SERVER,
    DoorOfTest,
    asked,
    basic,
    headers_of,
    opened_door,
    posted,
)
from tests.shop import NOON

from whereupon import FrozenClock
from whereupon.web.door import DoorOptions

MESSAGE = {"type": "track", "event": "purchase", "userId": "ada"}
BATCH = {"batch": [MESSAGE]}


@pytest.fixture
def door() -> Iterator[DoorOfTest]:
    """An empty engine's."""
    with opened_door() as door:
        yield door


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/batch", {"authorization": basic(SERVER)}),
        ("/v1/batch", {"authorization": basic(SERVER).replace("Basic", "basic")}),
        ("/v1/batch", {"authorization": basic(SERVER).replace(" ", "   ")}),
        ("/v1/batch", {"authorization": basic("k-server", SERVER)}),
        ("/v1/batch", {"authorization": f"Bearer {SERVER}"}),
        ("/v1/batch", {"authorization": f"Bearer k-server:{SERVER}"}),
        ("/v1/batch", {"x_write_key": SERVER}),
        ("/v1/batch", {"x_write_key": f"k-server:{SERVER}"}),
        (f"/v1/batch?writeKey={SERVER}", {}),
        (f"/beacon/v1/batch?x=&y&writeKey={SERVER.replace('_', '%5F')}&z=1", {}),
        (f"/v1/batch?writeKey={SERVER}", {"authorization": basic("")}),
        (f"/v1/batch?writeKey={SERVER}", {"authorization": "Digest username=x"}),
        (f"/v1/batch?writeKey={SERVER}", {"authorization": "Basic"}),
    ],
)
def test_a_key_may_stand_in_headers_and_query(
    door: DoorOfTest, path: str, headers: dict[str, str]
) -> None:
    """As each client writes it; an empty place counts as none."""
    assert door.post(path, BATCH, None, **headers) == (200, {"success": True})


@pytest.mark.parametrize(
    "body",
    [
        {"writeKey": SERVER, **BATCH},
        {**BATCH, "sentAt": "2026-06-01T12:00:00Z", "writeKey": SERVER},
        {**BATCH, "writeKey": f" {SERVER}\n"},
        {**MESSAGE, "writeKey": SERVER},
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_key_may_stand_in_the_body(
    door: DoorOfTest, body: dict[str, object], packed: bool
) -> None:
    """Before the messages or behind them, and packed."""
    text = json.dumps(body).encode()
    if packed:
        answered = door.post("/v1/b", gzip.compress(text), None, content_encoding="gzip")
    else:
        answered = door.post("/v1/b", text, None)
    assert answered == (200, {"success": True})


def test_the_first_place_that_is_not_empty_counts(door: DoorOfTest) -> None:
    """Basic authentication, the header, the query, the body; what stands behind is not tried."""
    body = {**BATCH, "writeKey": SERVER}
    assert door.post("/v1/b", body, "wrong")[1]["code"] == "unknown-key"
    assert door.post("/v1/b", body, None, x_write_key="wrong")[1]["code"] == "unknown-key"
    assert door.post("/v1/b?writeKey=wrong", body, None)[1]["code"] == "unknown-key"
    assert door.post("/v1/b?writeKey=wrong", body, None, x_write_key=SERVER)[0] == 200


def test_base64_may_be_that_of_urls(door: DoorOfTest) -> None:
    """go-customerio writes it so; an adopted secret may have the characters in which the two differ."""
    door.engine.keys.create("app", kind="server", adopt="of~an?older>provider_1")
    pair = base64.urlsafe_b64encode(b"of~an?older>provider_1:").decode()
    assert {"-", "_"} & {*pair}
    status, _ = door.post("/v1/batch", BATCH, None, authorization=f"Basic {pair}")
    assert status == 200


@pytest.mark.parametrize(
    ("key", "headers", "code"),
    [
        (None, {}, "missing-key"),
        ("", {}, "missing-key"),
        (None, {"authorization": "Basic !!"}, "missing-key"),
        (None, {"authorization": "Bearer "}, "missing-key"),
        ("wk_unknown", {}, "unknown-key"),
        ("\u00e4\ud800".encode("utf-8", "replace").decode(), {}, "unknown-key"),
        ("x" * 100_000, {}, "unknown-key"),
        (
            None,
            {"authorization": "Basic " + base64.b64encode(b"\xff\xfe:").decode()},
            "unknown-key",
        ),
        (None, {"authorization": basic("k-other", SERVER)}, "unknown-key"),
        (None, {"x_write_key": f"k-other:{SERVER}"}, "unknown-key"),
        (None, {"authorization": basic(SERVER, "x")}, "unknown-key"),
        (MANAGER, {}, "wrong-kind-of-key"),
        (READER, {}, "missing-scope"),
        (PAGE, {}, "wrong-origin"),
        (PAGE, {"origin": "https://other.example"}, "wrong-origin"),
        (PAGE, {"origin": "null"}, "wrong-origin"),
    ],
)
def test_a_key_that_does_not_open_the_door_is_401(
    door: DoorOfTest, key: str | None, headers: dict[str, str], code: str
) -> None:
    """With a code that says why, and nothing of the key."""
    status, said = door.post("/v1/batch", BATCH, key, **headers)
    assert (status, said["code"]) == (401, code)
    assert not key or key not in json.dumps(said)
    assert door.stored() == []


def test_a_key_that_is_no_longer_good_says_why() -> None:
    """Expired, revoked, or with a secret that was replaced; the person on call sees which."""
    clock = FrozenClock(NOON)
    with opened_door(clock=clock) as door:
        keys = door.engine.keys
        short = keys.create("short", kind="server", expires=timedelta(hours=1)).secret
        gone = keys.create("gone", kind="server")
        old = keys.create("old", kind="server")
        new = keys.rotate(old.key.id, overlap=timedelta(hours=1))
        for secret in (short, gone.secret, old.secret, new.secret):
            assert door.post("/v1/batch", BATCH, secret)[0] == 200
        keys.revoke(gone.key.id)
        clock.move_to(NOON + timedelta(hours=1))
        codes = {
            secret: door.post("/v1/batch", BATCH, secret)[1].get("code")
            for secret in (short, gone.secret, old.secret, new.secret)
        }
    assert list(codes.values()) == ["expired-key", "revoked-key", "replaced-secret", None]


@pytest.mark.parametrize("key", [1, None, True, [SERVER], {"x": SERVER}])
def test_a_key_in_a_body_is_a_text(door: DoorOfTest, key: object) -> None:
    """Any other value is none."""
    assert door.post("/v1/batch", {**BATCH, "writeKey": key}, None)[1]["code"] == "missing-key"


def test_pages_of_the_keys_origins_may_use_it(door: DoorOfTest) -> None:
    """Origins are compared without case, and a key without any may be used by every page."""
    assert door.post("/v1/batch", BATCH, PAGE, origin=ORIGIN)[0] == 200
    assert door.post("/v1/batch", BATCH, PAGE, origin=ORIGIN.upper())[0] == 200
    assert door.post("/v1/batch", BATCH, CLIENT, origin="https://other.example")[0] == 200


def test_a_refusal_can_be_read_by_the_page(door: DoorOfTest) -> None:
    """Across origins as well, so that the developer sees the cause."""
    answer = door.ask(posted("/v1/batch", BATCH, "wrong", origin=ORIGIN))
    assert headers_of(answer)["access-control-allow-origin"] == ORIGIN


def test_a_bad_body_is_said_before_the_key_is_asked_for(door: DoorOfTest) -> None:
    """The key may stand in it."""
    assert (
        door.post("/v1/batch", b"x", None, content_encoding="br")[1]["code"] == "unknown-encoding"
    )


# --- across origins ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/v1/t", "/v1/batch", "/api/s/page", "/sourceConfig/", "/v1/nothing"]
)
@pytest.mark.parametrize(
    "origin", [ORIGIN, "http://localhost:3000", "null", "capacitor://localhost"]
)
def test_a_preflight_needs_no_key(door: DoorOfTest, path: str, origin: str) -> None:
    """Every page may ask what it may send; the key decides afterwards."""
    request = asked(
        path,
        "OPTIONS",
        origin=origin,
        access_control_request_method="POST",
        access_control_request_headers="authorization,x-retry-count",
    )
    answer = door.ask(request)
    headers = headers_of(answer)
    assert (answer.status, answer.body) == (200, b"{}")
    assert headers["access-control-allow-origin"] == origin
    assert headers["access-control-allow-credentials"] == "true"
    assert int(headers["access-control-max-age"]) >= 600
    allowed = headers["access-control-allow-headers"].split(", ")
    assert {"authorization", "content-type", "x-retry-count", "anonymousid", "sentat"} < set(
        allowed
    )
    assert {"x-write-key", "content-encoding", "x-strict-mode"} < set(allowed)
    assert {"rsa-retry-attempt", "rsa-retry-reason", "rsa-since-last-attempt"} < set(allowed)
    wanted = "GET" if path == "/sourceConfig/" else "POST"
    assert wanted in headers["access-control-allow-methods"].split(", ")


def test_a_host_allows_further_headers() -> None:
    """Such as those of a page that is traced."""
    with opened_door(DoorOptions(allowed_headers=("traceparent",))) as door:
        answer = door.ask(asked("/v1/t", "OPTIONS", origin=ORIGIN))
    assert "traceparent" in headers_of(answer)["access-control-allow-headers"].split(", ")


@pytest.mark.parametrize(
    "origin", ["", " ", "a b", "https://x\r\nSet-Cookie: a=b", "https://\u00e4.example", "x" * 400]
)
def test_only_an_origin_is_echoed(door: DoorOfTest, origin: str) -> None:
    """Nothing that could begin a header of its own."""
    for request in (
        posted("/v1/batch", BATCH, origin=origin),
        asked("/v1/t", "OPTIONS", origin=origin),
    ):
        assert "access-control-allow-origin" not in headers_of(door.ask(request))


def test_without_an_origin_nothing_is_allowed(door: DoorOfTest) -> None:
    """A server is no page; a cache still has to know that the answer depends on the header."""
    headers = headers_of(door.ask(posted("/v1/batch", BATCH)))
    assert not [name for name in headers if name.startswith("access-control-allow")]
    assert headers["vary"] == "Origin"


# --- limits -----------------------------------------------------------------------------------------


def batch_of(count: int) -> dict[str, object]:
    """So many good messages."""
    return {"batch": [MESSAGE] * count}


def test_messages_over_a_keys_limit_are_429(door: DoorOfTest) -> None:
    """Messages count, not requests; nothing of the batch is stored, and the answer says when to send it again."""
    key = door.engine.keys.create("small", kind="server", limit="10 per 1h").secret
    assert door.post("/v1/batch", batch_of(9), key) == (200, {"success": True})
    answer = door.ask(posted("/v1/batch", batch_of(2), key))
    assert (answer.status, json.loads(answer.body)["code"]) == (429, "over-limit")
    assert 0 < int(headers_of(answer)["retry-after"]) <= 360
    assert len(door.stored()) == 9
    assert door.post("/v1/track", MESSAGE, key)[0] == 200
    assert door.post("/v1/track", MESSAGE, key)[0] == 429
    assert door.post("/v1/batch", batch_of(50)) == (200, {"success": True})


def test_bad_messages_and_batches_within_batches_count_too(door: DoorOfTest) -> None:
    """What was not seen before is owed afterwards."""
    keys = door.engine.keys
    key = keys.create("small", kind="server", limit="10 per 1h").secret
    assert door.post("/v1/batch", {"batch": [{}] * 10}, key)[0] == 400
    assert door.post("/v1/track", MESSAGE, key)[0] == 429
    nested = keys.create("nested", kind="server", limit="10 per 1h").secret
    assert door.post("/v1/batch", {"batch": [batch_of(5), batch_of(5)]}, nested)[0] == 200
    assert door.post("/v1/track", MESSAGE, nested)[0] == 429


def test_a_limit_in_shadow_counts_and_lets_in(door: DoorOfTest) -> None:
    """The server's metrics get the number of messages over it."""
    key = door.engine.keys.create("s", kind="client", limit="10 per 1h", shadow=True).secret
    assert door.ask(posted("/v1/batch", batch_of(10), key)).counted.over_limit == 0
    answer = door.ask(posted("/v1/batch", batch_of(3), key))
    assert (answer.status, answer.counted.over_limit) == (200, 3)
