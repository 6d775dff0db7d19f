"""What the page on clients shows for Node is what works: its code runs as it stands, with another host and key."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.clients.doors import open_shop
from tests.clients.expected import stored_in
from tests.js_clients.serving import PATIENCE
from tests.paths import ROOT

PAGE = ROOT / "engine" / "docs" / "clients.md"
CLIENTS = ("segment", "customerio", "pipelines", "rudderstack", "old")
_ENDS = {
    **dict.fromkeys(("segment", "customerio"), "closeAndFlush"),
    **dict.fromkeys(("rudderstack", "old"), "flush"),
}


def test_the_code_for_node_sends_to_the_door() -> None:
    """Each client that the page makes sends one event, and all of them arrive."""
    section = PAGE.read_text().partition("\n## Node\n")[2]
    block = re.search(r"^```js\n(.*?)^```$", section, re.M | re.S)
    assert block is not None
    code = block[1].replace("await segment.closeAndFlush();", "")
    sends = [
        f'await {name}.track({{userId: "ada", event: "x", messageId: "{name}"}});'
        for name in CLIENTS
    ]
    ends = [f"await {name}.{end}();" for name, end in _ENDS.items()]
    with open_shop() as shop:
        code = code.replace("https://events.shop.example", shop.url)
        code = code.replace("wk_YOUR_SECRET", shop.key)
        ran = subprocess.run(
            [shutil.which("node") or "node", "--input-type=module"],
            input="\n".join([code, *sends, *ends, "process.exit(0);"]),
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert {*stored_in(shop.engine)} == {*CLIENTS}


def test_the_page_of_the_demo_triggers_a_rule_from_chromium() -> None:
    """It loads Segment's client from the door, and its order is confirmed."""
    ran = subprocess.run(
        [sys.executable, "-m", "fixtures.examples.real_events"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "from Chromium with Segment's client" in ran.stdout
    assert "email: Order O-2 is confirmed (order-confirmation)" in ran.stdout
