"""Serves the pages of a shop, on an origin of its own, and opens them in Chromium.

The browser finds no host but this machine: a client that sends anywhere else fails.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from playwright.sync_api import Browser, Page, Playwright, sync_playwright
from pydantic import JsonValue
from tests.js_clients.serving import PATIENCE
from tests.js_clients.session import VISIT
from tests.paths import ROOT

SHOP = "/tests/js_clients/browser/shop.html?utm_source=news&utm_campaign=spring"
PACKAGES = ROOT / "tests" / "js_clients" / "node_modules"
CLIENT_OF_RUDDERSTACK = PACKAGES / "@rudderstack/analytics-js/dist/npm/modern/bundled/umd/index.js"
_ARGUMENTS = (
    "--no-sandbox",  # the tests may run as root, in a container
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
)


class _Files(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    extensions_map: Mapping[str, str] = {  # type: ignore[assignment]  # it is only read
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".mjs": "text/javascript",
    }

    def log_message(self, *_: object) -> None:
        """Nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True


@contextmanager
def page_server(folder: Path = ROOT) -> Iterator[str]:
    """The origin under which the files of a folder are served as pages."""
    server = _Server(("127.0.0.1", 0), partial(_Files, directory=str(folder)))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        yield _launched(playwright)


def _launched(playwright: Playwright) -> Browser:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    return playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))


class Visitor:
    """One page of the shop, with a client in it.

    Attributes:
        troubles: what went wrong on the page, as its console says it.
    """

    def __init__(self, page: Page, origin: str, path: str = SHOP) -> None:
        self.page = page
        self.troubles: list[str] = []
        page.set_default_timeout(PATIENCE * 1_000)
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("requestfailed", lambda request: self.troubles.append(f"{request.url} failed"))
        page.goto(origin + path)

    def open_client(self, name: str, host: str, key: str, **options: JsonValue) -> None:
        """Load a client as its documentation says, with another host."""
        self.page.evaluate("job => open_client(...job)", [name, host, key, options])

    def visit(self, since: int = 0, until: int = len(VISIT)) -> None:
        """Make the calls of the visit, or those of them from one place to before another."""
        self.page.evaluate("([since, until]) => visit(since, until)", [since, until])

    def ask(self, request: str) -> None:
        """Make one of the calls that ask for more than to be recorded."""
        self.page.evaluate("name => ask(name)", request)

    def count(self, number: int, *, size: int = 0) -> None:
        """Send so many messages at once, with so many bytes in each."""
        self.page.evaluate("([number, bytes]) => count(number, bytes)", [number, size])
