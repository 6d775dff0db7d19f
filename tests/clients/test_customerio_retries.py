"""Customer.io's client of the Track API, as its users install it, over TLS: a visit, and what it sends again.

`test_customerio_client` has its other calls.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.clients.doors import Between, Break, Shop, open_shop
from tests.clients.expected import stored_in
from tests.customerio import recorded
from tests.http_receiver import authority, http_receiver

import customerio
from whereupon.records import Delivery

MARCH = datetime(2026, 3, 12, 10, 0, 0, tzinfo=UTC)
MARCH_SECONDS = 1773309600
AWKWARD = "ada@x +1/ä"
"""An id with what a path has to encode."""


@pytest.fixture(autouse=True)
def _trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the certificate of the test."""
    bundle = tmp_path / "authority.pem"
    authority().cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))


@contextmanager
def _client(
    shop: Shop, *plan: Break, limit: str | None = None
) -> Iterator[tuple[customerio.CustomerIO, Between]]:
    """A client, which speaks TLS alone, and the proxy that ends it."""
    made = shop.engine.keys.create("track", kind="server", limit=limit)
    proxy = Between(shop.url)
    proxy.plan.extend(plan)
    with (
        http_receiver(tls_host="localhost", respond=proxy.pass_on) as receiver,
        customerio.CustomerIO(
            made.key.id, made.secret, host="localhost", port=receiver.port
        ) as client,
    ):
        yield client, proxy


def test_a_visit_arrives_as_it_was_sent_and_triggers_a_rule() -> None:
    """Each call is the message that it means, with every value; the client makes Unix times of instants."""
    with open_shop() as shop, _client(shop) as (client, proxy):
        client.track_anonymous("anon-1", "purchase", {"product": "socks", "price": 23.45})
        client.identify(
            AWKWARD,
            anonymous_id="anon-1",
            email="ada@example.com",
            created_at=MARCH,
            score=float("nan"),
            address={"city": "Łódź", "since": MARCH},
            tags=["a", None, [1.5, "🧦"]],
        )
        client.track(AWKWARD, "played_game", {"round": 2**53 + 1, "none": None}, id="game-1")
        client.track(AWKWARD, "played_game", {"round": 2**53 + 1}, id="game-1")
        client.backfill(AWKWARD, "signed_up", MARCH, plan="pro")
        client.pageview(AWKWARD, "https://shop.example/socks", referrer="https://example.org")
        assert {*proxy.statuses} == {200}
        assert recorded(shop.engine) == [
            ("track", "purchase", None, "anon-1", {"product": "socks", "price": 23.45}),
            ("identify", "", AWKWARD, "anon-1", _attributes()),
            ("track", "played_game", AWKWARD, None, {"round": 2**53 + 1, "none": None}),
            ("track", "signed_up", AWKWARD, None, {"plan": "pro"}),
            (
                "page",
                "https://shop.example/socks",
                AWKWARD,
                None,
                {"referrer": "https://example.org"},
            ),
        ]
        stored = stored_in(shop.engine)
        assert "game-1" in stored
        (signed_up,) = [each for each in stored.values() if each.name == "signed_up"]
        assert signed_up.timestamp == MARCH
        with shop.engine.store.reading() as session:
            (thanks,) = session.scan(Delivery)  # for what was bought before anybody was known
        assert thanks.person == AWKWARD


def _attributes() -> dict[str, object]:
    return {
        "email": "ada@example.com",
        "created_at": MARCH_SECONDS,
        "score": None,
        "address": {"city": "Łódź", "since": MARCH_SECONDS},
        "tags": ["a", None, [1.5, "🧦"]],
    }


@pytest.mark.parametrize("how", [Break.BEFORE, Break.AFTER], ids=["before", "after"])
def test_a_call_that_is_made_again_counts_once(how: Break) -> None:
    """If the app names the event by an id; the client tries again on its own when a connection breaks."""
    with open_shop() as shop, _client(shop, how, how) as (client, proxy):
        client.identify("ada")
        client.track("ada", "purchase", {"product": "socks", "price": 30}, id="order-1")
        assert len(proxy.requests) == 4
        with shop.engine.store.reading() as session:
            (thanks,) = session.scan(Delivery)
        assert thanks.message_id == "order-1"


def test_a_key_over_its_limit_waits_as_long_as_the_answer_says() -> None:
    """The client tries again three times on its own, so every call goes through."""
    with open_shop() as shop, _client(shop, limit="1 per 1s") as (client, proxy):
        for number in range(3):
            client.track("ada", "purchase", {"product": "hats", "price": 30}, id=f"order-{number}")
        assert {*proxy.statuses} == {200, 429}
        assert {*stored_in(shop.engine)} == {"order-0", "order-1", "order-2"}
