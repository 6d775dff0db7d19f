"""Requests of the clients for iOS and Android, made as their sources make them, against a running door.

They cannot run here. Segment's and Customer.io's write batches to files, and send a file until it is taken.
"""

import gzip
import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.clients.doors import Shop, open_shop
from tests.clients.expected import stored_in

from whereupon.messages.metrics import Metric
from whereupon.records import Delivery

KOTLIN = {
    "Content-Type": "text/plain",
    "Content-Encoding": "gzip",
    "Transfer-Encoding": "chunked",
    "User-Agent": "analytics-kotlin/1.24.1",
}
SWIFT = {
    "Content-Type": "application/json; charset=utf-8",
    "User-Agent": "analytics-ios/1.9.4",
    "Accept-Encoding": "gzip",
}
each_client = pytest.mark.parametrize("headers", [KOTLIN, SWIFT], ids=["kotlin", "swift"])


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A shop, and the key of its app."""
    with open_shop() as shop:
        yield Shop(shop.engine, shop.url, shop.engine.keys.create("app", kind="client").secret)


def _ask(
    shop: Shop, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    connection = HTTPConnection(urlsplit(shop.url).netloc, timeout=60)
    try:
        said = headers or {}
        chunked = "Transfer-Encoding" in said
        sent = iter([body[:10], body[10:]]) if chunked else body
        connection.request(method, path, sent, said, encode_chunked=chunked)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def _file(shop: Shop, *messages: dict[str, object]) -> bytes:
    """A file of messages; its last line, with the time and the key, is written when the file is full."""
    batch = ",".join(json.dumps(message) for message in messages)
    sent_at = datetime.now(UTC).isoformat()  # noqa: TID251 - of the phone, which has no Clock
    return f'{{"batch":[{batch}\n],"sentAt":"{sent_at}","writeKey":"{shop.key}"}}'.encode()


def _send(shop: Shop, headers: dict[str, str], *messages: dict[str, object]) -> tuple[int, Any]:
    body = _file(shop, *messages)
    if headers.get("Content-Encoding") == "gzip":
        body = gzip.compress(body)
    return _ask(shop, "POST", "/v1/b", body, headers)


def _message(number: int, type_: str, **fields: object) -> dict[str, object]:
    now = datetime.now(UTC) - timedelta(minutes=1)  # noqa: TID251 - of the phone, which has no Clock
    return {
        "messageId": f"phone-{number}",
        "type": type_,
        "anonymousId": "anon-1",
        "userId": "",  # as Kotlin's client writes it until the person is known
        "timestamp": now.isoformat(),
        "context": {"device": {"token": "token-1", "type": "ios"}},
        "integrations": {},
        "_metadata": {"bundled": [], "unbundled": [], "bundledIds": []},
        **fields,
    }


@each_client
def test_a_file_of_messages_is_taken(shop: Shop, headers: dict[str, str]) -> None:
    """The key stands behind the messages, and there is no other; a file that comes again changes nothing."""
    shop.engine.channel("push")(lambda _: None)
    purchase = {"product": "socks", "price": 23.45}
    session = [
        _message(1, "screen", name="Cart", properties={"items": 2}),
        _message(2, "track", event="purchase", properties=purchase),
        _message(3, "identify", userId="ada", traits={"first_name": "Ada"}),
        _message(4, "track", event="Device Created or Updated", userId="ada", properties={}),
    ]
    for _ in range(2):
        assert _send(shop, headers, *session) == (200, {"success": True})
    shop.engine.run_due()
    assert {*stored_in(shop.engine)} == {"phone-1", "phone-2", "phone-3", "phone-4"}
    assert [device.token for device in shop.engine.devices("ada")] == ["token-1"]
    with shop.engine.store.reading() as session_of_store:
        (thanks,) = session_of_store.scan(Delivery)
    assert thanks.person == "ada"
    assert not [m for m in stored_in(shop.engine).values() if shop.key.encode() in m.body]
    assert _send(
        shop, headers, _message(5, "track", event="Device Deleted", userId="ada", properties={})
    ) == (200, {"success": True})
    assert shop.engine.devices("ada") == []  # its own device


@each_client
def test_a_file_that_is_never_good_is_answered_with_400(
    shop: Shop, headers: dict[str, str]
) -> None:
    """So that the phone drops it, and goes on with the next one."""
    status, said = _send(shop, headers, _message(1, "track", event="", properties={}))
    assert (status, said["code"]) == (400, "missing-event")


@pytest.mark.parametrize("name", ["Segment.io", "Customer.io Data Pipelines"])
def test_a_phone_learns_where_to_send(shop: Shop, name: str) -> None:
    """From the settings, which it asks for at its start without a key in a header."""
    status, said = _ask(shop, "GET", f"/v1/projects/{shop.key}/settings")
    assert status == 200
    assert said["integrations"][name]["apiHost"] == f"{urlsplit(shop.url).netloc}/v1"


def test_what_became_of_a_push_is_reported(shop: Shop) -> None:
    """Customer.io's clients name neither a type nor an id, and call the delivery an anonymous id."""
    shop.engine.channel("push")(lambda _: None)
    shop.engine.track("purchase", user_id="ada", properties={"product": "socks", "price": 30})
    shop.engine.run_due()
    (push,) = shop.engine.deliveries()
    report = {
        "anonymousId": push.idempotency_key,
        "properties": {
            "recipient": "token-1",
            "metric": "delivered",
            "deliveryId": push.idempotency_key,
        },
        "event": "Report Delivery Event",
    }
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Authorization": f"Basic {b64encode(f'{shop.key}:'.encode()).decode()}",
    }
    answered = _ask(shop, "POST", "/v1/track", json.dumps(report).encode(), headers)
    assert answered == (200, {"success": True})
    (push,) = shop.engine.deliveries()
    assert push.reports == {Metric.DELIVERED}
