"""The example of a page: what is clicked on it, sent by an official client, triggers a rule behind the door."""

from pathlib import Path

from playwright.sync_api import Browser
from tests.js_clients.pages import CLIENT_OF_RUDDERSTACK, page_server
from tests.js_clients.serving import PATIENCE, serving
from tests.paths import ROOT

from whereupon import Engine
from whereupon.records.api_keys import KeyKind

EXAMPLES = ROOT / "fixtures" / "examples"
RULES = EXAMPLES / "rules"
SHOWN = '"http://127.0.0.1:8080"'
"""Where the page sends to."""


def _put(site: Path, url: str) -> None:
    """Put the page where it can be served: as it is, but for the port of whereupon, with the client beside it."""
    text = (EXAMPLES / "shop_page.html").read_text(encoding="utf-8")
    assert text.count(SHOWN) == 1
    site.mkdir()
    (site / "shop_page.html").write_text(text.replace(SHOWN, f'"{url}"'), encoding="utf-8")
    (site / "rudder-analytics.js").symlink_to(CLIENT_OF_RUDDERSTACK)


def test_the_page_triggers_a_rule_through_the_door(tmp_path: Path, browser: Browser) -> None:
    """A guest orders, and signs in; the order is thanked for."""
    (tmp_path / "rules").symlink_to(RULES)
    with (
        serving(tmp_path) as shop,
        page_server(tmp_path / "site") as origin,
        browser.new_context() as context,
    ):
        _put(tmp_path / "site", shop.url)
        page = context.new_page()
        page.set_default_timeout(PATIENCE * 1_000)
        page.goto(f"{origin}/shop_page.html#{shop.key(KeyKind.CLIENT, origins=(origin,)).secret}")
        with page.expect_response(f"{shop.url}/v1/track") as ordered:
            page.get_by_role("button", name="Order").click()
        with page.expect_response(f"{shop.url}/v1/identify") as known:
            page.get_by_placeholder("E-mail").fill("ada@example.com")
            page.get_by_role("button", name="Sign in").click()
        assert (ordered.value.status, known.value.status) == (200, 200)
        with Engine.open(shop.store, rules=RULES) as engine:
            (thanks,) = engine.deliveries()
    assert (thanks.rule, thanks.person, thanks.channel) == ("order-thanks", "ada", "email")
    assert thanks.content == {"subject": "We have your order O-1"}
    assert thanks.recipient["email"] == "ada@example.com"
