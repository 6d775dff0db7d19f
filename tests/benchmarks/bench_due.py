"""Due work and its reference on each database, timed by pytest-benchmark; run by `tests.benchmarks.due`.

``WHEREUPON_ENTRIES`` says how many entries wait, four for each person (see `waiting`). While nothing is due,
a look at what is due and a batch of strangers' messages are timed, in an empty store and in that one. Then
entries come due, and are woken, a thousand in a transaction: each sends a push, and ends. The reference
makes the same changes: by the bare driver it selects the entries that are due, updates what changes
of them, and inserts the deliveries, by executemany, in transactions as large.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path
from shutil import copyfile
from typing import Any, Protocol, TypeAlias

import psycopg
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from tests.benchmarks.population import Row, conninfo, inserted, sqlite_connection
from tests.benchmarks.timing import rounds_of
from tests.benchmarks.waiting import PACE, put_into_postgres, put_into_sqlite, rules
from tests.servers import Server

from whereupon.engine import Engine
from whereupon.messages.times import as_micros
from whereupon.pipeline.load import DUE_LIMIT
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage import open_store

COUNT = int(os.environ.get("WHEREUPON_ENTRIES", "44000"))
ROUNDS = 20
STEPS = 2
"""Transactions of a round."""
WOKEN = (ROUNDS + 1) * STEPS * DUE_LIMIT
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
BEFORE = NOON - timedelta(days=1)
STRANGERS = 200

Work = Callable[[], None]
Opened: TypeAlias = tuple[Engine, FrozenClock]


class Cursor(Protocol):
    """As much of a driver's cursor as the reference needs."""

    def execute(self, statement: Any, parameters: Any = ..., /) -> Any:
        """Run a statement."""

    def executemany(self, statement: Any, rows: Any, /) -> Any:
        """Run it for each row."""

    def fetchall(self) -> list[Any]:
        """What it found."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the databases are."""
    return tmp_path_factory.mktemp("due")


@pytest.fixture(scope="module")
def sqlite(folder: Path) -> dict[str, str]:
    """Files: without entries, with them, and one more for the reference."""
    files = {name: folder / f"{name}.db" for name in ("empty", "waiting", "bare")}
    urls = {name: f"sqlite:///{file}" for name, file in files.items()}
    open_store(urls["empty"]).close()
    put_into_sqlite(urls["waiting"], COUNT, NOON)
    copyfile(files["waiting"], files["bare"])
    return urls


@pytest.fixture(scope="module")
def postgres(server: Server) -> Iterator[dict[str, str]]:
    """Schemas of a server, alike."""
    with server.new() as empty, server.new() as waiting, server.new() as bare:
        for url in (waiting, bare):
            put_into_postgres(url, COUNT, NOON)
        yield {"empty": empty, "waiting": waiting, "bare": bare}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])  # one after the other
def urls(request: pytest.FixtureRequest) -> dict[str, str]:
    """The stores of one kind."""
    found: dict[str, str] = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("store", ["empty", "waiting"])
def test_looks(benchmark: BenchmarkFixture, urls: dict[str, str], store: str) -> None:
    """A look at what is due, and at what is due next."""
    with Engine.open(urls[store], rules=rules(), clock=FrozenClock(BEFORE)) as engine:

        def work() -> None:
            for _ in range(20):
                assert not engine.run_due().decisions
                with engine.store.session() as session:
                    session.next_claim_due()

        rounds_of(benchmark, lambda: ((work,), {}), count=20, rounds=ROUNDS)


@pytest.mark.parametrize("store", ["empty", "waiting"])
def test_ingests(benchmark: BenchmarkFixture, urls: dict[str, str], store: str) -> None:
    """Messages of people who are new, and enter nothing."""
    numbers = count()
    with Engine.open(urls[store], rules=rules(), clock=FrozenClock(BEFORE)) as engine:

        def prepare() -> tuple[tuple[Work], dict[str, object]]:
            number = next(numbers)
            batch = [
                {
                    "type": "track",
                    "event": f"event-{place % 20}",
                    "userId": f"stranger-{number}-{place}",
                    "messageId": f"{number}-{place}",
                    "properties": {"product": "gloves"},
                }
                for place in range(STRANGERS)
            ]

            def work() -> None:
                assert engine.ingest(batch).accepted == STRANGERS

            return (work,), {}

        rounds_of(benchmark, prepare, count=STRANGERS, rounds=ROUNDS)


