"""Claims of many messages on each database, timed by pytest-benchmark; run by `tests.benchmarks.claims`.

``WHEREUPON_CLAIMED`` says how many messages an anonymous id has. A round is one identify that claims them
all; the reference takes as many messages of somebody known, in batches of 900. Rules and messages are those
of `workload`. What others wait is what one message of another person takes, in another thread, while a claim
goes on. What stops everybody now and then, claim or not, is kept out of that: SQLite's log is emptied before
each claim, and the cycle collector kept calm.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from functools import cache
from itertools import count, islice
from pathlib import Path
from threading import Thread

import orjson
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from tests.benchmarks.bench_pipeline import START, book
from tests.benchmarks.timing import rounds_of
from tests.benchmarks.workload import PACE, messages
from tests.servers import Server

from whereupon.engine import Engine
from whereupon.runtime.gc_pause import bulk
from whereupon.scheduling.clocks import FrozenClock

COUNT = int(os.environ.get("WHEREUPON_CLAIMED", "10000"))
ROUNDS = int(os.environ.get("WHEREUPON_ROUNDS", "5"))
BATCH = 900
OTHERS = 100
"""Messages of others while claims go on."""
CLAIMS = 20
"""As many as may be needed for them."""
DATABASES = ("sqlite", "postgres")

Work = Callable[[], None]


@cache
def tracks(seed: int, size: int = COUNT) -> list[dict[str, object]]:
    """Messages of the workload, without their ids."""
    body = (orjson.loads(text) for text in messages(10**9, seed=seed))
    plain = ({**each, "userId": None, "anonymousId": None} for each in body)
    return list(islice((each for each in plain if each["type"] == "track"), size))


def texts(seed: int, **ids: str) -> list[bytes]:
    """The same messages with ids."""
    return [orjson.dumps({**each, **ids}) for each in tracks(seed)]


def ingest(engine: Engine, body: list[bytes]) -> None:
    """In batches."""
    for first in range(0, len(body), BATCH):
        batch = body[first : first + BATCH]
        assert engine.ingest(batch).accepted == len(batch)


@pytest.fixture(params=DATABASES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An engine on an empty store of each kind, after the history."""
    clock = FrozenClock(START + 2 * COUNT * PACE + timedelta(minutes=1))
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path}/claims.db"
        if request.param == "postgres":
            server: Server = request.getfixturevalue("server")
            url = stack.enter_context(server.new())
        yield stack.enter_context(Engine.open(url, rules=book(), clock=clock))


def test_claim(benchmark: BenchmarkFixture, engine: Engine) -> None:
    """One identify."""
    numbers = count(10)

    def prepare() -> tuple[tuple[Work], dict[str, object]]:
        number = next(numbers)
        ingest(engine, texts(number, anonymousId=f"anon-{number}"))

        def work() -> None:
            result = engine.identify(f"user-{number}", anonymous_id=f"anon-{number}")
            assert len(result.decisions) == 20 * COUNT

        return (work,), {}

    rounds_of(benchmark, prepare, count=COUNT, rounds=ROUNDS)


def test_reference(benchmark: BenchmarkFixture, engine: Engine) -> None:
    """The pipeline."""
    numbers = count(10)

    def prepare() -> tuple[tuple[Work], dict[str, object]]:
        number = next(numbers)
        body = texts(number, userId=f"user-{number}")
        return (lambda: ingest(engine, body),), {}

    rounds_of(benchmark, prepare, count=COUNT, rounds=ROUNDS)


class Claiming:
    """One claim after another, each in its own thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting = iter(range(CLAIMS))
        self._thread: Thread | None = None
        for number in range(CLAIMS):
            ingest(engine, texts(10 + number, anonymousId=f"anon-{number}"))

    def see_to_it(self) -> None:
        """Return when a claim is running; it begins with an empty log."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._engine.scrub()
        number = next(self._waiting)
        ids = {"user_id": f"user-{number}", "anonymous_id": f"anon-{number}"}
        self._thread = Thread(target=self._engine.identify, kwargs=ids)
        self._thread.start()

    def end(self) -> None:
        """Wait for the last claim."""
        if self._thread is not None:
            self._thread.join()


def test_others(benchmark: BenchmarkFixture, engine: Engine) -> None:
    """Messages of another person during a claim."""
    others, claims = iter(tracks(1, size=2 * OTHERS)), Claiming(engine)

    def prepare() -> tuple[tuple[Work], dict[str, object]]:
        body = orjson.dumps({**next(others), "userId": "somebody else"})
        claims.see_to_it()
        return (lambda: ingest(engine, [body]),), {}

    with bulk():
        rounds_of(benchmark, prepare, count=1, rounds=OTHERS, warmup=OTHERS // 10)
        claims.end()
