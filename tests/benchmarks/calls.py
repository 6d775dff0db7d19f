"""One call of `engine.track`, as an application's backend makes it, beside a bare commit of one message.

    python -m tests.benchmarks.calls [--calls N]

A thousand rules are loaded, and left out of collections, as `whereupon serve` does. A bare commit is BEGIN, an INSERT of one message's row, and COMMIT, by the driver. Calls
and bare commits take turns, a few of each, so that whatever else the machine does meets both. Eight threads take turns
with one. The stacks of `peers` take each message in a transaction of its own.
"""

import argparse
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from threading import Thread
from time import perf_counter
from typing import Any

import psycopg
from sqlalchemy.engine import make_url
from tests.benchmarks import bench_pipeline as bench
from tests.benchmarks import stacks
from tests.benchmarks.table import Row, at_least, at_most, exit_status, show
from tests.benchmarks.workload import tracked
from tests.servers import started

from whereupon.engine import Engine
from whereupon.runtime.gc_pause import keep_loaded
from whereupon.storage.sql.sqlite import PRAGMAS

REPRODUCE = "python -m tests.benchmarks.calls"
CALLS = 1_000
TURN = 25
"""Calls in a row, before it is the other one's turn."""
WARM = 100
THREADS, THREAD_TURNS = 8, 5
TABLE = "CREATE TABLE bare (key INTEGER PRIMARY KEY, body {blob} NOT NULL)"
BODY = b"x" * 500

Call = Callable[[int], object]


def call_of(engine: Engine, place: str = "u") -> Call:
    """Track one event; twenty persons, fifty names of events."""

    def call(number: int) -> None:
        said = tracked(number)
        user_id = f"{place}{number % 20}"
        engine.track(said["event"], user_id=user_id, properties=said["properties"])

    return call


@contextmanager
def bare_sqlite(path: Path) -> Iterator[Call]:
    """One row, on the disk when it returns."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in PRAGMAS:
            connection.execute(pragma)
        connection.execute(TABLE.format(blob="BLOB"))

        def call(number: int) -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO bare VALUES (?, ?)", (number, BODY))
            connection.execute("COMMIT")

        yield call


@contextmanager
def bare_postgres(url: str) -> Iterator[Call]:
    """The same; three round trips."""
    asked = make_url(url)
    given: dict[str, Any] = {name: str(value) for name, value in asked.query.items()}
    with psycopg.connect(
        user=asked.username, dbname=asked.database, autocommit=True, **given
    ) as connection:
        connection.execute(TABLE.format(blob="BYTEA"))

        def call(number: int) -> None:
            connection.execute("BEGIN")
            connection.execute("INSERT INTO bare VALUES (%s, %s)", (number, BODY))
            connection.execute("COMMIT")

        yield call


def in_turns(ours: Call, bare: Call, count: int) -> tuple[list[float], list[float]]:
    """Seconds of each call of both."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(WARM):
        ours(number)
        bare(number)
    for first in range(WARM, WARM + count, TURN):
        for call, taken in zip((ours, bare), times, strict=True):
            for number in range(first, first + TURN):
                begun = perf_counter()
                call(number)
                taken.append(perf_counter() - begun)
    return times


def by_threads(engine: Engine, count: int) -> tuple[list[float], list[float]]:
    """Calls a second of one thread, and of several; a figure for each turn."""
    one, several = list[float](), list[float]()
    each = max(1, count // THREAD_TURNS // THREADS)
    for _ in range(THREAD_TURNS):
        one.append(_rate(engine, 1, each * 4))
        several.append(_rate(engine, THREADS, each))
    return one, several


def _rate(engine: Engine, threads: int, each: int) -> float:
    def work(call: Call) -> None:
        for number in range(each):
            call(number)

    working = [
        Thread(target=work, args=(call_of(engine, f"t{place}-"),)) for place in range(threads)
    ]
    begun = perf_counter()
    for thread in working:
        thread.start()
    for thread in working:
        thread.join()
    return threads * each / (perf_counter() - begun)


def _percentile(times: Sequence[float], share: float) -> float:
    ranked = sorted(times)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))]


def _latency(
    database: str, ours: list[float], bare: list[float], bars: dict[float, float]
) -> Iterator[Row]:
    for share, bar in bars.items():
        mine, theirs = _percentile(ours, share), _percentile(bare, share)
        shown, met = at_most(mine / theirs, bar)
        figure = f"one call, {database}, p{share * 100:.0f}"
        reference = f"a bare commit {theirs * 1e3:.2f} ms"
        yield Row(
            figure, f"{mine * 1e3:.2f} ms", reference, mine / theirs, shown, met, 0.0, REPRODUCE
        )


def _threads(one: list[float], several: list[float]) -> Row:
    ratio = median(several) / median(one)
    spread = 100 * (max(several) - min(several)) / median(several) / 2
    figure = f"calls by {THREADS} threads, SQLite"
    value, reference = f"{median(several):,.0f}/s", f"by one {median(one):,.0f}/s"
    return Row(figure, value, reference, ratio, *at_least(ratio, 3), spread, REPRODUCE)


def _peers(seconds: float) -> Iterator[Row]:
    """Beside what a shop would write itself, each message in a transaction of its own."""
    for name, each in stacks.seconds_of_stacks(4 * CALLS, 1, "ORM").items():
        shown, met = at_least(each / seconds, 3)
        reference = f"a transaction each {1 / each:,.0f}/s"
        yield Row(
            f"calls, SQLite, beside {name}",
            f"{1 / seconds:,.0f}/s",
            reference,
            each / seconds,
            shown,
            met,
            0.0,
            REPRODUCE,
        )


def rows(count: int = CALLS) -> list[Row]:
    """One call on each database, eight threads, and the stacks."""
    book, found = bench.book(), list[Row]()
    with tempfile.TemporaryDirectory(prefix="whereupon-") as named:
        folder = Path(named)
        with (
            Engine.open(f"sqlite:///{folder}/calls.db", rules=book) as engine,
            bare_sqlite(folder / "bare.db") as bare,
        ):
            keep_loaded()
            ours, theirs = in_turns(call_of(engine), bare, count)
            found += _latency("SQLite", ours, theirs, {0.5: 3, 0.99: 5})
            found.append(_threads(*by_threads(engine, count)))
        found += _peers(sum(ours) / len(ours))
        with (
            started(folder / "server", durable=True) as server,
            server.clean() as url,
            Engine.open(url, rules=book) as engine,
            bare_postgres(url) as bare,
        ):
            keep_loaded()
            found += _latency("PostgreSQL", *in_turns(call_of(engine), bare, count), {0.5: 5})
    return found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=CALLS)
    found = rows(parser.parse_args().calls)
    show(found)
    return exit_status(found)


if __name__ == "__main__":
    sys.exit(main())
