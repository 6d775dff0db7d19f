"""Work that must not grow faster than what it is about, counted and not timed."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event
from tests.scenarios.hosting import NOON, book, thanks

from whereupon import Delivery, Engine
from whereupon.replay import FrozenClock
from whereupon.rules import Rulebook


class Database:
    """A database on SQLite that counts what it is asked."""

    def __init__(self, path: Path) -> None:
        self.engine = create_engine(f"sqlite:///{path}")
        self.asked: Counter[str] = Counter()
        event.listen(self.engine, "before_cursor_execute", self._count)

    def _count(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        self.asked[statement] += 1

    @contextmanager
    def counting(self) -> Iterator[Counter[str]]:
        """The statements of a block."""
        self.asked.clear()
        yield self.asked


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty one."""
    database = Database(tmp_path / "shop.db")
    yield database
    database.engine.dispose()


def opened(database: Database, clock: FrozenClock, rules: Rulebook | None = None) -> Engine:
    """An engine on it."""
    return Engine.open(database.engine, rules=rules or book(thanks()), clock=clock)


def ask_for_deletions(engine: Engine, first: int, count: int) -> None:
    """As many requests that are held, for a client asks."""
    numbers = range(first, first + count)
    engine.ingest(
        [{"type": "track", "event": "Delete Person", "userId": f"user-{n}"} for n in numbers],
        source="client",
    )


def test_requests_that_expire_are_given_up_together(database: Database) -> None:
    """Two hundred ask the store no more often than two; and what is due to be sent goes out then, too."""
    clock, handed = FrozenClock(NOON), list[Delivery]()
    with opened(database, clock) as engine:
        engine.channel("push")(handed.append)
        asked = []
        for first, count in ((0, 2), (1_000, 200)):
            ask_for_deletions(engine, first, count)
            clock.move_to(clock.now() + timedelta(days=60))
            engine.track("purchase", user_id="ada")
            with database.counting() as statements:
                ran = engine.run_due()
                asked.append(statements.total())
            assert [each.outcome for each in ran.requests] == ["expired"] * count
        assert len(handed) == 2
    assert asked[0] == asked[1]
