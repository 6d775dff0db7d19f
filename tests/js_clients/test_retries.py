"""What clients send again: after it, everything is there once."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from signal import SIGTERM
from threading import Lock

import pytest
from pydantic import JsonValue
from tests.js_clients import browser_clients, node_clients
from tests.js_clients.browser_clients import key_for
from tests.js_clients.forwarder import Exchange, Forwarder, Loss, forwarder
from tests.js_clients.node import run_node
from tests.js_clients.pages import Visitor
from tests.js_clients.serving import PATIENCE, Serving, serving
from tests.js_clients.session import members

from whereupon.records.api_keys import KeyKind

MANY = 40
LONG = "10m"
"""A wait that no machine is too slow for."""
CONNECTIONS = 4
"""So many requests at least a browser makes at once to one host; their bodies are more than the share of a key."""
PATIENT: dict[str, JsonValue] = {"customerio": {"maxRetries": 20}}
"""What a client is told that gives up within a second otherwise, as the page on clients advises."""
NEVER_AGAIN = ("customerio", "jitsu")
"""They send each message once, whatever is answered."""
BROWSERS = sorted(browser_clients.CLIENTS.keys() - {*NEVER_AGAIN})
"""Those that send again."""


@pytest.fixture
def hasty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    """A shop whose store waits for other writers for two seconds only."""
    monkeypatch.setenv("WHEREUPON_PATIENCE", "2s")
    with serving(tmp_path) as shop:
        yield shop


class Writer:
    """Another writer, which keeps all others from the store until an answer says that it is away."""

    def __init__(self, shop: Serving) -> None:
        path = shop.folder / "shop.db"
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("BEGIN IMMEDIATE")

    def release_at_503(self, exchange: Exchange) -> None:
        """End when a client is told; what it sends again finds the store."""
        if exchange.reply.status == 503:
            self.close()

    def close(self) -> None:
        """End."""
        self._database.close()


def arrived_once(shop: Serving) -> bool:
    """Whether every message is in the store, and no second time."""
    numbers = [members(one.body["properties"])["n"] for one in shop.arrived()]
    return Counter(numbers) == Counter(range(MANY))


@pytest.mark.parametrize("name", node_clients.CLIENTS)
def test_a_client_of_node_sends_again_when_the_store_is_away(name: str, hasty: Serving) -> None:
    """503 says that the store is away; nothing of it was recorded, and the client sends it again."""
    key = hasty.key(KeyKind.SERVER).secret
    with forwarder(hasty.url) as wire, closing(Writer(hasty)) as writer:
        wire.before_answer = writer.release_at_503
        ended = run_node(name, wire.url, key, numbered=MANY, options=PATIENT.get(name, {}))
    assert wire.posts(503)
    assert ended.failed == []
    assert arrived_once(hasty)


@pytest.mark.parametrize("name", BROWSERS)
def test_a_client_of_browsers_sends_again_when_the_store_is_away(
    name: str, hasty: Serving, visitor: Visitor
) -> None:
    """It reads Retry-After, which it may, since the answer allows it to pages of other origins."""
    key = hasty.key(KeyKind.CLIENT).secret
    with forwarder(hasty.url) as wire:
        visitor.open_client(name, wire.url, key)
        with closing(Writer(hasty)) as writer:
            wire.before_answer = writer.release_at_503
            visitor.count(MANY)
            wire.wait_for(lambda: wire.accepted() == MANY)
    assert wire.posts(503)
    assert arrived_once(hasty)


@pytest.mark.parametrize("name", NEVER_AGAIN)
def test_a_burst_of_a_client_that_never_sends_again_arrives_whole(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visitor: Visitor
) -> None:
    """More than the queue takes of one key comes in while the store stands still; a browser's key waits for room."""
    monkeypatch.setenv("WHEREUPON_SERVER__QUEUE_BYTES", "1048576")
    monkeypatch.setenv("WHEREUPON_SERVER__QUEUE_SHARE", "0.05")
    monkeypatch.setenv("WHEREUPON_SERVER__WAIT", LONG)
    with serving(tmp_path) as shop, forwarder(shop.url) as wire:
        visitor.open_client(name, wire.url, key_for(name, shop.key(KeyKind.CLIENT)))
        with closing(Writer(shop)):
            visitor.count(MANY, size=20_000)
            wire.wait_for(lambda: wire.begun >= CONNECTIONS)
        wire.wait_for(lambda: len(wire.statuses()) == MANY)
        assert {*wire.statuses()} == {200}
        assert arrived_once(shop)


