"""The part of ``make demo`` that starts a server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.paths import ROOT

pytestmark = pytest.mark.slow


def test_events_over_http_trigger_rules_also_where_there_is_no_browser(tmp_path: Path) -> None:
    """The script's and the page's orders are confirmed; what stands in for the browser is said."""
    ran = subprocess.run(
        [sys.executable, "-m", "fixtures.examples.real_events"],
        env={**os.environ, "PATH": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "There is no Chromium, or nothing from npm" in ran.stdout
    for subject in ("Order O-1 is confirmed", "Order O-2 is confirmed"):
        assert f"email: {subject} (order-confirmation)" in ran.stdout
