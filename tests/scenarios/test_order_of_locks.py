"""The order of locks on PostgreSQL: every call takes its locks in one documented order."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy import Engine as Database
from tests.rule_files import book_of
from tests.servers import Server
from tests.shop import NOON, news, purchase, thanks

from whereupon import Engine
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage.sql.database_url import engine_of
from whereupon.storage.sql.row_locks import Rank

RULES = book_of(
    thanks(whereupon=[{"wait": "1h"}, {"send": "push", "title": "Thanks"}]),
    news(broadcast="offer", when="sale"),
)
_TABLES = {
    "run": Rank.RUNS,
    "audit_head": Rank.LEDGER,
    "person": Rank.PERSONS,
    "identifier": Rank.ANONYMOUS,
    "delivery": Rank.DELIVERIES,
    "device": Rank.DEVICES,
    "thing": Rank.OBJECTS,
    "tombstone": Rank.TOMBSTONES,
}
_LOCKING = re.compile(r"FROM whereupon_(\w+).*FOR UPDATE$", re.DOTALL)
_WRITING = re.compile(r"(INSERT INTO|UPDATE|DELETE FROM) whereupon_(\w+)")
_HURRYING = "a hurry"


def rank_of(statement: str) -> Rank | None:
    """The rank of what a statement locks; None if it locks nothing, or does not wait."""
    if statement.startswith("SELECT pg_advisory_xact_lock"):
        return None  # of the rows that are locked next
    if found := _LOCKING.search(statement):
        return _TABLES[found[1]]
    if found := _WRITING.match(statement):
        is_count = (found[1], found[2]) == ("UPDATE", "meta")
        return Rank.ERASURES if is_count else Rank.WRITING
    return None


@dataclass
class Recorded:
    """The locks that each transaction took, in order; and from where on it did not wait."""

    transactions: list[list[Rank | str]] = field(default_factory=list)

    def begin(self, _connection: Connection) -> None:
        """A transaction begins."""
        self.transactions.append([])

    def note(
        self, _connection: object, _cursor: object, statement: str, given: object, *_: object
    ) -> None:
        """A statement is about to run."""
        if statement.startswith("SELECT set_config('lock_timeout'") and given == ("1ms",):
            self.transactions[-1].append(_HURRYING)
        elif (rank := rank_of(statement)) is not None:
            self.transactions[-1].append(rank)


@pytest.fixture
def database(postgres: str) -> Iterator[Database]:
    """The host's own engine."""
    database, _ = engine_of(postgres, patience=30)
    yield database
    database.dispose()


@contextmanager
def recording(database: Database) -> Iterator[Recorded]:
    """Record the locks within the block."""
    recorded = Recorded()
    event.listen(database, "begin", recorded.begin)
    event.listen(database, "before_cursor_execute", recorded.note)
    yield recorded
    event.remove(database, "begin", recorded.begin)
    event.remove(database, "before_cursor_execute", recorded.note)


def _semantic(event_name: str, user_id: str = "ada", **more: object) -> dict[str, object]:
    return {"type": "track", "event": event_name, "userId": user_id, **more}


def _alias(user_id: str, previous_id: str) -> dict[str, object]:
    return {"type": "alias", "userId": user_id, "previousId": previous_id}


TOKEN: dict[str, object] = {"context": {"device": {"token": "token-1", "type": "ios"}}}
CALLS: dict[str, list[dict[str, object]]] = {
    "an event": [purchase(1)],
    "a batch": [purchase(2, "zoe"), purchase(3, "ada"), purchase(4, "bob")],
    "a claim": [{"type": "identify", "userId": "ada", "anonymousId": "anon-1"}],
    "a merge": [_alias("ada", "bob")],
    "an alias of a device": [_alias("ada", "anon-2")],
    "an alias from somebody who is gone": [_alias("ada", "gone")],
    "a device": [_semantic("Device Created or Updated") | TOKEN],
    "a device that goes": [_semantic("Delete Device") | TOKEN],
    "an object": [{"type": "group", "userId": "ada", "groupId": "acme"}],
    "an object that goes": [_semantic("Delete Object", properties={"objectId": "acme"})],
    "a tie that goes": [_semantic("Delete Relationship", properties={"objectId": "acme"})],
    "a lifted suppression": [_semantic("Unsuppress Person", "gone")],
    "a suppression": [_semantic("Suppress Person")],
    "a deletion": [_semantic("Delete Person")],
    "a deletion of nobody": [_semantic("Delete Person", "nobody")],
    "a sale that opens a broadcast": [_semantic("sale")],
    "much at once": [
        purchase(5, "zoe"),
        _alias("ada", "bob"),
        purchase(6, "amy"),
        _semantic("Delete Person", "zoe"),
        purchase(7, "bea"),
    ],
}


