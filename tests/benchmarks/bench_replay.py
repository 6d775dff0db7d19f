"""A replay of the generated shop stream, and the bare inserts of its rows, timed by pytest-benchmark.

Run by `tests.benchmarks.replay_floor`, which says in ``WHEREUPON_MESSAGES`` how many messages. None of the
stores waits for the disk, as a replay's own does not. What is opened before the first message does not
count, nor does making the rows.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import orjson
import pytest
from fixtures.shop_stream import messages
from pytest_benchmark.fixture import BenchmarkFixture
from sqlalchemy import insert
from sqlalchemy.engine import make_url
from tests.benchmarks.timing import rounds_of

from whereupon.engine import Engine
from whereupon.messages.model import Message
from whereupon.messages.streams import StreamReader
from whereupon.replay.stream_replay import BATCH, Replay, read_streams
from whereupon.runtime.gc_pause import bulk
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage import open_store
from whereupon.storage.sql.sqlite import PRAGMAS, open_engine
from whereupon.storage.sql.tables import Base

COUNT = int(os.environ.get("WHEREUPON_MESSAGES", "100000"))
_THERE = ("whereupon_meta", "whereupon_version")  # their rows are there from the start

Work = Callable[[], None]
Tables = Mapping[str, list[tuple[object, ...]]]


def write_stream(path: Path, count: int) -> None:
    """Generate a stream of ``count`` messages."""
    with path.open("wb") as file:
        for message in messages(count, seed=1):
            file.write(orjson.dumps(message) + b"\n")


def prepared(stream: Path, url: str, stack: ExitStack) -> Work:
    """A replay of a stream, up to its first message."""
    arrivals = read_streams([stream], StreamReader())
    first = next(arrivals)
    assert isinstance(first, Message)
    clock = FrozenClock(first.received_at)
    engine = stack.enter_context(Engine.open(url, rules="rules", clock=clock))

    def work() -> None:
        with bulk():
            run = Replay(engine, clock, lambda _: None)
            run.feed([first])
            run.feed(arrivals)
            run.finish()

    return work


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stream's file."""
    path = tmp_path_factory.mktemp("stream") / "shop.jsonl"
    write_stream(path, COUNT)
    return path


@pytest.fixture(scope="module")
def tables(stream: Path) -> Tables:
    """Every row that the replay makes, by table, in the order of the keys."""
    return rows_made(stream)


def rows_made(stream: Path) -> Tables:
    """Every row that the replay of a stream makes, by table, in the order of the keys."""
    url = f"sqlite:///{stream.parent}/rows.db"
    with ExitStack() as stack:
        prepared(stream, f"{url}?synchronous=OFF", stack)()
    with closing(sqlite3.connect(str(make_url(url).database))) as connection:
        return {
            table.name: connection.execute(f"SELECT * FROM {table.name}").fetchall()  # noqa: S608 - our own
            for table in Base.metadata.sorted_tables
        }


@pytest.fixture
def urls(tmp_path: Path) -> Iterator[str]:
    """A new store's URL each time."""
    return (f"sqlite:///{tmp_path}/{n}.db?synchronous=OFF" for n in range(1_000))


def in_batches(tables: Tables, size: int = BATCH) -> Iterator[dict[str, list[tuple[object, ...]]]]:
    """The n-th rows of every table go in with the n-th transaction, as many as a replay's messages."""
    longest = max(map(len, tables.values()))
    for first in range(0, longest, size):
        parts = {name: rows[first : first + size] for name, rows in tables.items()}
        yield {name: rows for name, rows in parts.items() if rows and name not in _THERE}


def measure(benchmark: BenchmarkFixture, prepare: Callable[[ExitStack], Work]) -> None:
    """Time what is prepared anew for each round."""
    with ExitStack() as stack:

        def setup() -> tuple[tuple[Work], dict[str, object]]:
            stack.close()
            return (prepare(stack),), {}

        rounds_of(benchmark, setup, count=COUNT, rounds=5)


def test_replay(benchmark: BenchmarkFixture, stream: Path, urls: Iterator[str]) -> None:
    """From reading the line to the committed decision."""
    measure(benchmark, lambda stack: prepared(stream, next(urls), stack))


def test_driver(benchmark: BenchmarkFixture, tables: Tables, urls: Iterator[str]) -> None:
    """The driver's executemany."""
    batches = list(in_batches(tables))

    def prepare(stack: ExitStack) -> Work:
        connection = stack.enter_context(empty_tables(next(urls)))

        def work() -> None:
            for batch in batches:
                insert_rows(connection, batch)

        return work

    measure(benchmark, prepare)


@contextmanager
def empty_tables(url: str) -> Iterator[sqlite3.Connection]:
    """The bare driver's connection to a new store, which does not wait for the disk."""
    open_store(url).close()
    path = str(make_url(url).database)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in (*PRAGMAS, "PRAGMA synchronous = OFF"):
            connection.execute(pragma)
        yield connection


def insert_rows(
    connection: sqlite3.Connection, batch: Mapping[str, list[tuple[object, ...]]]
) -> None:
    """Insert the rows of one batch by the bare driver, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    for name, rows in batch.items():
        places = ", ".join("?" * len(rows[0]))
        connection.executemany(f"INSERT INTO {name} VALUES ({places})", rows)  # noqa: S608 - our own
    connection.execute("COMMIT")


def test_core(benchmark: BenchmarkFixture, tables: Tables, urls: Iterator[str]) -> None:
    """SQLAlchemy's ``insert()``, as an application writes it."""
    known = {table.name: table for table in Base.metadata.sorted_tables}
    batches = [
        {name: _as_mappings(known[name].columns.keys(), rows) for name, rows in batch.items()}
        for batch in in_batches(tables)
    ]

    def prepare(stack: ExitStack) -> Work:
        url = next(urls)
        open_store(url).close()
        engine = open_engine(make_url(url))
        stack.callback(engine.dispose)

        def work() -> None:
            for batch in batches:
                with engine.begin() as connection:
                    for name, rows in batch.items():
                        connection.execute(insert(known[name]), rows)

        return work

    measure(benchmark, prepare)


def _as_mappings(names: list[str], rows: list[tuple[object, ...]]) -> list[dict[str, object]]:
    return [dict(zip(names, row, strict=True)) for row in rows]
