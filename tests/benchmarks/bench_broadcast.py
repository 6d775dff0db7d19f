"""A broadcast and its reference on each database, timed by pytest-benchmark; run by `tests.benchmarks.broadcast`.

``WHEREUPON_PERSONS`` says how many persons there are. The broadcast goes to all of them, in ten rounds; the
reference inserts the rows that it made, entries and deliveries, a thousand of each in a transaction, by
executemany into the same tables with the same indexes. Selecting finds one in a hundred: by a prefilter, and
by reading everybody.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import psycopg
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from tests.benchmarks.population import (
    COHORTS,
    Row,
    conninfo,
    fill_postgres,
    fill_sqlite,
    inserted,
    sqlite_connection,
)
from tests.benchmarks.timing import peak_kilobytes, rounds_of
from tests.rule_files import book_of
from tests.servers import Server
from tests.shop import news

from whereupon.conditions.prefilter import EVERYBODY, Prefilter
from whereupon.decide import Settings, Snapshot, audience_of, prefilter_for
from whereupon.engine import Engine
from whereupon.matching import RuleIndex
from whereupon.pipeline.audience_rounds import AUDIENCE_CHUNK, AUDIENCE_REACH
from whereupon.ports import Store
from whereupon.records import BroadcastRun
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage import open_store

COUNT = int(os.environ.get("WHEREUPON_PERSONS", "20000"))
ROUNDS = 10
START = datetime(2026, 6, 1, 12, tzinfo=UTC)
TABLES = ("whereupon_entry", "whereupon_delivery")
EVERYONE = book_of(
    news(
        who={"age": {"gte": 18}, "plan": ["free", "pro", "team"]},
        whereupon=[
            {
                "send": "email",
                "subject": "Hello {{ person.first_name }}",
                "body": "News for {{ person.country | default: 'you' }}.",
            }
        ],
    )
)
SOME = book_of(news(who={"cohort": "c-7", "age": {"gte": 18}}))
RUN = BroadcastRun("news", "", "news:june", START, START, 0, {})

Work = Callable[[], None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the databases are."""
    return tmp_path_factory.mktemp("broadcast")


@dataclass(slots=True)
class Places:
    """Stores that are made once, on first use."""

    folder: Path
    made: dict[int, str]

    def sqlite(self, count: int) -> str:
        """A file with so many people."""
        if count not in self.made:
            self.made[count] = f"sqlite:///{self.folder}/{count}.db"
            fill_sqlite(self.made[count], count)
        return self.made[count]


@pytest.fixture(scope="module")
def places(folder: Path) -> Places:
    """The files of SQLite."""
    return Places(folder, {})


@pytest.fixture(scope="module")
def populated(server: Server) -> Iterator[str]:
    """A store on PostgreSQL with as many persons."""
    with server.new() as url:
        fill_postgres(url, COUNT)
        yield url


