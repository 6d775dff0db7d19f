"""The cost of what time alone opens, counted: a day costs what is due in it, however many people there are."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Connection, create_engine, event
from sqlalchemy import Engine as Database
from tests.query_plans import rows_of
from tests.rule_files import book_of, campaign
from tests.servers import Server

from whereupon.engine import Engine
from whereupon.records import (
    Arming,
    Changes,
    Identifier,
    IdKind,
    Person,
    StoredMessage,
    Timer,
)
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage import open_store
from whereupon.testing.contracts.samples import message, saying

TODAY: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
DUE: Final = 30
"""People of whom a date comes today, and as many whose silence has lasted for long enough."""
RENEWAL, BACK = "when/renewal", "when/back"
SPAN: Final = timedelta(days=60)
BOOK = book_of(
    campaign("renewal", {"date": "person.renews_at", "before": "7d", "at": "09:00"}),
    campaign("back", {"quiet": ["Signed In", "Order *"], "for": "60d"}),
)


@dataclass
class Counted:
    """What a database did: statements, and SQLite's steps or the rows in PostgreSQL's plans."""

    statements: Counter[str] = field(default_factory=Counter)
    work: int = 0
    is_on: bool = False

    def watch(self, database: Database) -> None:
        """Count from now on, while it is on."""
        event.listen(database, "connect", self._connected)
        event.listen(database, "before_cursor_execute", self._asked)

    def _connected(self, connection: object, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.set_progress_handler(self._step, 1)

    def _step(self) -> None:
        self.work += self.is_on

    def _asked(
        self, connection: Connection, cursor: Any, statement: str, given: Any, *_: object
    ) -> None:
        if not self.is_on or "lock_timeout" in statement:
            return
        self.statements[statement] += 1
        if connection.dialect.name != "sqlite" and statement.lstrip().startswith("SELECT"):
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", given)
            self.work += rows_of(cursor.fetchone()[0][0]["Plan"])


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/shop.db"
        return
    server: Server = request.getfixturevalue("server")
    with server.clean() as url:
        yield url


def _signed_in(key: int, owner: int, at: datetime) -> StoredMessage:
    return saying(message(key, owner=owner, at=at, name="Signed In"), user_id=f"p-{owner}")


def _populate(engine: Engine, people: int) -> None:
    """People with a date and with messages; of `DUE` each something comes today, of all others later."""
    changes = Changes()
    with engine.store.session() as session:
        first = session.allocate(4 * people)
        for place in range(people):
            key, late = first + place, 1 + place % 300
            renews = TODAY + timedelta(days=7 if place < DUE else 7 + late)
            is_silent = DUE <= place < 2 * DUE
            last = TODAY - SPAN + timedelta(hours=1 if is_silent else 24 * (1 + place % 50))
            made = TODAY - timedelta(days=100)
            attributes = {"renews_at": renews.date().isoformat(), "timezone": "Europe/Paris"}
            changes.persons[key] = Person(key, f"p-{key}", made, {**attributes})
            changes.identifiers.append(Identifier(IdKind.USER, f"p-{key}", key))
            times = (last - timedelta(days=9), last)
            changes.messages += (
                _signed_in(first + people + 2 * place + n, key, at) for n, at in enumerate(times)
            )
            nine = renews.replace(hour=7) - timedelta(days=7)
            changes.timers |= {(key, RENEWAL): nine, (key, BACK): last + SPAN}
        subjects = engine.pipeline.index.timed.by_name.values()
        done = (Arming(each.name, each.digest, TODAY - SPAN, None) for each in subjects)
        changes.armings = {each.place: each for each in done}
        session.flush(changes)


def _cost_of_today(address: str, people: int) -> tuple[dict[str, int], int, int]:
    """Statements, work and entries of the day on which the same is due, among so many people."""
    with closing(open_store(address)):
        pass
    database, counted = create_engine(address), Counted()
    counted.watch(database)
    clock = FrozenClock(TODAY - timedelta(hours=12))
    with Engine.open(database, rules=BOOK, clock=clock) as engine:
        _populate(engine, people)
        with database.begin() as connection:
            connection.exec_driver_sql("ANALYZE")
        list(engine.wake(clock.now()))
        clock.move_to(TODAY + timedelta(hours=2))
        counted.is_on = True
        decided = [d for woken in engine.wake(clock.now()) for d in woken.decisions]
        counted.is_on = False
        with engine.store.session() as session:
            left = len(list(session.scan(Timer)))
    database.dispose()
    assert left == 2 * people - 2 * DUE
    return dict(counted.statements), counted.work, len(decided)


def test_a_days_due_changes_cost_what_they_number(
    address: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Among five times as many people with a date and an inactivity rule: no scan, no statement more."""
    few = _cost_of_today(address, 2_000)
    if address.startswith("sqlite"):
        many = _cost_of_today(f"sqlite:///{tmp_path}/many.db", 10_000)
    else:
        server: Server = request.getfixturevalue("server")
        with server.clean() as other:
            many = _cost_of_today(other, 10_000)
    assert few[2] == many[2] == 2 * DUE
    assert few[0] == many[0]
    assert many[1] <= few[1] * 1.05
