"""Two processes on PostgreSQL against one, and two bare writers against one, in one run.

    python -m tests.benchmarks.writers [--messages N] [--rounds N]

Each process ingests its own generated shop stream in batches, as a live server does, into one store; a bare
writer inserts rows as large into one table of the same columns, by executemany, a transaction a batch. The
server is the tests' own, and waits for the disk. Processes start before the clock does. What
the engine gains by the second process is to be judged by what a bare writer gains on the same machine.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from subprocess import PIPE, Popen
from time import perf_counter
from typing import TypeVar

import psycopg
from fixtures.shop_stream import messages
from rich.console import Console
from rich.table import Table
from sqlalchemy.engine import make_url
from tests.servers import Server, started

from whereupon import Engine

BATCH = 500
_ROW = b'{"properties":{"product":"socks","price":23.45,"note":"' + b"x" * 400 + b'"},"context":{}}'


def ingest(url: str, seed: int, count: int) -> None:
    """One process: a stream of its own through the engine."""
    stream = [dict(message) for message in messages(count, seed=seed)]
    with Engine.open(url, rules="rules") as engine:
        for batch in _told_to_go(stream):
            engine.ingest(batch)


def insert(url: str, seed: int, count: int) -> None:
    """One bare writer: as many rows of a message's size."""
    columns = 13
    rows = [_row(seed * 10**9 + n) for n in range(count)]
    statement = f"INSERT INTO floor VALUES ({', '.join(['%s'] * columns)})".encode()  # noqa: S608 - our own table
    with psycopg.connect(_conninfo(url)) as connection, connection.cursor() as cursor:
        for batch in _told_to_go(rows):
            cursor.executemany(statement, batch)
            connection.commit()


def _row(key: int) -> tuple[object, ...]:
    instant = 1_772_366_400_000_000 + key
    ids = (f"0190a1b2-c3d4-7e5f-8a9b-{key:012d}", key % 50, key % 1000, f"user-{key % 1000}")
    return (key, *ids, None, None, instant, instant, None, "server", 0, _ROW)


T = TypeVar("T")


def _told_to_go(items: Sequence[T]) -> Iterator[list[T]]:
    """Batches, once the parent says so."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    waiting = iter(items)
    while batch := list(islice(waiting, BATCH)):
        yield batch


def _conninfo(url: str) -> str:
    query = make_url(url).query
    return f"host={query['host']} user=postgres dbname=postgres options={query['options']}"


def seconds(role: str, server: Server, processes: int, count: int) -> float:
    """How long so many processes take for so many messages each, in an empty store."""
    with server.clean() as url:
        with psycopg.connect(_conninfo(url)) as connection:
            connection.execute("CREATE TABLE floor (LIKE whereupon_message INCLUDING ALL)")
        command = [sys.executable, "-m", "tests.benchmarks.writers", "--role", role, "--url", url]
        command += ["--messages", str(count)]
        running = [
            Popen([*command, "--seed", str(seed + 1)], stdin=PIPE, stdout=PIPE, text=True)
            for seed in range(processes)
        ]
        took = _race(running)
        with psycopg.connect(_conninfo(url)) as connection:
            connection.execute("DROP TABLE floor")
        return took


def _race(running: Sequence[Popen[str]]) -> float:
    for process in running:
        assert process.stdout is not None
        process.stdout.readline()
    begun = perf_counter()
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in running:
        process.communicate()
        if process.returncode:
            sys.exit(f"a writer failed with {process.returncode}")
    return perf_counter() - begun


def main() -> int:
    """Print one table; 1 where two processes are slower than one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--role", choices=["engine", "bare"])
    parser.add_argument("--url")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.role is not None:
        work = ingest if options.role == "engine" else insert
        work(options.url, options.seed, options.messages)
        return 0
    took: dict[tuple[str, int], list[float]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="whereupon-") as folder,
        started(Path(folder) / "postgres", durable=True) as server,
    ):
        for _ in range(options.rounds):
            for role in ("engine", "bare"):
                for processes in (1, 2):
                    spent = seconds(role, server, processes, options.messages)
                    took.setdefault((role, processes), []).append(spent)
    rates = {
        (role, processes): processes * options.messages / median(spent)
        for (role, processes), spent in took.items()
    }
    _print(rates, options.messages, options.rounds)
    return 0 if rates["engine", 2] >= rates["engine", 1] else 1


def _print(rates: dict[tuple[str, int], float], count: int, rounds: int) -> None:
    title = f"{count:,} messages a process, batches of {BATCH}, {rounds} rounds, medians"
    table = Table(title=title)
    for column in ("writers", "one process", "two processes", "gain"):
        table.add_column(column, justify="left" if column == "writers" else "right")
    for role, name in (("engine", "whereupon, ingesting"), ("bare", "bare inserts (executemany)")):
        one, two = rates[role, 1], rates[role, 2]
        table.add_row(name, f"{one:,.0f}/s", f"{two:,.0f}/s", f"{two / one:.2f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    sys.exit(main())
