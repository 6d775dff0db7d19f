"""Journeys and their reference on each database, timed by pytest-benchmark; run by `tests.benchmarks.journeys`.

``WHEREUPON_INSIDE`` says how many people are inside a journey. While nothing is due, a look at what is due and a
batch of messages are timed, in an empty store and in that one: strangers' messages, and among them the event that
everybody inside waits for. Then people are woken, a thousand in a transaction: the time of their wait is up, they
are sent a mail, and wait again. The reference makes the same changes: by the bare driver it selects the entries
that are due, with their persons, of whose attributes the mails are made, updates what changes of the entries, and
inserts the deliveries, by executemany, in transactions as large.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from itertools import count, islice
from shutil import copyfile
from typing import NamedTuple

import psycopg
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from tests.benchmarks.bench_due import Cursor
from tests.benchmarks.journey_world import CREATED, START, fill, multiply, rules
from tests.benchmarks.population import Row, conninfo, inserted, sqlite_connection
from tests.benchmarks.timing import rounds_of
from tests.servers import Server

from whereupon.engine import Engine
from whereupon.messages.times import as_micros
from whereupon.pipeline.load import DUE_LIMIT
from whereupon.runtime.gc_pause import keep_loaded
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage import open_store
from whereupon.storage.sql.tables import Base

COUNT = int(os.environ.get("WHEREUPON_INSIDE", "44000"))
ROUNDS, TRANSACTIONS = 10, 2
WOKEN = (ROUNDS + 1) * TRANSACTIONS * DUE_LIMIT
STEPS = 3
"""Of one who is woken: the wait is left, a mail is sent, the next wait begins."""
MADE_BY_LIBRARY = 22_000
BEFORE, DUE = START + timedelta(hours=1), START + timedelta(hours=2)
STRANGERS = 200

Work = Callable[[], None]
COLUMNS = [column.name for column in Base.metadata.tables["whereupon_entry"].columns]


# --- stores ---------------------------------------------------------------------------------------


def _filled(url: str) -> None:
    """Let people sign up, and copy them until there are enough."""
    made = min(COUNT, MADE_BY_LIBRARY)
    fill(url, made)
    multiply(url, COUNT // made)


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files: without entries, with them, and one more for the reference."""
    folder = tmp_path_factory.mktemp("journeys")
    files = {name: folder / f"{name}.db" for name in ("empty", "inside", "bare")}
    urls = {name: f"sqlite:///{file}" for name, file in files.items()}
    open_store(urls["empty"]).close()
    _filled(urls["inside"])
    copyfile(files["inside"], files["bare"])
    return urls


@pytest.fixture(scope="module")
def postgres(server: Server) -> Iterator[dict[str, str]]:
    """Schemas of a server, alike."""
    with server.new() as empty, server.new() as inside, server.new() as bare:
        for url in (inside, bare):
            _filled(url)
        yield {"empty": empty, "inside": inside, "bare": bare}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])  # one after the other
def urls(request: pytest.FixtureRequest) -> dict[str, str]:
    """The stores of one kind."""
    found: dict[str, str] = request.getfixturevalue(request.param)
    return found


# --- nothing is due ---------------------------------------------------------------------------------


@pytest.mark.parametrize("store", ["empty", "inside"])
def test_looks(benchmark: BenchmarkFixture, urls: dict[str, str], store: str) -> None:
    """A look at what is due, and at what is due next."""
    with Engine.open(urls[store], rules=rules(), clock=FrozenClock(BEFORE)) as engine:

        def work() -> None:
            for _ in range(20):
                assert not engine.run_due().decisions
                with engine.store.session() as session:
                    session.next_claim_due()

        rounds_of(benchmark, lambda: ((work,), {}), count=20, rounds=ROUNDS)


