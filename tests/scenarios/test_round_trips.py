"""How often one call waits for PostgreSQL, counted on the wire."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle
from urllib.parse import quote_plus

import psycopg
import pytest
from tests.benchmarks.workload import rules
from tests.round_trips import Relay, relayed
from tests.rule_files import book_of
from tests.servers import Server
from tests.shop import thanks

from whereupon.engine import Engine
from whereupon.errors import StoreError
from whereupon.messages.model import Origin, SenderClass
from whereupon.records import Changes, Delivery, SetAside
from whereupon.storage import open_store

MOST = 5
"""Round trips of one call that claims nothing."""
NOW = datetime(2026, 3, 1, tzinfo=UTC)
ODD_TEXTS = ("", " ", "NULL", '"', "\\", '\\"', "{a,b}", "a,b", "'", "%s", "é", "🧦", "\n")


@pytest.fixture
def relay(server: Server) -> Iterator[Relay]:
    """A relay before the server."""
    with relayed(server.socket) as found:
        yield found


@pytest.fixture
def place(server: Server, relay: Relay) -> Iterator[str]:
    """An empty store behind the relay."""
    with server.clean() as url:
        yield url.replace(quote_plus(server.socket), quote_plus(relay.folder))


@pytest.fixture
def engine(place: str) -> Iterator[Engine]:
    """An engine with a thousand rules, which has met every event, name and version that follows."""
    with Engine.open(place, rules=book_of(*rules())) as found:
        for number in range(100):
            track(found, number)
        found.track("event-1", anonymous_id="a-1", properties={})
        yield found


def track(engine: Engine, number: int, country: str = "fr") -> None:
    """One message of one of twenty persons."""
    properties = {
        "category": "category-1",
        "country": country,
        "price": number % 200,
        "currency": "EUR",
        "size": number % 50,
    }
    engine.track(f"event-{number % 50}", user_id=f"u{number % 20}", properties=properties)


def test_a_call_takes_at_most_five_round_trips(engine: Engine, relay: Relay) -> None:
    """By a known person, whatever it triggers: with the rule's delivery, or with skips alone."""
    for number in range(100, 200):
        relay.waits.clear()
        track(engine, number)
        assert len(relay.waits) <= MOST, relay.waits


@pytest.mark.parametrize("anonymous_id", ["a-1", "a-2"], ids=["known", "new"])
def test_an_anonymous_call_does_not_take_more(
    engine: Engine, relay: Relay, anonymous_id: str
) -> None:
    """Nothing is claimed by it."""
    relay.waits.clear()
    engine.track("event-1", anonymous_id=anonymous_id, properties={})
    assert len(relay.waits) <= MOST, relay.waits


def test_neither_does_the_first_call_of_a_person(engine: Engine, relay: Relay) -> None:
    """There is nobody to lock."""
    relay.waits.clear()
    engine.track("event-1", user_id="new", properties={})
    assert len(relay.waits) <= MOST, relay.waits


def test_a_call_in_a_transaction_of_the_host_waits_as_seldom(
    place: str, engine: Engine, relay: Relay
) -> None:
    """Beside the five, for its savepoint and settings, which are looked at and restored."""
    query = psycopg.conninfo.make_conninfo(
        host=relay.folder,
        user="postgres",
        dbname="postgres",
        options="-csearch_path=" + place.rpartition("search_path%3D")[2],
    )
    with psycopg.connect(query) as lent:
        engine.track("event-1", user_id="u1", properties={}, connection=lent)
        relay.waits.clear()
        engine.track("event-1", user_id="u1", properties={}, connection=lent)
        assert len(relay.waits) <= MOST + 6, relay.waits


def test_an_idle_connection_that_the_server_has_closed_is_replaced(server: Server) -> None:
    """Without a question to the server before each call."""
    with server.clean() as url, Engine.open(f"{url}&application_name=idle") as engine:
        engine.track("event-1", user_id="ada")
        server.end_connections("idle")
        engine.track("event-1", user_id="ada")


@pytest.mark.parametrize("many", [1, 20, 300])
def test_texts_are_kept_as_they_are_however_many_rows_are_new(server: Server, many: int) -> None:
    """Whether a row is inserted, arrays or a COPY; but for NUL, which is kept as its symbol."""
    texts = [each for each, _ in zip(cycle([*ODD_TEXTS, "no \0 socks"]), range(many), strict=False)]
    with server.clean() as url:
        store = open_store(url)
        made = [
            _delivery(key).changed(reason=text if key % 3 else None)
            for key, text in enumerate(texts, 1)
        ]
        with store.session() as session:
            session.flush(Changes(deliveries=made))
        with store.session() as session:
            kept = session.deliveries_by_key([each.idempotency_key for each in made])
        said = {each.key: each.reason and each.reason.replace("\0", "␀") for each in made}
        assert {each.key: each.reason for each in kept} == said
        store.close()


@pytest.mark.parametrize("many", [1, len(ODD_TEXTS)])
def test_values_are_kept_as_they_are_however_many_rows_are_put(server: Server, many: int) -> None:
    """Whether a statement takes a row or arrays; what is put again replaces what was put before."""
    with server.clean() as url:
        store = open_store(url)
        made = [_set_aside(text, f"{place}") for place, text in enumerate(ODD_TEXTS[:many])]
        before = [replace(each, reason="before") for each in made]
        for rows in (before, [*before, *made]):
            with store.session() as session:
                session.flush(Changes(set_aside=rows))
        with store.session() as session:
            kept = {each.message_id: each for each in session.set_aside(100)}
        assert kept == {each.message_id: each for each in made}
        store.close()


def _set_aside(text: str, message_id: str) -> SetAside:
    body = bytes(range(256)) + text.encode()
    sent = (text, None, NOW, SenderClass.SERVER.value, Origin.LIVE.value)
    return SetAside(message_id, *sent, body, text, NOW)


def test_what_fails_among_statements_that_share_a_round_trip_is_what_is_raised(
    server: Server,
) -> None:
    """And not that those behind it were skipped; nothing of the transaction stays."""
    with server.clean() as url:
        store = open_store(url)
        wrong = Changes(
            rule_versions={"d1": ("socks", b"campaign: socks")},
            deliveries=[_delivery(1), _delivery(1)],
        )
        with pytest.raises(StoreError, match="duplicate key") as caught, store.session() as session:
            session.flush(wrong)
        assert caught.value.code == "conflict"
        with store.session() as session:
            assert session.kept_versions(["d1"]) == set()
        store.close()


def _delivery(key: int) -> Delivery:
    return Delivery(
        key=key,
        idempotency_key=f"d-{key}",
        rule="socks",
        person_key=1,
        person="ada",
        channel="push",
        due_at=NOW,
        content={},
    )


def test_a_listening_host_still_hears_every_statement(server: Server) -> None:
    """Then each goes by itself, through SQLAlchemy."""
    from sqlalchemy import create_engine, event  # noqa: PLC0415

    heard = []
    with server.clean() as url:
        database = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
        event.listen(database, "before_cursor_execute", lambda *asked: heard.append(asked[2]))
        with Engine.open(database, rules=book_of(thanks())) as engine:
            engine.track("Order Completed", user_id="ada")
        assert any("INSERT INTO whereupon_message" in each for each in heard)
        database.dispose()
