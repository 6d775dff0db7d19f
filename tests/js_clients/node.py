"""Runs a client of Node in a process of its own."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue
from tests.js_clients.serving import PATIENCE

from whereupon.operations.api_keys import NewKey

_NODE = shutil.which("node") or "node"
_SCRIPTS = Path(__file__).parent / "node"
_SCRIPT = _SCRIPTS / "run.mjs"
_CUSTOMERIO = _SCRIPTS / "customerio.mjs"


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


@dataclass(frozen=True)
class Called:
    """What came of one call.

    Attributes:
        answer: what the client returned; None if it threw.
        status: of the answer that it threw for.
        error: what it threw, in words.
    """

    call: str
    answer: JsonValue = None
    status: int | None = None
    error: str = ""


def call_customerio(
    package: str, url: str, key: NewKey, job: str, *, authority: Path
) -> dict[str, Called]:
    """Make the calls of a job of customerio.mjs; what came of each, by its name.

    Args:
        package: the name under which a version of the client is installed.
        authority: a certificate that signed the server's.
    """
    ran = subprocess.run(
        [_NODE, str(_CUSTOMERIO), package, url, key.key.id, key.secret, job],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, "NODE_EXTRA_CA_CERTS": str(authority)},
    )
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert {"ended": True} in lines, f"{ran.stdout}\n{ran.stderr}"
    return {line["call"]: Called(**line) for line in lines[:-1]}