@pytest.mark.parametrize("store", ["empty", "inside"])
def test_ingests(benchmark: BenchmarkFixture, urls: dict[str, str], store: str) -> None:
    """Messages of people who are in no journey, by an event that those who are in one wait for."""
    numbers = count()
    with Engine.open(urls[store], rules=rules(), clock=FrozenClock(BEFORE)) as engine:

        def prepare() -> tuple[tuple[Work], dict[str, object]]:
            number = next(numbers)
            batch = [
                {
                    "type": "track",
                    "event": CREATED if place % 2 else f"event-{place % 20}",
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


# --- steps are advanced -----------------------------------------------------------------------------


def test_advances(benchmark: BenchmarkFixture, urls: dict[str, str]) -> None:
    """Whereupon."""
    with Engine.open(urls["inside"], rules=rules(), clock=FrozenClock(DUE)) as engine:
        steps = engine.wake(DUE)
        keep_loaded()  # as `whereupon run` does

        def work() -> None:
            for result in islice(steps, TRANSACTIONS):
                assert len(result.changes.deliveries) == DUE_LIMIT

        chunk = TRANSACTIONS * DUE_LIMIT
        rounds_of(benchmark, lambda: ((work,), {}), count=STEPS * chunk, rounds=ROUNDS)


SELECTED = (
    "SELECT e.*, p.* FROM whereupon_entry e JOIN whereupon_person p ON p.key = e.person_key "
    "WHERE e.state = 'active' AND e.due_at <= ? ORDER BY e.due_at, e.key LIMIT ?"
)
HELD = f"{SELECTED} FOR UPDATE OF p SKIP LOCKED"
MADE = (
    "SELECT e.key, d.* FROM whereupon_delivery d "
    "JOIN whereupon_entry e ON e.occasion = d.message_id AND e.rule = d.rule "
    "WHERE d.rule = 'welcome'"
)


class Bare(NamedTuple):
    """The reference: its cursor, what it writes, and how its database says it.

    Attributes:
        after: the entries as whereupon left them, by key.
        made: the deliveries by the keys of their entries.
    """

    cursor: Cursor
    after: Mapping[object, Row]
    made: Mapping[object, Row]
    begin: str
    selected: str
    mark: str

    def wake(self, changed: Sequence[str]) -> None:
        """Write one chunk."""
        self.cursor.execute(self.begin)
        self.cursor.execute(self.selected.replace("?", self.mark), (as_micros(DUE), DUE_LIMIT))
        keys = [row[0] for row in self.cursor.fetchall()]
        assert len(keys) == DUE_LIMIT
        places = [COLUMNS.index(name) for name in changed]
        setting = ", ".join(f"{name} = {self.mark}" for name in changed)
        updated = f"UPDATE whereupon_entry SET {setting} WHERE key = {self.mark}"  # noqa: S608 - our own tables
        rows = [(*(self.after[key][place] for place in places), key) for key in keys]
        self.cursor.executemany(updated, rows)
        sent = inserted("whereupon_delivery", self.mark)
        self.cursor.executemany(sent, [self.made[key] for key in keys])
        self.cursor.execute("COMMIT")

    def changed(self) -> list[str]:
        """The columns of which whereupon has changed the value in some entry."""
        keys = [*islice(self.made, 100)]
        marks = ", ".join(self.mark for _ in keys)
        self.cursor.execute(f"SELECT * FROM whereupon_entry WHERE key IN ({marks})", keys)  # noqa: S608 - our own tables
        pairs = [(row, self.after[row[0]]) for row in self.cursor.fetchall()]
        return [
            name
            for place, name in enumerate(COLUMNS)
            if any(before[place] != now[place] for before, now in pairs)
        ]


@contextmanager
def bare_driver(urls: dict[str, str]) -> Iterator[Bare]:
    """The reference, on stores of which the library has gone on with one."""
    entries = "SELECT * FROM whereupon_entry WHERE address <> '0'"
    if urls["bare"].startswith("sqlite"):
        with (
            closing(sqlite_connection(urls["inside"])) as there,
            closing(sqlite_connection(urls["bare"])) as connection,
        ):
            after = {row[0]: row for row in there.execute(entries)}
            made = {row[0]: row[1:] for row in there.execute(MADE)}
            yield Bare(connection.cursor(), after, made, "BEGIN IMMEDIATE", SELECTED, "?")
        return
    with (
        psycopg.connect(conninfo(urls["inside"])) as there,
        psycopg.connect(conninfo(urls["bare"]), autocommit=True) as connection,
    ):
        after = {row[0]: row for row in there.execute(entries)}
        made = {row[0]: row[1:] for row in there.execute(MADE)}
        yield Bare(connection.cursor(), after, made, "BEGIN", HELD, "%s")


def test_reference(benchmark: BenchmarkFixture, urls: dict[str, str]) -> None:
    """The bare driver, with what whereupon has made of the entries."""
    with bare_driver(urls) as bare:
        assert len(bare.made) == WOKEN
        changed = bare.changed()
        assert {"address", "due_at", "trail"} <= set(changed)

        def work() -> None:
            for _ in range(TRANSACTIONS):
                bare.wake(changed)

        chunk = TRANSACTIONS * DUE_LIMIT
        rounds_of(benchmark, lambda: ((work,), {}), count=STEPS * chunk, rounds=ROUNDS)
