"""Handing deliveries over, timed by pytest-benchmark; run by `tests.benchmarks.delivery`.

Deliveries that are due go through a channel that does nothing, and through one whose calls take 100 ms; each is
settled when its call returns. The reference is a bare loop over the same table, by the bare driver: it selects a
hundred that are due, and marks one after the other as sent, each in a transaction of its own. It calls nothing,
looks at no person, and has no lease: after a kill it would not know what it has sent.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from tests.benchmarks.population import conninfo, sqlite_connection
from tests.benchmarks.timing import rounds_of
from tests.rule_files import book_of
from tests.servers import Server
from tests.shop import purchase, thanks

from whereupon import Engine

MANY, FEWER = 1_000, 500
CALL = 0.1
"""Seconds that a call of the slow channel takes."""
SIDE_BY_SIDE = 8
SLOW_SIDE_BY_SIDE = 50
ROUNDS = 5
_PART = 500

DUE = "SELECT key FROM whereupon_delivery WHERE state = 'pending' ORDER BY due_at, key LIMIT 100"
SENT = (
    "UPDATE whereupon_delivery SET state = 'sent', attempts = 1 WHERE key = ? AND state = 'pending'"
)


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """A new file."""
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def postgres(server: Server) -> Iterator[str]:
    """A schema of a server that waits for its disk."""
    with server.new() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """A store of each kind."""
    return str(request.getfixturevalue(request.param))


def _prepared(engine: Engine, number: int, numbers: "count[int]", work: Callable[[], None]) -> Any:
    """Make so many deliveries, for so many people, and then do the work."""

    def prepare() -> tuple[tuple[Callable[[], None]], dict[str, object]]:
        for _ in range(0, number, _PART):
            engine.ingest([purchase(each, f"person-{each}") for each, _ in zip(numbers, range(_PART), strict=False)])  # fmt: skip
        return (work,), {}

    return prepare


def test_noop(benchmark: BenchmarkFixture, url: str) -> None:
    """A channel that does nothing."""
    with Engine.open(url, rules=book_of(thanks())) as engine:
        engine.channel("push", lambda _: None, concurrency=SIDE_BY_SIDE)

        def work() -> None:
            assert engine.run_due().dispatched.sent == MANY

        prepare = _prepared(engine, MANY, count(), work)
        rounds_of(benchmark, prepare, count=MANY, rounds=ROUNDS)


def test_slow(benchmark: BenchmarkFixture, url: str) -> None:
    """A channel whose calls take a tenth of a second."""
    with Engine.open(url, rules=book_of(thanks())) as engine:
        engine.channel("push", lambda _: time.sleep(CALL), concurrency=SLOW_SIDE_BY_SIDE)

        def work() -> None:
            assert engine.run_due().dispatched.sent == FEWER

        prepare = _prepared(engine, FEWER, count(), work)
        rounds_of(benchmark, prepare, count=FEWER, rounds=ROUNDS)


def test_reference(benchmark: BenchmarkFixture, url: str) -> None:
    """A bare loop over the same table."""
    with Engine.open(url, rules=book_of(thanks())) as engine:
        opened = (
            sqlite_connection(url) if url.startswith("sqlite") else psycopg.connect(conninfo(url))
        )
        with closing(opened) as connection:
            cursor: Any = connection.cursor()
            sent = SENT if url.startswith("sqlite") else SENT.replace("?", "%s")

            def work() -> None:
                done = 0
                while found := cursor.execute(DUE).fetchall():
                    for row in found:
                        cursor.execute(sent, row)
                        connection.commit()
                        done += 1
                connection.commit()
                assert done == MANY

            prepare = _prepared(engine, MANY, count(), work)
            rounds_of(benchmark, prepare, count=MANY, rounds=ROUNDS)
