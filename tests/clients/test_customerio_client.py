"""Customer.io's own client for Python, over TLS, against a running door: what it says is what happens.

The client takes no other scheme than https, so something that ends TLS stands before the door, as in production.
"""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import JsonValue
from tests.clients.doors import Shop, ask
from tests.http_receiver import Received, Reply, authority, http_receiver
from tests.rule_files import book_of, broadcast, campaign
from tests.web_server import served

from customerio import APIClient, CustomerIO, CustomerIOException, SendEmailRequest, SendPushRequest
from whereupon import Engine
from whereupon.messages.model import Message
from whereupon.records import Relationship, StoredMessage

RECEIPT: list[JsonValue] = [
    {"send": "email", "kind": "transactional", "subject": "Thanks, {{ properties.name }}"},
    {"send": "push", "kind": "transactional", "title": "Thanks"},
]
BOOK = book_of(
    broadcast("3", "api", whereupon=RECEIPT),
    campaign("thanks", "purchase", whereupon=[{"send": "email", "subject": "Thanks"}]),
)


@pytest.fixture
def shop(place: str) -> Iterator[Shop]:
    """A door on each kind of store, behind something that ends TLS; its URL is that one's."""
    with ExitStack() as stack:
        engine = stack.enter_context(Engine.open(place, rules=BOOK, digest_key=b"of-the-test"))
        door = f"http://127.0.0.1:{stack.enter_context(served(engine)).port}"

        def pass_on(request: Received) -> Reply:
            return ask(door, request)

        tls = stack.enter_context(http_receiver(tls_host="localhost", respond=pass_on))
        secret = engine.keys.create("app", kind="server", key_id="site").secret
        yield Shop(engine, f"localhost:{tls.port}", secret)