def test_wakes(benchmark: BenchmarkFixture, urls: dict[str, str]) -> None:
    """Whereupon."""
    due = NOON + min(COUNT, WOKEN) * PACE
    with Engine.open(urls["waiting"], rules=rules(), clock=FrozenClock(due)) as engine:
        steps = engine.wake(due)

        def work() -> None:
            for result in islice(steps, STEPS):
                assert len(result.changes.deliveries) == DUE_LIMIT

        rounds_of(benchmark, lambda: ((work,), {}), count=STEPS * DUE_LIMIT, rounds=ROUNDS)
        assert len(engine.deliveries(limit=WOKEN + 1)) == WOKEN


SELECTED = "SELECT * FROM whereupon_entry WHERE state = 'active' AND due_at <= ? ORDER BY due_at, key LIMIT ?"
HELD = (
    "SELECT e.* FROM whereupon_entry e JOIN whereupon_person p ON p.key = e.person_key "
    "WHERE e.state = 'active' AND e.due_at <= ? ORDER BY e.due_at, e.key LIMIT ? "
    "FOR UPDATE OF p SKIP LOCKED"
)
ENDED = (
    "UPDATE whereupon_entry SET state = 'completed', address = '2', ended_at = due_at, "
    "end_reason = 'completed', due_at = NULL WHERE key = ?"
)
FREED = ENDED.replace("SET ", "SET slot = NULL, ")
SENT = inserted("whereupon_delivery")
MADE = (
    "SELECT e.key, d.* FROM whereupon_delivery d "
    "JOIN whereupon_entry e ON e.occasion = d.message_id AND e.rule = d.rule"
)


def test_reference(
    benchmark: BenchmarkFixture, urls: dict[str, str], request: pytest.FixtureRequest
) -> None:
    """The bare driver, with the deliveries that whereupon has made."""
    if "sqlite" in request.node.name:
        with (
            closing(sqlite_connection(urls["waiting"])) as there,
            closing(sqlite_connection(urls["bare"])) as connection,
        ):
            made = {row[0]: row[1:] for row in there.execute(MADE)}
            bare(benchmark, connection.cursor(), made, ("BEGIN IMMEDIATE", SELECTED, "?"))
        return
    with (
        psycopg.connect(conninfo(urls["waiting"])) as there,
        psycopg.connect(conninfo(urls["bare"]), autocommit=True) as shared,
    ):
        made = {row[0]: row[1:] for row in there.execute(MADE)}
        bare(benchmark, shared.cursor(), made, ("BEGIN", HELD, "%s"))


def bare(
    benchmark: BenchmarkFixture,
    cursor: Cursor,
    made: dict[int, Sequence[object]],
    form: tuple[str, str, str],
) -> None:
    """The reference: how a transaction begins, how entries are selected, and what holds a value's place."""
    begin, *others = form[0], form[1], ENDED, FREED, SENT
    selected, ended, freed, sent = (each.replace("?", form[2]) for each in others)
    until = as_micros(NOON + min(COUNT, WOKEN) * PACE)

    def wake() -> None:
        cursor.execute(begin)
        cursor.execute(selected, (until, DUE_LIMIT))
        found: list[Row] = cursor.fetchall()
        assert len(found) == DUE_LIMIT
        cursor.executemany(ended, [(row[0],) for row in found if row[9] != "active"])
        cursor.executemany(freed, [(row[0],) for row in found if row[9] == "active"])
        cursor.executemany(sent, [made[row[0]] for row in found])  # type: ignore[index]  # a key
        cursor.execute("COMMIT")

    def work() -> None:
        for _ in range(STEPS):
            wake()

    rounds_of(benchmark, lambda: ((work,), {}), count=STEPS * DUE_LIMIT, rounds=ROUNDS)
