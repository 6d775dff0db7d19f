"""How clients of browsers send: in batches, as a beacon, across origins, and to nobody else."""

import pytest
from playwright.sync_api import Browser
from pydantic import JsonValue
from tests.js_clients.browser_clients import CLIENTS, key_for
from tests.js_clients.forwarder import Forwarder
from tests.js_clients.pages import Visitor
from tests.js_clients.serving import Serving
from tests.js_clients.session import members

from whereupon.records.api_keys import KeyKind

_STRATEGY: JsonValue = {"strategy": "batching", "config": {"size": 4, "timeout": 300}}
BATCHING: dict[str, dict[str, JsonValue]] = {
    "segment": {"integrations": {"Segment.io": {"deliveryStrategy": _STRATEGY}}},
    "customerio": {"integrations": {"Customer.io Data Pipelines": {"deliveryStrategy": _STRATEGY}}},
    "rudderstack": {
        "queueOptions": {"batch": {"enabled": True, "maxItems": 4, "flushInterval": 300}}
    },
}
BEACON: dict[str, JsonValue] = {
    "useBeacon": True,
    "beaconQueueOptions": {"maxItems": 100, "flushQueueInterval": 600_000},
}


def numbers(shop: Serving) -> list[JsonValue]:
    """The numbers of the messages in the store."""
    return sorted(members(one.body["properties"])["n"] for one in shop.arrived())  # type: ignore[type-var]  # they are numbers


def preflights(wire: Forwarder) -> list[str]:
    """The paths of messages about which the browser asked whether it may send there, in order."""
    asked = [e.request.path for e in wire.exchanges if e.request.method == "OPTIONS"]
    return [path for path in asked if not path.startswith("/sourceConfig")]


@pytest.mark.parametrize("name", BATCHING)
def test_batches_arrive_whole(name: str, shop: Serving, wire: Forwarder, visitor: Visitor) -> None:
    """A client that collects messages sends several in one request."""
    visitor.open_client(name, wire.url, shop.key(KeyKind.CLIENT).secret, **BATCHING[name])
    visitor.count(10)
    wire.wait_for(lambda: wire.accepted() == 10)
    assert max(len(exchange.messages) for exchange in wire.posts(200)) > 1
    assert {exchange.request.path for exchange in wire.posts(200)} <= {"/v1/b", "/v1/batch"}
    assert numbers(shop) == list(range(10))


def test_what_waits_when_the_page_is_left_arrives_as_a_beacon(
    shop: Serving, wire: Forwarder, visitor: Visitor
) -> None:
    """RudderStack's client hands it to the browser, with the key in the query, and without asking first."""
    visitor.open_client("rudderstack", wire.url, shop.key(KeyKind.CLIENT).secret, **BEACON)
    visitor.count(7)
    assert wire.begun == 0
    visitor.page.close(run_before_unload=True)
    wire.wait_for(lambda: wire.accepted() == 7)
    (beacon,) = wire.posts(200)
    assert beacon.request.path.startswith("/beacon/v1/batch?writeKey=wk_")
    assert beacon.request.headers["sec-fetch-mode"] == "no-cors"
    assert numbers(shop) == list(range(7))


@pytest.mark.parametrize("name", ["segment", "customerio"])
def test_what_waits_when_the_page_is_left_arrives_all_the_same(
    name: str, shop: Serving, wire: Forwarder, visitor: Visitor
) -> None:
    """A batch that is not full goes when the page does."""
    slow: JsonValue = {"strategy": "batching", "config": {"size": 50, "timeout": 600_000}}
    (integration,) = members(BATCHING[name]["integrations"])
    options: dict[str, JsonValue] = {"integrations": {integration: {"deliveryStrategy": slow}}}
    visitor.open_client(name, wire.url, shop.key(KeyKind.CLIENT).secret, **options)
    visitor.count(7)
    assert wire.begun == 0
    visitor.page.evaluate("window.counted.then(() => true)")  # they are in the batch
    visitor.page.goto("about:blank")
    wire.wait_for(lambda: wire.accepted() == 7)
    assert numbers(shop) == list(range(7))


@pytest.mark.parametrize("name", CLIENTS)
def test_a_browser_asks_once_for_each_path_before_it_sends(
    name: str, shop: Serving, wire: Forwarder, visitor: Visitor
) -> None:
    """It keeps the answer to a preflight; Customer.io's client needs none, since it sends nothing but plain text."""
    visitor.open_client(name, wire.url, key_for(name, shop.key(KeyKind.CLIENT)))
    calls = 8 - len(CLIENTS[name].lacks)
    visitor.visit()
    wire.wait_for(lambda: wire.accepted() == calls)
    asked = preflights(wire)
    visitor.visit()
    wire.wait_for(lambda: wire.accepted() == 2 * calls)
    assert preflights(wire) == asked
    sent = {exchange.request.path for exchange in wire.posts(200)}
    assert set(asked) == (set() if name == "customerio" else sent)


@pytest.mark.parametrize("name", CLIENTS)
def test_only_pages_of_its_origins_may_use_a_key(
    name: str, shop: Serving, wire: Forwarder, browser: Browser, origin: str
) -> None:
    """A copied key does not work on another page, and the client there is told so."""
    key = key_for(name, shop.key(KeyKind.CLIENT, origins=(origin,)))
    with browser.new_context() as context:
        ours = Visitor(context.new_page(), origin)
        ours.open_client(name, wire.url, key)
        ours.count(1)
        wire.wait_for(lambda: wire.accepted() == 1)
        foreign = Visitor(context.new_page(), origin.replace("localhost", "127.0.0.1"))
        foreign.open_client(name, wire.url, key)
        foreign.count(1)
        wire.wait_for(lambda: len(wire.posts(401)) == 1)
    assert numbers(shop) == [0]
