"""What fifteen clients sent, as they sent it, at the door: all of it gets in as `Engine.ingest` takes it."""

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from urllib.parse import parse_qs

import pytest
from tests.door import SERVER, DoorOfTest, asked, headers_of, opened_door, stored_in
from tests.paths import ROOT
from tests.shop import NOON

from whereupon import Engine, FrozenClock
from whereupon.messages.model import Message
from whereupon.web.http import Answer, Request

CORPUS = ROOT / "fixtures" / "wire"
KEY = "wk-test"
"""The key of the recordings."""
ENCODED: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "": bytes}
TYPES = ("identify", "track", "page", "screen", "group", "alias")


def lines_of(name: str) -> list[dict[str, Any]]:
    """The objects of one file of the corpus."""
    text = gzip.decompress((CORPUS / name).read_bytes()).decode()
    return [json.loads(line) for line in text.splitlines()]


@cache
def recorded() -> dict[str, list[tuple[Request, Any]]]:
    """The requests of each client, and the value of each body."""
    bodies = [each["body"] for each in lines_of("bodies.jsonl.gz")]
    clients: dict[str, list[tuple[Request, Any]]] = {}
    for each in lines_of("requests.jsonl.gz"):
        text = bodies[each["line"]] if "line" in each else ""
        path, _, query = each["path"].partition("?")
        headers = {name.lower(): value for name, value in each["headers"].items()}
        encode = ENCODED[headers.get("content-encoding", "")]
        request = Request(
            method=each["method"],
            path=path,
            query=query,
            headers=headers,
            body=encode(text.encode()),
            origin="https://events.shop.example",
        )
        value = json.loads(text) if text else None
        clients.setdefault(each["client"], []).append((request, value))
    return clients


CLIENTS = sorted(recorded())


@pytest.fixture
def door() -> Iterator[DoorOfTest]:
    """A door that knows the key of the recordings."""
    with opened_door(alias=(KEY, SERVER)) as door:
        yield door


def plain(request: Request, body: Any) -> Any:
    """The body as a host would pass it on: with the type of the path, and without the key."""
    type_ = next(
        (each for each in TYPES if request.path.rsplit("/", 1)[1] in {each, each[0]}), None
    )
    if isinstance(body.get("batch"), list):
        return {**body, "batch": [_without_key(item) for item in body["batch"]]}
    return {"type": type_, **_without_key(body)}


def _without_key(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if (name, value) != ("writeKey", KEY)}


def seen(message: Message) -> dict[str, Any]:
    """What the engine read of a message, with its whole body."""
    fields = ("type", "name", "user_id", "anonymous_id", "target_id", "timestamp")
    return {
        **{name: getattr(message, name) for name in fields},
        "body": json.loads(message.body or b"null"),
    }


@pytest.mark.parametrize("client", CLIENTS)
def test_what_a_client_sends_gets_in_as_a_host_would_pass_it_on(
    door: DoorOfTest, client: str
) -> None:
    """The same messages and the same rejections, in the order in which they were sent."""
    with Engine.open("memory://", clock=FrozenClock(NOON)) as other:
        for request, body in recorded()[client]:
            answer = door.ask(request)
            if request.method != "POST":
                assert answer.status == 200
                continue
            told = other.ingest(plain(request, body))
            accepted = told.accepted + told.duplicates
            assert answer.status == (200 if accepted or not told.rejected else 400)
            said = json.loads(answer.body)
            assert [(each["index"], each["code"]) for each in said.get("rejected", [])] == [
                (each.index, each.code) for each in told.rejected
            ]
            assert said.get("accepted", accepted) == accepted
        assert [seen(each) for each in door.stored()] == [seen(each) for each in stored_in(other)]
        assert len(door.stored()) > 1
    assert not [each for each in door.stored() if KEY.encode() in each.body]


def test_most_of_what_was_sent_is_good() -> None:
    """The rest are faults that the recorded pages and scripts made on purpose."""
    ends: Counter[str] = Counter()
    for client in CLIENTS:
        with Engine.open("memory://", clock=FrozenClock(NOON)) as engine:
            for request, body in recorded()[client]:
                if request.method == "POST":
                    told = engine.ingest(plain(request, body))
                    ends.update(["accepted"] * told.accepted + [e.code for e in told.rejected])
    assert ends["accepted"] > 300
    assert set(ends) <= {
        "accepted",
        *("bad-field", "message-too-large", "missing-event", "missing-id", "name-too-long"),
    }


def test_every_preflight_is_answered_with_what_it_asks_for(door: DoorOfTest) -> None:
    """Origin, method and every header."""
    preflights = [
        request
        for requests in recorded().values()
        for request, _ in requests
        if request.method == "OPTIONS"
    ]
    assert len(preflights) > 20
    for request in preflights:
        headers = headers_of(door.ask(request))
        assert headers["access-control-allow-origin"] == request.headers["origin"]
        wanted = set(request.headers["access-control-request-headers"].split(","))
        assert wanted <= set(headers["access-control-allow-headers"].split(", "))
        method = request.headers.get("access-control-request-method", "POST")
        assert method in headers["access-control-allow-methods"].split(", ")


def test_the_time_in_rudderstacks_header_is_that_of_its_body() -> None:
    """So the header is not read: in each recording the body has a time of its own."""
    compared = 0
    for requests in recorded().values():
        for request, body in requests:
            if "sentat" in request.headers:
                compared += 1
                items = body.get("batch", [body])
                times = {body.get("sentAt"), *(each.get("sentAt") for each in items)} - {None}
                assert request.headers["sentat"] in times
    assert compared > 20


def test_settings_are_found_where_each_client_looks_for_them(door: DoorOfTest) -> None:
    """The recorded requests for settings lead to this door."""
    found: list[Answer] = []
    for requests in recorded().values():
        for request, _ in requests:
            if request.method == "GET":
                found.append(door.ask(request))
                said = json.loads(found[-1].body)
                assert KEY in json.dumps(said)
                if request.path == "/sourceConfig/":
                    assert said["source"]["writeKey"] == parse_qs(request.query)["writeKey"][0]
                else:
                    hosts = {each["apiHost"] for each in said["integrations"].values()}
                    assert hosts == {"events.shop.example/v1"}
    assert len(found) == 7
    assert door.ask(asked("/v1/projects/x/settings")).status == 200
