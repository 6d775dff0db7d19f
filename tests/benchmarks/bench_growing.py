"""Millions of messages into one store, and their rows alone by the bare driver, timed by pytest-benchmark.

Run by `tests.benchmarks.growing`, which says in ``WHEREUPON_MILLIONS`` how many. A benchmark is one million,
in ten rounds of a hundred thousand, in batches of a thousand; what a round takes is made before it begins.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path
from zlib import crc32

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from tests.benchmarks.bench_pipeline import book, places
from tests.benchmarks.timing import peak_kilobytes, rounds_of
from tests.benchmarks.workload import PACE, messages

from whereupon.engine import Engine
from whereupon.messages.arrival import Arrival
from whereupon.messages.codec import decode
from whereupon.messages.model import SenderClass
from whereupon.messages.wire import parse_message
from whereupon.records import StoredMessage
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage import open_store
from whereupon.storage.sql.rows import message_columns
from whereupon.storage.sql.sqlite import PRAGMAS

MILLIONS = int(os.environ.get("WHEREUPON_MILLIONS", "1"))
START = datetime(2026, 3, 1, tzinfo=UTC)
ROUND, BATCH, PEOPLE = 90_000, 900, 200_000
"""Messages of a round and of a batch; people there are, whatever the number of messages."""

Work = Callable[[], None]


class Ours:
    """An engine on a store that grows."""

    def __init__(self, folder: Path) -> None:
        self.clock = FrozenClock(START)
        self.engine = Engine.open(f"sqlite:///{folder}/ours.db", rules=book(), clock=self.clock)
        self.texts = messages(MILLIONS * 1_000_000, people=PEOPLE)

    def prepare(self) -> Work:
        """The next round's messages."""
        made = list(islice(self.texts, ROUND))
        batches = [made[first : first + BATCH] for first in range(0, ROUND, BATCH)]

        def work() -> None:
            for batch in batches:
                self.clock.move_to(self.clock.now() + BATCH * PACE)
                taken = self.engine.ingest(batch)
                assert taken.accepted == BATCH

        return work


class Reference:
    """A table of messages that grows."""

    def __init__(self, folder: Path) -> None:
        path = folder / "bare.db"
        open_store(f"sqlite:///{path}").close()
        self.connection = sqlite3.connect(path, isolation_level=None)
        for pragma in PRAGMAS:
            self.connection.execute(pragma)
        self.texts = messages(MILLIONS * 1_000_000, people=PEOPLE)
        self.keys = count(1)
        self.names: dict[tuple[str, str], int] = {}
        self.arrival = Arrival(START + timedelta(days=30), SenderClass.SERVER, lambda: "")

    def prepare(self) -> Work:
        """The next round's messages, and their rows."""
        made = list(islice(self.texts, ROUND))
        rows = self._rows(made)
        statement = places(rows, "?")
        spans = range(0, ROUND, BATCH)
        batches = [(made[first : first + BATCH], rows[first : first + BATCH]) for first in spans]

        def work() -> None:
            for batch, of_batch in batches:
                for text in batch:
                    decode(text)
                self.connection.execute("BEGIN IMMEDIATE")
                self.connection.executemany(statement, of_batch)
                self.connection.execute("COMMIT")

        return work

    def _rows(self, made: list[bytes]) -> list[tuple[object, ...]]:
        read = [parse_message(text, self.arrival) for text in made]
        for body in read:
            self.names.setdefault((body.type, body.name), len(self.names))
        owners = (crc32((body.user_id or body.anonymous_id or "").encode()) for body in read)
        stored = map(StoredMessage, self.keys, owners, read)
        names = [self.names[body.type, body.name] for body in read]
        columns = message_columns(list(stored), names, [None] * len(names))
        return [*zip(*columns, strict=True)]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ours]:
    """One store for all millions."""
    growing = Ours(tmp_path_factory.mktemp("ours"))
    yield growing
    growing.engine.close()


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reference]:
    """One table for all millions."""
    growing = Reference(tmp_path_factory.mktemp("bare"))
    yield growing
    growing.connection.close()


@pytest.mark.parametrize("million", range(1, MILLIONS + 1))
def test_ours(benchmark: BenchmarkFixture, ours: Ours, million: int) -> None:
    """The next million through the pipeline; how much memory the process ever took."""
    measure(benchmark, ours.prepare)
    benchmark.extra_info["peak"] = peak_kilobytes()
    assert million


@pytest.mark.parametrize("million", range(1, MILLIONS + 1))
def test_reference(benchmark: BenchmarkFixture, reference: Reference, million: int) -> None:
    """The next million by the driver."""
    measure(benchmark, reference.prepare)
    assert million


def measure(benchmark: BenchmarkFixture, prepare: Callable[[], Work]) -> None:
    """Time ten rounds, none for warming up: each makes the store grow."""
    rounds_of(benchmark, lambda: ((prepare(),), {}), count=ROUND, rounds=10, warmup=0)