@pytest.fixture(autouse=True)
def _trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client trusts the authority of the test."""
    path = str(tmp_path / "authority.pem")
    authority().cert_pem.write_to_path(path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", path)


@contextmanager
def _track(shop: Shop) -> Iterator[CustomerIO]:
    host, _, port = shop.url.partition(":")
    made = CustomerIO("site", shop.key, host=host, port=int(port))
    with made as client:
        yield client


@contextmanager
def _app(shop: Shop) -> Iterator[APIClient]:
    with APIClient(shop.key, url=f"https://{shop.url}") as client:
        yield client


def _messages(engine: Engine) -> list[Message]:
    with engine.store.reading() as session:
        stored = sorted(session.scan(StoredMessage), key=lambda each: each.key)
    return [each.message for each in stored if each.message.body]


def test_what_the_client_tracks_arrives_field_by_field(shop: Shop) -> None:
    """Ids with every sign, numbers as ids, times, nulls and nested lists: each as it was sent."""
    now = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - of the app, which has no Clock
    earlier = now - timedelta(hours=1)
    odd = "ada@x +1/ä?&#%"
    with _track(shop) as cio:
        cio.identify(
            odd, email="ada@example.com", when=now, none=None, nan=math.nan, tags=["a", {"b": 1}]
        )
        cio.identify(5, first_name="Num")
        cio.track(
            odd,
            "purchase",
            {"price": 23.45, "nested": {"a": [1, None]}},
            id="01",
            timestamp=earlier,
        )
        cio.track_anonymous("anon-1", "viewed", {"n": 1})
        cio.pageview(odd, "/pricing", ref="/home")
        cio.backfill(odd, "old", earlier, n=1)
        cio.identify(odd, anonymous_id="anon-1")
    seconds = int(now.timestamp())
    said = [
        (m.type.value, m.name, m.user_id, m.anonymous_id, m.data) for m in _messages(shop.engine)
    ]
    assert said == [
        (
            "identify",
            "",
            odd,
            None,
            {
                "email": "ada@example.com",
                "when": seconds,
                "none": None,
                "nan": None,
                "tags": ["a", {"b": 1}],
            },
        ),
        ("identify", "", "5", None, {"first_name": "Num"}),
        ("track", "purchase", odd, None, {"price": 23.45, "nested": {"a": [1, None]}}),
        ("track", "viewed", None, "anon-1", {"n": 1}),
        ("page", "/pricing", odd, None, {"ref": "/home"}),
        ("track", "old", odd, None, {"n": 1}),
        ("identify", "", odd, "anon-1", {}),
    ]
    purchase = _messages(shop.engine)[2]
    assert (purchase.message_id, purchase.timestamp) == ("01", earlier)
    assert {each.person for each in shop.engine.deliveries()} == {odd}


def test_what_the_client_asks_for_is_done(shop: Shop) -> None:
    """Devices, merges, suppressing and deleting, by calls of their own and in a batch."""
    engine = shop.engine
    with _track(shop) as cio:
        cio.identify("ada", plan="pro")
        cio.identify("ada2", city="Paris", email="ada2@example.com")
        cio.add_device("ada", "tok/1", "ios", attributes={"app_version": "1"})
        assert [each.token for each in engine.devices("ada")] == ["tok/1"]
        cio.merge_customers("id", "ada", "email", "ada2@example.com")
        assert engine.identity("ada2").person == engine.identity("ada").person
        cio.delete_device("ada", "tok/1")
        assert list(engine.devices("ada")) == []
        cio.identify("bob")
        cio.suppress("bob")
        cio.identify("bob")
        assert not _is_known(engine, "bob")
        cio.unsuppress("bob")
        cio.identify("bob")
        assert _is_known(engine, "bob")
        cio.delete("bob")
        assert not _is_known(engine, "bob")
        person = {"type": "person", "identifiers": {"id": "ada"}}
        acme = {"type": "object", "identifiers": {"object_type_id": "1", "object_id": "acme"}}
        ties = {"cio_relationships": [{"identifiers": {"id": "ada"}}]}
        answered = cio.batch(
            [
                {**person, "action": "event", "name": "purchase", "attributes": {"price": 1}},
                {**acme, "action": "identify", "attributes": {"name": "Acme"}, **ties},
                {**person, "action": "bogus"},
            ]
        )
        assert answered.status_code == 207
        assert [each["batch_index"] for each in answered.json()["errors"]] == [2]
    with engine.store.reading() as session:
        assert [each.object_id for each in session.scan(Relationship)] == ["acme"]
    assert [each.person for each in engine.deliveries()] == ["ada"]


def test_the_client_sends_transactional_messages(shop: Shop) -> None:
    """The answer is the delivery's key, which the client gives back as it is."""
    with _track(shop) as cio, _app(shop) as api:
        cio.identify("ada", email="ada@example.com")
        request = SendEmailRequest(
            to="ada@example.com",
            identifiers={"id": "ada"},
            transactional_message_id="3",
            message_data={"name": "Ada"},
        )
        answered = api.send_email(request)
        sent = {each.idempotency_key: each for each in shop.engine.deliveries()}
        assert sent[answered["delivery_id"]].content == {"subject": "Thanks, Ada"}
        request.attach("a.txt", "hello")
        with pytest.raises(CustomerIOException, match="attachments is not taken"):
            api.send_email(request)
        with pytest.raises(CustomerIOException, match="the first step of 3 is not"):
            api.send_push(SendPushRequest(transactional_message_id=3, identifiers={"id": "ada"}))


def test_the_client_shows_what_is_refused(shop: Shop) -> None:
    """It raises the status and the sentence; nothing is recorded."""
    with _track(shop) as cio:
        with pytest.raises(CustomerIOException, match=r"400: .* is a placeholder, not an id"):
            cio.identify("null")
        with pytest.raises(CustomerIOException, match=r"400: .* anonymous_id"):
            cio.track_anonymous("", "invite", {"recipient": "bob@example.com"})
        cio.http.auth = ("site", "wrong")
        with pytest.raises(CustomerIOException, match=r"401: .*the key is not known"):
            cio.identify("ada")
        cio.http.auth = ("other", shop.key)
        with pytest.raises(CustomerIOException, match="401: "):
            cio.identify("ada")
    assert _messages(shop.engine) == []


def _is_known(engine: Engine, user_id: str) -> bool:
    with engine.store.reading() as session:
        return bool(session.identifiers([user_id], ()))