@pytest.mark.parametrize("name", CALLS)
def test_every_call_locks_in_the_one_order(name: str, database: Database) -> None:
    """A transaction that goes back in the order waits for nobody from there on."""
    with Engine.open(database, rules=RULES, clock=FrozenClock(NOON)) as engine:
        for user_id in ("ada", "bob"):
            engine.track("purchase", user_id=user_id, anonymous_id="anon-1")
        engine.track("view", anonymous_id="anon-2")
        engine.track("Suppress Person", user_id="gone")
        engine.ingest([_semantic("Device Created or Updated") | TOKEN])
        with recording(database) as recorded:
            engine.ingest(CALLS[name])
    taken = [each for each in recorded.transactions if Rank.WRITING in each]
    assert taken
    for locks in taken:
        waiting = locks[: locks.index(_HURRYING)] if _HURRYING in locks else locks
        assert waiting == sorted(waiting)
        assert (_HURRYING in locks) == (name == "much at once")


@pytest.mark.parametrize("name", ["a merge", "a lifted suppression", "a device that goes"])
def test_what_is_judged_and_an_erasure_of_the_same_person_never_meet_head_on(
    name: str, postgres: str, database: Database, server: Server
) -> None:
    """Both wait for a holder of the person; when they go on, neither blocks the other."""
    with (
        Engine.open(postgres, rules=RULES, clock=FrozenClock(NOON)) as engine,
        database.connect() as host,
        ThreadPoolExecutor(2) as pool,
    ):
        for user_id in ("ada", "bob", "gone"):
            engine.track("purchase", user_id=user_id)
        before = _deadlocks(database)
        host.execute(text("SELECT 1 FROM whereupon_person FOR UPDATE"))
        first = pool.submit(engine.ingest, CALLS[name])
        server.await_waiting(1)
        second = pool.submit(engine.track, "Delete Person", user_id="ada")
        server.await_waiting(2)
        host.rollback()
        assert first.result(60).accepted == 1
        assert second.result(60).requests[0].outcome == "ran"
    assert _deadlocks(database) == before


def test_an_erasure_of_nobody_and_new_people_never_meet_head_on(
    postgres: str, database: Database, server: Server
) -> None:
    """An id that nobody has and that is erased is taken when the erasure is written, not before what comes earlier."""
    token = _semantic("Device Created or Updated", "amy") | TOKEN
    with (
        Engine.open(postgres, rules=RULES, clock=FrozenClock(NOON)) as engine,
        database.connect() as host,
        ThreadPoolExecutor(2) as pool,
    ):
        engine.ingest([_semantic("Device Created or Updated") | TOKEN])
        before = _deadlocks(database)
        host.execute(text("SELECT 1 FROM whereupon_device FOR UPDATE"))
        erasing = pool.submit(engine.ingest, [token, _semantic("Delete Person", "zoe")])
        server.await_waiting(1)
        new = pool.submit(engine.ingest, [purchase(1, "amy"), purchase(2, "zoe")])
        assert new.result(60).accepted == 2
        host.rollback()
        assert erasing.result(60).requests[0].outcome == "ran"
    assert _deadlocks(database) == before


def _deadlocks(database: Database) -> int:
    """The number of deadlocks that the server has seen; a closed connection has reported its own."""
    asked = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    with database.connect() as connection:
        return int(connection.execute(text(asked)).scalar_one())


def test_ids_are_written_before_names(database: Database) -> None:
    """A transaction that holds an id may need a new name next; the reverse order would be a cycle."""
    written: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if found := re.match(r"INSERT INTO whereupon_(identifier|name)\b", statement):
            written.append(found[1])

    with Engine.open(database, rules=RULES) as engine:
        event.listen(database, "before_cursor_execute", note)
        engine.ingest([{"type": "track", "event": "never seen", "userId": "nobody yet"}])
    assert written == ["identifier", "name"]
