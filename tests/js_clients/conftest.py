"""What the tests of the clients need: Node, the clients themselves, and servers for them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from tests.js_clients.forwarder import Forwarder, forwarder
from tests.js_clients.pages import Visitor, chromium, page_server
from tests.js_clients.serving import Serving, serving

HERE = Path(__file__).parent


def pytest_sessionstart() -> None:
    """Say at once what is missing on this machine."""
    missing = [
        what
        for what, there in (
            ("Node (version 18 or later, with npm)", shutil.which("node")),
            ("Chromium", shutil.which("chromium") or shutil.which("google-chrome")),
            ("the clients (make test-clients installs them)", (HERE / "node_modules").is_dir()),
        )
        if not there
    ]
    if missing:
        pytest.exit(f"this machine lacks {' and '.join(missing)}", returncode=2)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Serving]:
    """A shop's rules, served to the clients of one test."""
    with serving(tmp_path) as running:
        yield running


@pytest.fixture
def wire(shop: Serving) -> Iterator[Forwarder]:
    """A proxy before the shop."""
    with forwarder(shop.url) as wire:
        yield wire


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, begun once."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def origin() -> Iterator[str]:
    """The origin of the shop's pages, which is not the one that they send to."""
    with page_server() as origin:
        yield origin


@pytest.fixture
def visitor(browser: Browser, origin: str) -> Iterator[Visitor]:
    """A page of the shop, in a browser that was never there."""
    with browser.new_context() as context:
        yield Visitor(context.new_page(), origin)
