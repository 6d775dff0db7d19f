"""What the pages show for browsers is what works: their code runs as it stands, with another host and key."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from tests.js_clients.forwarder import Forwarder
from tests.js_clients.pages import PACKAGES, Visitor, page_server
from tests.js_clients.serving import PATIENCE, Serving, serving
from tests.paths import ROOT

from whereupon.records.api_keys import KeyKind

DOCS = ROOT / "engine" / "docs"
SCRIPTS = """\
[door]
segment_scripts = "{packages}/@segment/analytics-next/dist/umd"
customerio_scripts = "{packages}/@customerio/cdp-analytics-browser/dist/umd"
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Serving]:
    """A server that has the scripts of the clients, as the page on the door configures it."""
    (tmp_path / "whereupon.toml").write_text(SCRIPTS.format(packages=PACKAGES))
    with serving(tmp_path) as shop:
        yield shop


def block(page: str, section: str, language: str) -> str:
    """The first block of code of a section of a page."""
    text = (DOCS / page).read_text(encoding="utf-8").partition(f"\n## {section}\n")[2]
    found = re.search(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)
    assert found is not None
    return found[1]


def put(site: Path, page: str, shop: Serving, wire: Forwarder, origin: str) -> None:
    """Put a page where it can be served, with the host and a key of the shop in it."""
    key = shop.key(KeyKind.CLIENT, origins=(origin,))
    for shown, real in (
        ("https://events.shop.example", wire.url),
        ("key_YOUR_ID", key.key.id),
        ("wk_YOUR_SECRET", key.secret),
        ("wk_KEY", key.secret),
    ):
        page = page.replace(shown, real)
    icon = '<link rel="icon" href="data:,">'
    (site / "page.html").write_text(f"<!doctype html><meta charset=utf-8>{icon}{page}")


def test_the_code_for_bundlers_sends_to_the_server(
    shop: Serving, wire: Forwarder, browser: Browser, tmp_path: Path
) -> None:
    """A bundler takes the block of the page on clients; each client that it makes sends one event."""
    clients = ("analytics", "rudderstack", "jitsu")
    sends = "".join(f'{name}.track("sent by {name}");\n' for name in clients)
    with page_server(tmp_path / "site") as origin, browser.new_context() as context:
        (tmp_path / "site").mkdir()
        code = bundled(block("clients.md", "Browsers", "js") + sends)
        put(tmp_path / "site", f"<script type=module>{code}</script>", shop, wire, origin)
        visitor = Visitor(context.new_page(), origin, "/page.html")
        wire.wait_for(lambda: wire.accepted() == len(clients))
        assert visitor.troubles == []
    assert {one.body["event"] for one in shop.arrived()} == {f"sent by {name}" for name in clients}


def bundled(code: str) -> str:
    """Code with the packages that it imports."""
    ran = subprocess.run(
        [PACKAGES / ".bin" / "esbuild", "--bundle", "--format=esm"],
        input=code,
        cwd=PACKAGES.parent,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    return ran.stdout.replace("</script", "<\\/script")


@pytest.mark.parametrize(
    "path", ["/analytics.js/v1/wk_KEY", "/v1/analytics-js/snippet/wk_KEY"], ids=["segment", "cio"]
)
def test_the_snippet_sends_to_the_server(
    path: str, shop: Serving, wire: Forwarder, browser: Browser, tmp_path: Path
) -> None:
    """The short form that the page on the door shows, with the script of either maker."""
    snippet = block("door.md", "Settings and scripts", "html")
    with page_server(tmp_path / "site") as origin, browser.new_context() as context:
        (tmp_path / "site").mkdir()
        page = snippet.replace("/analytics.js/v1/wk_KEY", path)
        put(tmp_path / "site", page, shop, wire, origin)
        visitor = Visitor(context.new_page(), origin, "/page.html")
        wire.wait_for(lambda: wire.accepted() == 1)
        assert visitor.troubles == []
    assert [one.body["type"] for one in shop.arrived()] == ["page"]
