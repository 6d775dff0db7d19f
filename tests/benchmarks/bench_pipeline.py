"""The pipeline and its reference on each store, timed by pytest-benchmark; run by `tests.benchmarks.pipeline`.

``WHEREUPON_MESSAGES`` says how many messages a round takes. Each round has an empty store, which waits for
the disk as a live one does. The reference decodes the same bytes and inserts the message rows alone, as one
executemany a batch on SQLite and one COPY in binary form on PostgreSQL, into the same table with the same indexes.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import psycopg
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from sqlalchemy.engine import make_url
from tests.benchmarks.copying import copier
from tests.benchmarks.timing import rounds_of
from tests.benchmarks.workload import PACE, messages, rules
from tests.servers import Server

from whereupon.engine import Engine
from whereupon.messages.codec import decode
from whereupon.rules.model import Cap, FolderSettings, Rule, Rulebook
from whereupon.rules.reader import parse_rule_file
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage import open_store
from whereupon.storage.sql.sqlite import PRAGMAS

COUNT = int(os.environ.get("WHEREUPON_MESSAGES", "20000"))
ROUNDS = int(os.environ.get("WHEREUPON_ROUNDS", "5"))
START = datetime(2026, 3, 1, tzinfo=UTC)
TABLE = "whereupon_message"

Work = Callable[[], None]


@cache
def book() -> Rulebook:
    """The thousand rules."""
    found = [parse_rule_file(each, stem=each["campaign"], segments={})[0] for each in rules()]
    return Rulebook(rules=tuple(rule for rule in found if isinstance(rule, Rule)))


@cache
def capped_book() -> Rulebook:
    """The same rules in a folder with a cap."""
    caps = (Cap(at_most=3, per=timedelta(days=7), channels=("push",)),)
    return replace(book(), settings=FolderSettings(caps=caps))


@cache
def batches(size: int) -> list[list[bytes]]:
    """The stream, in batches."""
    texts = list(messages(COUNT))
    return [texts[first : first + size] for first in range(0, COUNT, size)]


def ingest(engine: Engine, clock: FrozenClock, size: int) -> None:
    """The pipeline: from the wire to the commit."""
    for place, batch in enumerate(batches(size), 1):
        clock.move_to(START + place * size * PACE)
        taken = engine.ingest(batch)
        assert taken.accepted == len(batch)


def opened(
    url: str, stack: ExitStack, rulebook: Callable[[], Rulebook] = book
) -> tuple[Engine, FrozenClock]:
    """An engine on an empty store."""
    clock = FrozenClock(START)
    return stack.enter_context(Engine.open(url, rules=rulebook(), clock=clock)), clock


def insert(connection: sqlite3.Connection, rows: list[tuple[object, ...]], size: int) -> None:
    """The reference on SQLite."""
    cursor, statement = connection.cursor(), places(rows, "?")
    for place, batch in enumerate(batches(size)):
        for text in batch:
            decode(text)
        cursor.execute("BEGIN IMMEDIATE")
        cursor.executemany(statement, rows[place * size : place * size + size])
        connection.commit()


def copy(connection: psycopg.Connection, rows: list[tuple[object, ...]], size: int) -> None:
    """The reference on PostgreSQL."""
    write = copier(connection, TABLE)
    for place, batch in enumerate(batches(size)):
        for text in batch:
            decode(text)
        write(rows[place * size : place * size + size])


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is to be closed."""
    with ExitStack() as opened_here:
        yield opened_here


@cache
def message_rows(folder: Path) -> list[tuple[object, ...]]:
    """The rows that the stream makes, once ingested."""
    url = f"sqlite:///{folder}/rows.db"
    with ExitStack() as stack:
        ingest(*opened(url, stack), 900)
    with closing(sqlite3.connect(str(make_url(url).database))) as connection:
        return connection.execute(f"SELECT * FROM {TABLE} ORDER BY key").fetchall()  # noqa: S608 - our own table


def places(rows: list[tuple[object, ...]], place: str) -> str:
    """The statement that inserts such rows."""
    return f"INSERT INTO {TABLE} VALUES ({', '.join([place] * len(rows[0]))})"  # noqa: S608 - our own table


def measure(benchmark: BenchmarkFixture, prepare: Callable[[], Work]) -> None:
    """Time what each round prepares."""
    rounds_of(benchmark, lambda: ((prepare(),), {}), count=COUNT, rounds=ROUNDS)


@pytest.mark.parametrize("size", [900, 100])
def test_sqlite(benchmark: BenchmarkFixture, tmp_path: Path, stack: ExitStack, size: int) -> None:
    """Whereupon on SQLite."""
    files = iter(range(1_000))

    def prepare() -> Work:
        stack.close()
        engine, clock = opened(f"sqlite:///{tmp_path}/{next(files)}.db", stack)
        return lambda: ingest(engine, clock, size)

    measure(benchmark, prepare)


def test_sqlite_capped(benchmark: BenchmarkFixture, tmp_path: Path, stack: ExitStack) -> None:
    """Whereupon on SQLite, in a folder with a cap."""
    files = iter(range(1_000))

    def prepare() -> Work:
        stack.close()
        engine, clock = opened(f"sqlite:///{tmp_path}/{next(files)}.db", stack, capped_book)
        return lambda: ingest(engine, clock, 900)

    measure(benchmark, prepare)


@pytest.mark.parametrize("size", [900, 100])
def test_sqlite_reference(
    benchmark: BenchmarkFixture, tmp_path: Path, stack: ExitStack, size: int
) -> None:
    """The bare driver of SQLite."""
    files = iter(range(1_000))
    rows = message_rows(tmp_path)

    def prepare() -> Work:
        stack.close()
        path = tmp_path / f"{next(files)}.db"
        open_store(f"sqlite:///{path}").close()
        connection = stack.enter_context(closing(sqlite3.connect(path, isolation_level=None)))
        for pragma in PRAGMAS:
            connection.execute(pragma)
        return lambda: insert(connection, rows, size)

    measure(benchmark, prepare)


def test_postgres(benchmark: BenchmarkFixture, server: Server, stack: ExitStack) -> None:
    """Whereupon on PostgreSQL."""

    def prepare() -> Work:
        stack.close()
        engine, clock = opened(stack.enter_context(server.new()), stack)
        return lambda: ingest(engine, clock, 900)

    measure(benchmark, prepare)


def test_postgres_capped(benchmark: BenchmarkFixture, server: Server, stack: ExitStack) -> None:
    """Whereupon on PostgreSQL, in a folder with a cap."""

    def prepare() -> Work:
        stack.close()
        engine, clock = opened(stack.enter_context(server.new()), stack, capped_book)
        return lambda: ingest(engine, clock, 900)

    measure(benchmark, prepare)


def test_postgres_reference(
    benchmark: BenchmarkFixture, server: Server, tmp_path: Path, stack: ExitStack
) -> None:
    """The bare driver of PostgreSQL."""
    rows = message_rows(tmp_path)

    def prepare() -> Work:
        stack.close()
        query = make_url(stack.enter_context(server.new())).query
        where = f"host={query['host']} user=postgres dbname=postgres options={query['options']}"
        connection = stack.enter_context(closing(psycopg.connect(where)))
        return lambda: copy(connection, rows, 900)

    measure(benchmark, prepare)


def test_memory(benchmark: BenchmarkFixture, stack: ExitStack) -> None:
    """Whereupon in memory."""

    def prepare() -> Work:
        stack.close()
        engine, clock = opened("memory://", stack)
        return lambda: ingest(engine, clock, 900)

    measure(benchmark, prepare)