class Restart:
    """The server ends as soon as it has answered once, and begins again when a client was told that it is away."""

    def __init__(self, shop: Serving) -> None:
        self._shop = shop
        self._turns = Lock()
        self._ended = False

    def __call__(self, exchange: Exchange) -> None:
        """Before an answer goes to the client."""
        with self._turns:
            if not self._ended:
                self._ended = True
                self._shop.process.send_signal(SIGTERM)
                assert self._shop.process.wait(PATIENCE) == 0
            elif exchange.reply.status == 503:
                self.begin()

    def begin(self) -> None:
        """Begin again, if that has not happened yet."""
        if self._shop.process.poll() is not None:
            self._shop.start()


@pytest.mark.parametrize("name", node_clients.CLIENTS)
def test_a_restart_of_the_server_loses_nothing(name: str, tmp_path: Path) -> None:
    """What was acknowledged is there, what was under way is answered, and what came meanwhile is sent again."""
    with serving(tmp_path, "--drain", "0s") as shop, forwarder(shop.url) as wire:
        key = shop.key(KeyKind.SERVER).secret
        wire.before_answer = restart = Restart(shop)
        ended = run_node(name, wire.url, key, numbered=MANY)
        restart.begin()  # if all was in before it ended
        assert ended.failed == []
        assert arrived_once(shop)


@pytest.mark.parametrize("name", node_clients.CLIENTS)
def test_what_a_client_of_node_sends_twice_counts_once(
    name: str, shop: Serving, wire: Forwarder
) -> None:
    """What is sent again has the same message ids."""
    wire.before_answer = Loss()
    ended = run_node(name, wire.url, shop.key(KeyKind.SERVER).secret, numbered=MANY)
    assert ended.failed == []
    assert arrived_once(shop)


@pytest.mark.parametrize("name", BROWSERS)
def test_what_a_client_of_browsers_sends_twice_counts_once(
    name: str, shop: Serving, wire: Forwarder, visitor: Visitor
) -> None:
    """What is sent again has the same message ids."""
    visitor.open_client(name, wire.url, shop.key(KeyKind.CLIENT).secret)
    wire.before_answer = Loss()
    visitor.count(MANY)
    wire.wait_for(lambda: wire.accepted() == MANY)
    assert arrived_once(shop)


@pytest.mark.parametrize("name", node_clients.CLIENTS)
def test_a_client_of_node_sends_again_when_its_key_is_over_its_limit(
    name: str, shop: Serving, wire: Forwarder
) -> None:
    """429 says when to send again; Customer.io's client does not read it, and is told to try more often."""
    key = shop.key(KeyKind.SERVER, limit="20 per 1s")
    ended = run_node(name, wire.url, key.secret, numbered=MANY, options=PATIENT.get(name, {}))
    assert wire.posts(429)
    assert ended.failed == []
    assert arrived_once(shop)


@pytest.mark.parametrize("name", BROWSERS)
def test_a_client_of_browsers_sends_again_when_its_key_is_over_its_limit(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visitor: Visitor
) -> None:
    """Each message is a request of its own there, and those that are refused come again when they may."""
    monkeypatch.setenv("WHEREUPON_SERVER__WAIT", "0s")  # else the server itself lets them wait
    with serving(tmp_path) as shop, forwarder(shop.url) as wire:
        visitor.open_client(name, wire.url, shop.key(KeyKind.CLIENT, limit="20 per 1s").secret)
        visitor.count(MANY)
        wire.wait_for(lambda: wire.accepted() == MANY)
        assert wire.posts(429)
        assert arrived_once(shop)


@pytest.mark.parametrize("name", NEVER_AGAIN)
def test_a_client_that_never_sends_again_is_not_refused_for_its_limit(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visitor: Visitor
) -> None:
    """What is over the limit of a browser's key waits on the server until it may come in."""
    monkeypatch.setenv("WHEREUPON_SERVER__WAIT", LONG)
    with serving(tmp_path) as shop, forwarder(shop.url) as wire:
        key = key_for(name, shop.key(KeyKind.CLIENT, limit="20 per 1s"))
        visitor.open_client(name, wire.url, key)
        visitor.count(MANY)
        wire.wait_for(lambda: len(wire.statuses()) == MANY)
        assert {*wire.statuses()} == {200}
        assert arrived_once(shop)
