"""Pages without a bundler, which load the client's script from the server by the snippet that they have."""

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser
from tests.clients.expected import stored_in
from tests.js_clients.forwarder import Forwarder, forwarder
from tests.js_clients.pages import PACKAGES, Visitor
from tests.web_server import served

from whereupon import Engine
from whereupon.web import DoorOptions

SCRIPTS = DoorOptions(
    segment_scripts=PACKAGES / "@segment/analytics-next/dist/umd",
    customerio_scripts=PACKAGES / "@customerio/cdp-analytics-browser/dist/umd",
)
NAMES = {"segment": "analytics", "customerio": "cioanalytics"}


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An empty one."""
    with Engine.open("memory://") as engine:
        yield engine


@pytest.fixture
def wire(engine: Engine) -> Iterator[Forwarder]:
    """A proxy before a server that has the clients' scripts."""
    with (
        served(engine, door=SCRIPTS) as server,
        forwarder(f"http://127.0.0.1:{server.port}") as wire,
    ):
        yield wire


@pytest.mark.parametrize("maker", NAMES)
def test_a_snippet_loads_its_client_from_the_server(
    maker: str, engine: Engine, wire: Forwarder, browser: Browser, origin: str
) -> None:
    """The page changes the host of the snippet, and asks nobody else; what was called before the script came counts."""
    key = engine.keys.create("page", kind="client", origins=(origin,)).secret
    query = urlencode({"host": wire.url, "key": key, "maker": maker})
    with browser.new_context() as context:
        page = Visitor(
            context.new_page(), origin, f"/tests/js_clients/browser/snippets.html?{query}"
        )
        wire.wait_for(lambda: wire.accepted() == 1)
        page.page.evaluate(f"{NAMES[maker]}.identify('ada', {{ plan: 'pro' }})")
        wire.wait_for(lambda: wire.accepted() == 2)
        assert page.troubles == []
    messages = stored_in(engine).values()
    assert [(one.type, one.name, one.user_id) for one in messages] == [
        ("track", "numbered", None),
        ("identify", "", "ada"),
    ]
