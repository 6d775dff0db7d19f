"""Runs a client of Node in a process of its own."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue
from tests.js_clients.serving import PATIENCE

_NODE = shutil.which("node") or "node"
_SCRIPT = Path(__file__).parent / "node" / "run.mjs"


@dataclass(frozen=True)
class Ended:
    """What a client said.

    Attributes:
        failed: the failures that it told its user.
        said: all else, line by line.
    """

    failed: list[str]
    said: list[dict[str, JsonValue]]


def run_node(client: str, url: str, key: str, **job: JsonValue) -> Ended:
    """Send through a client, and return when everything is answered or given up; for jobs see run.mjs."""
    ran = subprocess.run(
        [_NODE, str(_SCRIPT), client, url, key, json.dumps(job)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert {"ended": True} in lines, f"{ran.stdout}\n{ran.stderr}"
    return Ended(
        failed=[line["failed"] for line in lines if "failed" in line],
        said=[line for line in lines[:-1] if "failed" not in line],
    )