def send(benchmark: BenchmarkFixture, url: str, count: int) -> None:
    """Send the broadcast; a round sends it to a tenth of all people."""
    with Engine.open(url, rules=EVERYONE, clock=FrozenClock(START)) as engine:
        engine.trigger("news")
        chunks = engine.wake(START)
        chunks_of_a_round = count // ROUNDS // AUDIENCE_CHUNK

        def work() -> None:
            for result in islice(chunks, chunks_of_a_round):
                assert len(result.changes.deliveries) == AUDIENCE_CHUNK

        rounds_of(benchmark, lambda: ((work,), {}), count=count // ROUNDS, rounds=ROUNDS, warmup=0)
        assert [result.changes.deliveries for result in chunks] == [[]]  # nobody is left
    benchmark.extra_info["peak"] = peak_kilobytes()


def insert(
    benchmark: BenchmarkFixture,
    rows: Sequence[Iterator[Row]],
    transact: Callable[[list[list[Row]]], None],
) -> None:
    """Insert the rows of the reference, which are made before the round begins."""

    def prepare() -> tuple[tuple[Work], dict[str, object]]:
        size = COUNT // ROUNDS
        made = [list(islice(each, size)) for each in rows]
        assert all(len(each) == size for each in made)
        spans = range(0, size, AUDIENCE_CHUNK)
        parts = [[each[first : first + AUDIENCE_CHUNK] for each in made] for first in spans]

        def work() -> None:
            for part in parts:
                transact(part)

        return (work,), {}

    rounds_of(benchmark, prepare, count=COUNT // ROUNDS, rounds=ROUNDS, warmup=0)


def select(benchmark: BenchmarkFixture, store: Store, prefilter: Prefilter) -> None:
    """Find the audience: the condition is evaluated for each person who passes the prefilter."""
    (rule,) = SOME.rules
    index, settings = RuleIndex(SOME), Settings()

    def work() -> None:
        found = 0
        cursor: int | None = 0
        while cursor is not None:
            with store.session() as session:
                persons, cursor = session.take_audience(
                    cursor, AUDIENCE_CHUNK, prefilter, AUDIENCE_REACH
                )
            loaded = Snapshot(persons={person.key: person for person in persons})
            found += len(audience_of(loaded, RUN, rule, persons, index, settings))
        assert 0.8 < found * COHORTS / COUNT < 1.2

    rounds_of(benchmark, lambda: ((work,), {}), count=COUNT, rounds=3)


@pytest.mark.parametrize("count", [COUNT // 10, COUNT])
def test_sqlite(benchmark: BenchmarkFixture, places: Places, count: int) -> None:
    """Whereupon on SQLite."""
    send(benchmark, places.sqlite(count), count)


def test_sqlite_reference(benchmark: BenchmarkFixture, places: Places, folder: Path) -> None:
    """The bare driver of SQLite."""
    url = f"sqlite:///{folder}/bare.db"
    open_store(url).close()
    with (
        closing(sqlite_connection(places.sqlite(COUNT))) as sent,
        closing(sqlite_connection(url)) as connection,
    ):
        rows = [iter(sent.execute(f"SELECT * FROM {name} ORDER BY key")) for name in TABLES]  # noqa: S608 - our own tables
        statements = [inserted(name) for name in TABLES]

        def transact(part: list[list[Row]]) -> None:
            connection.execute("BEGIN IMMEDIATE")
            for statement, each in zip(statements, part, strict=True):
                connection.executemany(statement, each)
            connection.execute("COMMIT")

        insert(benchmark, rows, transact)


@pytest.mark.parametrize("way", ["prefilter", "everybody"])
def test_sqlite_selects(benchmark: BenchmarkFixture, places: Places, way: str) -> None:
    """The audience on SQLite."""
    with closing(open_store(places.sqlite(COUNT))) as store:
        select(benchmark, store, _prefilter(way))


def test_postgres(benchmark: BenchmarkFixture, populated: str) -> None:
    """Whereupon on PostgreSQL."""
    send(benchmark, populated, COUNT)


def test_postgres_reference(benchmark: BenchmarkFixture, populated: str, server: Server) -> None:
    """The bare driver of PostgreSQL."""
    with (
        server.new() as url,
        psycopg.connect(conninfo(populated)) as sent,
        psycopg.connect(conninfo(url)) as connection,
        ExitStack() as stack,
    ):
        rows = [stack.enter_context(_streamed(sent, name)) for name in TABLES]
        statements = [inserted(name, "%s") for name in TABLES]
        cursor = connection.cursor()

        def transact(part: list[list[Row]]) -> None:
            for statement, each in zip(statements, part, strict=True):
                cursor.executemany(statement.encode(), each)
            connection.commit()

        insert(benchmark, rows, transact)


@pytest.mark.parametrize("way", ["prefilter", "everybody"])
def test_postgres_selects(benchmark: BenchmarkFixture, populated: str, way: str) -> None:
    """The audience on PostgreSQL."""
    with closing(open_store(populated)) as store:
        select(benchmark, store, _prefilter(way))


def _prefilter(way: str) -> Prefilter:
    return prefilter_for(RUN, SOME.rules[0]) if way == "prefilter" else EVERYBODY


@contextmanager
def _streamed(connection: psycopg.Connection[Row], table: str) -> Iterator[Iterator[Row]]:
    with connection.cursor(name=table) as cursor:
        cursor.execute(f"SELECT * FROM {table} ORDER BY key".encode())  # noqa: S608 - our own tables
        yield iter(cursor)
