"""Two processes on PostgreSQL against one, and two bare writers against one, in one run.

    python -m tests.benchmarks.writers [--messages N]

Each process ingests its own generated shop stream in batches, as a live server does, into one store; a bare
writer copies rows as large into one table of the same columns, in binary form, a transaction a batch. The
server is the tests' own, and waits for the disk. What the engine gains by the second process is to be judged
by what a bare writer gains on the same machine.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeVar

import psycopg
from fixtures.shop_stream import messages
from sqlalchemy.engine import make_url
from tests.benchmarks.copying import copier
from tests.benchmarks.table import Row, at_least, exit_status, show
from tests.benchmarks.timing import timed

from whereupon import Engine

REPRODUCE = "python -m tests.benchmarks.writers"
BATCH = 500
GAIN = 1.2
"""What two processes gain over one at least, where two bare writers gain as much; elsewhere they lose nothing."""
_ROW = b'{"properties":{"product":"socks","price":23.45,"note":"' + b"x" * 400 + b'"},"context":{}}'


def ingest(url: str, seed: int, count: int) -> None:
    """One process: a stream of its own through the engine."""
    stream = [dict(message) for message in messages(count, seed=seed)]
    with Engine.open(url, rules="rules") as engine:
        for batch in _on_signal(stream):
            engine.ingest(batch)


def insert(url: str, seed: int, count: int) -> None:
    """One bare writer: as many rows of a message's size."""
    rows = [_row(seed * 10**9 + n) for n in range(count)]
    with psycopg.connect(conninfo(url)) as connection:
        write = copier(connection, "floor")
        for batch in _on_signal(rows):
            write(batch)


def _row(key: int) -> tuple[object, ...]:
    instant = 1_772_366_400_000_000 + key
    ids = (f"0190a1b2-c3d4-7e5f-8a9b-{key:012d}", key % 50, key % 1000, f"user-{key % 1000}")
    return (key, *ids, None, None, instant, instant, None, "server", 0, _ROW)


T = TypeVar("T")


def _on_signal(items: Sequence[T]) -> Iterator[list[T]]:
    """Batches, once the parent says so."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    waiting = iter(items)
    while batch := list(islice(waiting, BATCH)):
        yield batch


def conninfo(url: str) -> str:
    """How to reach one of the tests' databases."""
    query = make_url(url).query
    return f"host={query['host']} user=postgres dbname=postgres options={query['options']}"


def rows(messages: int = 20_000) -> list[Row]:
    """Measure one process and two, ours and bare ones."""
    times = timed("bench_writers.py", {"WHEREUPON_MESSAGES": messages})
    gains = {}
    for role in ("engine", "bare"):
        one, two = (times[f"test_writers[{role}-{count}]"] for count in (1, 2))
        gains[role] = one.median / two.median
    two = times["test_writers[engine-2]"]
    bar, met = at_least(gains["engine"], GAIN if gains["bare"] >= GAIN else 1)
    beside = f"one {times['test_writers[engine-1]'].rate}; bare writers gain {gains['bare']:.2f}"
    figure = "two processes on PostgreSQL"
    return [Row(figure, two.rate, beside, gains["engine"], bar, met, two.spread, REPRODUCE)]


def main() -> int:
    """Print one table; 1 where the bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--role", choices=["engine", "bare"])
    parser.add_argument("--url")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.role is not None:
        work = ingest if options.role == "engine" else insert
        work(options.url, options.seed, options.messages)
        return 0
    found = rows(options.messages)
    show(found)
    return exit_status(found)


if __name__ == "__main__":
    sys.exit(main())
