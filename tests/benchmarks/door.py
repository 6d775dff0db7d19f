"""What the door costs beside `Engine.ingest` of the same bytes, and what passes it, beside an endpoint that parses.

    python -m tests.benchmarks.door

The server is a process of its own; requests come over 32 connections that stay open. The door's own cost is the CPU of
the whole server without what `Engine.ingest` used: reading requests, finding keys, handing over to threads, answering.
It is measured with a store in memory, since waiting for a disk leaves every cache cold. What passes it is measured with
SQLite behind it; the endpoint beside it is plain ASGI, which decodes the JSON and answers.
"""

import asyncio
import json
import statistics
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

from tests.benchmarks.table import Row, exit_status, show
from tests.benchmarks.workload import messages
from tests.paths import ROOT

REPRODUCE = "python -m tests.benchmarks.door"
CONNECTIONS = 32
ROUNDS = 5
BATCH, BATCHES, SINGLES = 100, 40, 600
MOST = {BATCH: 6.0, 1: 100.0}
"""Microseconds of CPU that a message may cost beside `Engine.ingest`, by the messages of a request."""


class Measured(NamedTuple):
    """What one round took, for one message.

    Attributes:
        own, ingest: CPU seconds of the server, without and within `Engine.ingest`.
        seconds: on the clock.
    """

    own: float
    ingest: float
    seconds: float


class _Served(NamedTuple):
    """A server in a process of its own."""

    port: int
    secret: str
    used: Callable[[], tuple[float, float]]


@contextmanager
def _served(kind: str, store: str = "sqlite") -> Iterator[_Served]:
    with TemporaryDirectory() as folder:
        store = f"sqlite:///{Path(folder) / 'store.db'}" if store == "sqlite" else "memory://"
        command = [sys.executable, "-m", "tests.benchmarks.door_process", kind, store]
        with Popen(command, stdin=PIPE, stdout=PIPE, cwd=ROOT, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            asked, told = process.stdin, process.stdout

            def used() -> tuple[float, float]:
                asked.write("\n")
                asked.flush()
                said = json.loads(told.readline())
                return said["cpu"], said["ingest"]

            begun = json.loads(told.readline())
            yield _Served(begun["port"], begun["secret"], used)
            asked.close()


def _requests(secret: str, size: int, count: int, seed: int) -> list[bytes]:
    """Requests as they go over the connection; of the size 1 each is one message."""
    basic = b64encode(f"{secret}:".encode()).decode()
    path = "/v1/batch" if size > 1 else "/v1/track"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Basic {basic}\r\n"
        "User-Agent: analytics-node-next/latest\r\nAccept: */*\r\nContent-Type: application/json\r\n"
    )
    texts = list(messages(size * count, seed=seed))
    bodies = [
        b'{"batch":[%s]}' % b",".join(texts[place : place + size]) if size > 1 else texts[place]
        for place in range(0, len(texts), size)
    ]
    return [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies]


async def _send(port: int, requests: Sequence[bytes]) -> None:
    """Send requests over the connections, each after the answer to the one before."""
    shares = [requests[number::CONNECTIONS] for number in range(CONNECTIONS)]
    await asyncio.gather(*(_send_on_one(port, share) for share in shares))


async def _send_on_one(port: int, requests: Sequence[bytes]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = head.lower().partition(b"content-length:")[2].split()[0]
        await reader.readexactly(int(length))
    writer.close()
    await writer.wait_closed()


def measure(served: _Served, size: int, count: int) -> list[Measured]:
    """Measure some rounds, after one that is not counted; each sends messages that are new."""
    rounds = []
    for number in range(ROUNDS + 1):
        requests = _requests(served.secret, size, count, seed=1_000 * size + number)
        cpu, ingest = served.used()
        began = perf_counter()
        asyncio.run(_send(served.port, requests))
        seconds = perf_counter() - began
        cpu_after, ingest_after = served.used()
        within = ingest_after - ingest
        whole = size * count
        rounds.append(Measured((cpu_after - cpu - within) / whole, within / whole, seconds / whole))
    return rounds[1:]


def rows() -> list[Row]:
    """Measure every figure."""
    found = []
    for size, count in ((BATCH, BATCHES), (1, SINGLES)):
        with _served("door", "memory") as door:
            alone = measure(door, size, count)
        with _served("door") as door, _served("parse") as parse:
            ours, reference = measure(door, size, count), measure(parse, size, count)
        what = f"in batches of {size}" if size > 1 else "one at a time"
        found += [_cost(what, alone, MOST[size]), _rate(what, ours, reference)]
    return found


def _cost(what: str, rounds: Sequence[Measured], most: float) -> Row:
    own, within = _median(rounds, "own") * 1e6, _median(rounds, "ingest") * 1e6
    spread = 100 * statistics.stdev(each.own for each in rounds) / (own / 1e6)
    beside = f"Engine.ingest {within:.1f} µs"
    figure = f"the door's own CPU, messages {what}"
    return Row(
        figure,
        f"{own:.1f} µs",
        beside,
        own / within,
        f"≤ {most:g} µs",
        own <= most,
        spread,
        REPRODUCE,
    )


def _rate(what: str, rounds: Sequence[Measured], reference: Sequence[Measured]) -> Row:
    ours, theirs = _median(rounds, "seconds"), _median(reference, "seconds")
    spread = 100 * statistics.stdev(each.seconds for each in rounds) / ours
    beside = f"an endpoint that parses {1 / theirs:,.0f}/s"
    figure = f"messages through the door, {what}"
    return Row(figure, f"{1 / ours:,.0f}/s", beside, theirs / ours, "", True, spread, REPRODUCE)


def _median(rounds: Sequence[Measured], name: str) -> float:
    values: list[float] = [getattr(each, name) for each in rounds]
    return statistics.median(values)


def main() -> int:
    """Measure, print the table, and fail where a bar is missed."""
    found = rows()
    show(found)
    return exit_status(found)


if __name__ == "__main__":
    sys.exit(main())
