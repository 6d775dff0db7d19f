"""A whole visit through each client of browsers in Chromium, against a real server of another origin."""

import pytest
from tests.js_clients.browser_clients import CLIENTS, key_for, said
from tests.js_clients.forwarder import Forwarder
from tests.js_clients.pages import Visitor
from tests.js_clients.serving import Serving
from tests.js_clients.session import KNOWN_FROM, differences

from whereupon import Engine
from whereupon.decide.decisions import Outcome
from whereupon.records import RequestOutcome
from whereupon.records.api_keys import KeyKind


@pytest.mark.parametrize("name", CLIENTS)
def test_what_arrives_is_what_was_sent(
    name: str, shop: Serving, wire: Forwarder, visitor: Visitor
) -> None:
    """A client of browsers needs nothing but another host, and nothing is lost, changed or added on the way."""
    expected = CLIENTS[name].expected(said())
    visitor.open_client(name, wire.url, key_for(name, shop.key(KeyKind.CLIENT)))
    visitor.visit()
    wire.wait_for(lambda: wire.accepted() == len(expected))
    arrived = shop.arrived()
    assert differences(expected, (one.body for one in arrived)) == []
    assert {one.source for one in arrived} == {"client"}
    assert visitor.troubles == []


@pytest.mark.parametrize("name", CLIENTS)
def test_a_browser_registers_a_device_and_may_not_delete_a_person(
    name: str, shop: Serving, wire: Forwarder, visitor: Visitor
) -> None:
    """Rules see what was done before the visitor was known; a deletion that a browser asks for is held.

    The visitor buys once the server knows their plan: a browser sends each call in a request of its own, and one
    that is sent later may arrive earlier.
    """
    client, known = CLIENTS[name], KNOWN_FROM + 1
    calls, first = len(client.expected(said())), len(client.expected(said()[:known]))
    visitor.open_client(name, wire.url, key_for(name, shop.key(KeyKind.CLIENT)))
    visitor.visit(until=known)
    wire.wait_for(lambda: wire.accepted() == first)
    visitor.visit(since=known)
    visitor.ask("device")
    visitor.ask("deletion")
    wire.wait_for(lambda: wire.accepted() == calls + 2)
    with Engine.open(shop.store, rules=shop.folder / "rules") as engine:
        (device,) = engine.devices("ada")
        entered = {explained.outcome for explained in engine.explain("ada", "sock-thanks")}
        held = engine.requests.list(RequestOutcome.HELD)
        claimed = engine.identity("ada").anonymous_ids
    assert (device.token, device.platform) == ("token-1", "ios")
    assert entered == {Outcome.ENTERED}
    assert [(one.event, one.person, one.reason) for one in held] == [
        ("Delete Person", "ada", "source")
    ]
    assert len(claimed) == 2 - ("alias" in CLIENTS[name].lacks)
