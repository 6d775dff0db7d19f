"""A whole visit through each client of browsers in Chromium, against a real server of another origin."""

import pytest
from tests.js_clients.browser_clients import CLIENTS, key_for, said
from tests.js_clients.forwarder import Forwarder
from tests.js_clients.pages import Visitor
from tests.js_clients.serving import Serving
from tests.js_clients.session import differences

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
