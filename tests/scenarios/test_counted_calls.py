"""The cost of one call on SQLite, counted and not timed: what it asks of the database, and how often that is prepared."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Pool, create_engine, event
from tests.counted import calls_of
from tests.rule_files import book_of
from tests.shop import purchase, thanks

from whereupon.engine import Engine
from whereupon.messages.arrival import Arrival
from whereupon.messages.model import Origin, SenderClass
from whereupon.messages.wire import parse_message
from whereupon.pipeline.joint_takes import JointTake
from whereupon.scheduling.clocks import FrozenClock

NOW: Final = datetime(2026, 3, 1, tzinfo=UTC)
STATEMENTS: Final = [
    "BEGIN IMMEDIATE",
    "SELECT whereupon_identifier",  # and the message, and whether there is any of what is rare
    "INSERT INTO whereupon_message",
    "COMMIT",
]
"""How the statements of one call begin that brings nobody into a rule."""

MOST_FUNCTIONS: Final = 340
"""What one such call calls, functions in C included."""


class Observed:
    """What SQLite is asked by the connections of a database, as its own driver reports it."""

    def __init__(self, path: Path) -> None:
        self.ran: list[str] = []
        self.prepared = 0
        self.database = create_engine(f"sqlite:///{path}")
        event.listen(self.database, "connect", self._watch)

    def _watch(self, connection: sqlite3.Connection, _record: object) -> None:
        connection.set_trace_callback(self._note_statement)
        connection.set_authorizer(self._note_preparing)

    def _note_statement(self, sql: str) -> None:
        self.ran.append(" ".join(sql.split()))

    def _note_preparing(self, *_: object) -> int:
        """SQLite asks its authorizer while it prepares a statement, the first time and any later time."""
        self.prepared += 1
        return sqlite3.SQLITE_OK

    def forget(self) -> None:
        """Begin to count anew."""
        self.ran.clear()
        self.prepared = 0


@contextmanager
def observed(path: Path, reentry: str = "every_time") -> Iterator[tuple[Observed, Engine]]:
    """An engine that has taken some purchases, each by the same person."""
    seen = Observed(path / "shop.db")
    rules = book_of(thanks(where={"price": {"gt": 1_000}}, reentry=reentry))
    with Engine.open(seen.database, rules=rules, clock=FrozenClock(NOW)) as engine:
        for number in range(5):
            engine.ingest(purchase(number))
        seen.forget()
        yield seen, engine
    seen.database.dispose()


def test_one_call_asks_as_little_as_it_needs(tmp_path: Path) -> None:
    """Each statement at most once; what nearly no store has is looked for in one."""
    with observed(tmp_path) as (seen, engine):
        engine.ingest(purchase(10))
        assert len(seen.ran) <= len(STATEMENTS)
        for sql in seen.ran:
            assert sql.startswith(tuple(STATEMENTS)), sql


def test_earlier_entries_are_asked_for_only_where_a_rule_may_open(tmp_path: Path) -> None:
    """A rule that opens once for each person asks whether it did, but not of a message that cannot open it."""

    def asks_about_entries(price: int) -> bool:
        seen.forget()
        engine.track("purchase", user_id="ada", properties={"price": price})
        return any(sql.startswith("SELECT rule, person_key") for sql in seen.ran)

    with observed(tmp_path, reentry="once") as (seen, engine):
        assert not asks_about_entries(10)
        assert len(seen.ran) <= len(STATEMENTS)
        assert asks_about_entries(2_000)
        assert asks_about_entries(3_000)
        assert len(engine.deliveries()) == 1


def test_what_eight_threads_send_asks_for_earlier_entries_only_where_a_rule_may_open(
    tmp_path: Path,
) -> None:
    """Eight messages are looked at as one is; the one among them that may open a rule has them asked for."""

    def asks_about_entries(first: int, *prices: int) -> bool:
        seen.forget()
        engine.ingest(
            [
                {**purchase(first + place), "properties": {"price": price}}
                for place, price in enumerate(prices)
            ]
        )
        return any(sql.startswith("SELECT rule, person_key") for sql in seen.ran)

    with observed(tmp_path, reentry="once") as (seen, engine):
        assert not asks_about_entries(20, *[10] * 8)
        assert asks_about_entries(30, *[10] * 7, 2_000)
        assert asks_about_entries(40, *[10] * 7, 3_000)
        assert len(engine.deliveries()) == 1


def test_one_call_calls_few_functions(tmp_path: Path) -> None:
    """No other work on the machine changes how many they are."""
    rules = book_of(thanks(where={"price": {"gt": 1_000}}))
    with Engine.open(f"sqlite:///{tmp_path / 'shop.db'}", rules=rules) as engine:

        def track() -> None:
            engine.track("Order Completed", user_id="ada", properties={"price": 5})

        for _ in range(5):
            track()
        assert calls_of(track) <= MOST_FUNCTIONS


def test_no_statement_is_prepared_twice(tmp_path: Path) -> None:
    """Neither is one forgotten between calls."""
    with observed(tmp_path) as (seen, engine):
        for number in range(10, 20):
            engine.ingest(purchase(number))
        assert seen.ran
        assert seen.prepared == 0


def test_one_value_is_bound_as_it_is(tmp_path: Path) -> None:
    """To read a JSON array costs several times what the look at the index does."""
    with observed(tmp_path) as (seen, engine):
        engine.ingest(purchase(10))
        assert not [sql for sql in seen.ran if "json_each" in sql]


def test_other_spellings_are_asked_for_only_with_a_new_id(tmp_path: Path) -> None:
    """Of a known person nobody wants to know who else is written alike."""
    with observed(tmp_path) as (seen, engine):
        engine.ingest(purchase(10))
        known = [sql for sql in seen.ran if sql.startswith("SELECT whereupon_identifier")]
        assert len(known) == 1
        assert "value IN (" not in known[0]
        seen.forget()
        engine.track("Viewed", user_id="newcomer")
        new = [sql for sql in seen.ran if sql.startswith("SELECT whereupon_identifier")]
        assert ["value IN (" in sql for sql in new] == [False, True]


def test_the_connection_that_writes_is_kept_until_the_store_is_closed(tmp_path: Path) -> None:
    """Calls one after another take none from the pool of a store's own engine."""
    taken, returned = list[object](), list[object]()
    count, count_back = lambda *of: taken.append(of), lambda *of: returned.append(of)
    event.listen(Pool, "checkout", count)
    event.listen(Pool, "checkin", count_back)
    try:
        rules = book_of(thanks(where={"price": {"gt": 1_000}}))
        with Engine.open(f"sqlite:///{tmp_path / 'shop.db'}", rules=rules) as engine:
            engine.ingest(purchase(1))
            before = len(taken)
            for number in range(2, 5):
                engine.ingest(purchase(number))
            assert len(taken) == before == len(returned) + 1
        assert len(returned) == len(taken)
    finally:
        event.remove(Pool, "checkout", count)
        event.remove(Pool, "checkin", count_back)


def test_several_senders_ask_no_more_than_one(tmp_path: Path) -> None:
    """What threads send at the same time is one load and one flush, whose rows are inserted together."""
    with observed(tmp_path) as (seen, engine):
        arrival = Arrival(NOW, SenderClass.SERVER, lambda: "", Origin.LIVE)
        asked = []
        for numbers in (range(20, 21), range(30, 38)):
            messages = [[parse_message(purchase(number), arrival)] for number in numbers]
            works = [JointTake(engine.pipeline, each, NOW) for each in messages]
            seen.forget()
            with engine.store.session() as session:
                results = works[0].together(session, works)
            assert [result.accepted for result in results] == [1] * len(numbers)
            asked.append([sql for sql in seen.ran if not sql.startswith("INSERT")])
        assert len(asked[0]) == len(asked[1])
