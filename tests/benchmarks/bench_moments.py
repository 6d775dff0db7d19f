"""What time alone opens, on each database, timed by pytest-benchmark; run by `tests.benchmarks.moments`.

Everybody has a date, and has signed in once; a rule waits for each, so that each person has two timers.
``WHEREUPON_PEOPLE`` says how many people there are. A look at what is due, while nothing is, and the rounds of a
day's due work are timed among a few people and among that many. Each transaction lets a thousand people in, and
sends each a push.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from tests.benchmarks.timing import rounds_of
from tests.rule_files import book_of, campaign
from tests.servers import Server

from whereupon.engine import Engine
from whereupon.pipeline.load import DUE_LIMIT
from whereupon.records import Arming, Changes, Identifier, IdKind, Person, StoredMessage
from whereupon.scheduling.clocks import FrozenClock
from whereupon.testing.contracts.samples import message, saying

FEW: Final = 24_000
MANY: Final = int(os.environ.get("WHEREUPON_PEOPLE", "60000"))
ROUNDS: Final = 10
DUE: Final = (ROUNDS + 1) * DUE_LIMIT
"""People of whom a date comes on the day, and as many whose silence has lasted for long enough."""
TODAY: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
SPAN: Final = timedelta(days=60)
BOOK: Final = book_of(
    campaign("renewal", {"date": "person.renews_at", "before": "7d", "at": "09:00"}),
    campaign("back", {"quiet": ["Signed In", "Order *"], "for": "60d"}),
)
_CHUNK = 20_000


def _signed_in(key: int, owner: int, at: datetime) -> StoredMessage:
    return saying(message(key, owner=owner, at=at, name="Signed In"), user_id=f"p-{owner}")


def _chunk(first: int, people: range) -> Changes:
    """People, each with a date and a message; of the first `DUE` a date comes today, of the next a silence ends."""
    changes = Changes()
    for place in people:
        key = first + 2 * (place - people.start)
        is_dated, is_silent = place < DUE, DUE <= place < 2 * DUE
        renews = TODAY + timedelta(days=7 if is_dated else 8 + place % 350)
        last = TODAY - SPAN + timedelta(hours=1 if is_silent else 48 + place % 1_000)
        given = {"renews_at": renews.date().isoformat(), "plan": "pro"}
        changes.persons[key] = Person(key, f"p-{key}", TODAY - 2 * SPAN, {**given})
        changes.identifiers.append(Identifier(IdKind.USER, f"p-{key}", key))
        changes.messages.append(_signed_in(key + 1, key, last))
        nine = renews.replace(hour=9) - timedelta(days=7)
        changes.timers |= {(key, "when/renewal"): nine, (key, "when/back"): last + SPAN}
    return changes


def _populate(url: str, people: int) -> str:
    with Engine.open(url, rules=BOOK, clock=FrozenClock(TODAY - SPAN)) as engine:
        for start in range(0, people, _CHUNK):
            part = range(start, min(start + _CHUNK, people))
            with engine.store.session() as session:
                session.flush(_chunk(session.allocate(2 * len(part)), part))
        subjects = engine.pipeline.index.timed.by_name.values()
        done = (Arming(each.name, each.digest, TODAY - SPAN, None) for each in subjects)
        armings: dict[tuple[str, str], Arming | None] = {each.place: each for each in done}
        engine.store.transact(lambda session: session.flush(Changes(armings=armings)))
    return url


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files."""
    folder: Path = tmp_path_factory.mktemp("moments")
    return {
        name: _populate(f"sqlite:///{folder}/{name}.db", people)
        for name, people in (("few", FEW), ("many", MANY))
    }


@pytest.fixture(scope="module")
def postgres(server: Server) -> Iterator[dict[str, str]]:
    """Schemas of a server, alike."""
    with server.new() as few, server.new() as many:
        yield {"few": _populate(few, FEW), "many": _populate(many, MANY)}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])  # one after the other
def urls(request: pytest.FixtureRequest) -> dict[str, str]:
    """The stores of one kind."""
    found: dict[str, str] = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("store", ["few", "many"])
def test_looks(benchmark: BenchmarkFixture, urls: dict[str, str], store: str) -> None:
    """A look at what is due, while nothing is."""
    with Engine.open(
        urls[store], rules=BOOK, clock=FrozenClock(TODAY - timedelta(days=1))
    ) as engine:

        def work() -> None:
            for _ in range(20):
                assert not engine.run_due().decisions

        rounds_of(benchmark, lambda: ((work,), {}), count=20, rounds=ROUNDS)


@pytest.mark.parametrize("store", ["few", "many"])
def test_rings(benchmark: BenchmarkFixture, urls: dict[str, str], store: str) -> None:
    """The due work of a day."""
    with Engine.open(
        urls[store], rules=BOOK, clock=FrozenClock(TODAY + timedelta(hours=2))
    ) as engine:
        steps = (r for r in engine.wake(TODAY + timedelta(hours=2)) if r.changes.new_entries)

        def work() -> None:
            let_in = [len(result.changes.new_entries) for result in islice(steps, 2)]
            assert let_in == [DUE_LIMIT] * 2

        rounds_of(benchmark, lambda: ((work,), {}), count=2 * DUE_LIMIT, rounds=ROUNDS)
