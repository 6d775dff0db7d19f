"""How long an honest client waits for its answers: alone, beside ten thousand bad connections, beside a flood.

    python -m tests.benchmarks.honest [--connections N] [--requests N]

The server is ``whereupon serve`` in a process of its own, on SQLite. The honest client sends single messages, one
after another, on one connection. Each figure is the 99th percentile of its waits, beside that of the same client
alone on the same server. Both are measured in turns, so that what else the machine does meets both.
"""

import argparse
import json
import statistics
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from time import perf_counter

from tests.benchmarks.served import served
from tests.benchmarks.table import Row, at_most, exit_status, show
from tests.paths import ROOT

BAR = 2.0
TURNS = 3
LIMIT = "1000 per 1s"
"""Of the key that floods beyond its limit."""
REPRODUCE = "python -m tests.benchmarks.honest"
CROWDS = {
    "idle": "say nothing",
    "headers": "send half of their headers",
    "body": "send half of a body",
}


class _Honest:
    """A client that sends one message after another."""

    def __init__(self, port: int, secret: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)
        basic = b64encode(f"{secret}:".encode()).decode()
        self._headers = {"Authorization": f"Basic {basic}"}
        self._sent = 0

    def waits(self, requests: int) -> list[float]:
        """The seconds until each answer."""
        return [self._wait() for _ in range(requests)]

    def _wait(self) -> float:
        self._sent += 1
        message = {"event": "Product Viewed", "userId": f"honest-{self._sent % 50}"}
        body = json.dumps({**message, "messageId": f"honest-{self._sent}"})
        began = perf_counter()
        self._connection.request("POST", "/v1/track", body, self._headers)
        answer = self._connection.getresponse()
        answer.read()
        assert answer.status == 200, f"an honest client was answered with {answer.status}"
        return perf_counter() - began


@contextmanager
def _beside(module: str, *arguments: str) -> Iterator[None]:
    """Run another client meanwhile, once it says that it is ready."""
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments]
    with Popen(command, stdin=PIPE, stdout=PIPE, cwd=ROOT, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            message = f"{module} did not become ready"
            raise AssertionError(message)
        yield
        process.stdin.close()
        said = process.stdout.read().strip()
        sys.stderr.write(f"{module}: {said}\n")


def _crowd(port: int, _: str, *, count: int, kind: str) -> tuple[str, ...]:
    return "crowding", str(port), str(count), kind


def _flood(port: int, flooder: str) -> tuple[str, ...]:
    return "flooding", str(port), flooder, "16"


def _p99(waits: list[float]) -> float:
    return statistics.quantiles(waits, n=100)[98]


def rows(connections: int = 10_000, requests: int = 3_000) -> list[Row]:
    """Measure every figure, each on a server of its own."""
    return [
        *(
            _row(
                f"an honest client's p99 beside {connections:,} connections that {what}",
                requests,
                partial(_crowd, count=connections, kind=kind),
            )
            for kind, what in CROWDS.items()
        ),
        _row("an honest client's p99 beside another key's flood", requests, _flood),
        _row(
            "an honest client's p99 beside another key's flood over its limit",
            requests,
            _flood,
            limit=LIMIT,
        ),
    ]


def _row(
    figure: str,
    requests: int,
    others: Callable[[int, str], tuple[str, ...]],
    *,
    limit: str | None = None,
) -> Row:
    """One figure: alone and beside the others, in turns."""
    before, beside = list[float](), list[float]()
    with TemporaryDirectory(prefix="whereupon-honest-") as folder:
        url = f"sqlite:///{Path(folder, 'store.db')}"
        with served(url, keys=("honest", "flood"), limits={"flood": limit}) as (port, keys):
            client = _Honest(port, keys["honest"])
            client.waits(200)  # everything is imported, every page of the file is there
            for _ in range(TURNS):
                before += client.waits(requests // TURNS)
                with _beside(*others(port, keys["flood"])):
                    beside += client.waits(requests // TURNS)
    alone = _p99(before)
    value, ratio = _p99(beside), _p99(beside) / alone
    bar, is_met = at_most(ratio, BAR)
    spread = 100 * statistics.stdev(beside) / statistics.mean(beside)
    reference = f"alone {alone * 1e3:.1f} ms"
    return Row(figure, f"{value * 1e3:.1f} ms", reference, ratio, bar, is_met, spread, REPRODUCE)


def main() -> int:
    """Measure, print the table, and fail where a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=3_000)
    asked = parser.parse_args()
    found = rows(asked.connections, asked.requests)
    show(found)
    return exit_status(found)


if __name__ == "__main__":
    sys.exit(main())
