"""The example of a backend: its events, sent by an official client, trigger a rule behind the door."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.paths import ROOT
from tests.scenarios.test_serve import Serving, serving

from whereupon import Engine

SCRIPT = ROOT / "fixtures" / "examples" / "send_events.py"
RULES = ROOT / "fixtures" / "examples" / "rules"


def _run(
    command: list[str], folder: Path, **environment: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def _send(running: Serving, folder: Path, key: str) -> "subprocess.CompletedProcess[str]":
    url = f"http://127.0.0.1:{running.port}"
    return _run([str(SCRIPT), url], folder, WHEREUPON_KEY=key)


@pytest.mark.slow
def test_the_script_triggers_a_rule_through_the_door(tmp_path: Path) -> None:
    """As its first lines say: a server, a key, and the script, each a process; a guest's order is thanked for."""
    store = "sqlite:///shop.db"
    with serving(tmp_path, "--store", store, "--rules", str(RULES)) as running:
        made = _run(["-m", "whereupon", "keys", "create", "backend", "--store", store], tmp_path)
        assert made.returncode == 0, made.stderr
        refused = _send(running, tmp_path, "wk_of_nobody")
        assert (refused.returncode, "unknown-key" in refused.stderr) == (1, True)
        sent = _send(running, tmp_path, made.stdout.strip())
        assert (sent.returncode, sent.stderr) == (0, "")
    with Engine.open(f"sqlite:///{tmp_path}/shop.db", rules=RULES) as engine:
        (thanks,) = engine.deliveries()
        assert (thanks.rule, thanks.person, thanks.channel) == ("order-thanks", "ada", "email")
        assert thanks.content == {"subject": "We have your order O-1"}
        assert thanks.recipient["email"] == "ada@example.com"
