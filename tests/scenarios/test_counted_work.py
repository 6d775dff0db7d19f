"""The cost of work, counted and not timed: statements for a batch, conditions for a message."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Connection, create_engine, event
from sqlalchemy import Engine as Database
from tests.benchmarks.peers.rule_mix import Mix
from tests.benchmarks.workload import messages, rules
from tests.counted_inserts import InsertsTogether
from tests.query_plans import rows_of
from tests.rule_files import book_of
from tests.servers import Server
from tests.shop import news, thanks

from whereupon.conditions import NO_HISTORY, Condition, Data, History
from whereupon.engine import Engine
from whereupon.matching import RuleIndex
from whereupon.messages.arrival import Arrival
from whereupon.messages.model import Message, MessageType, Origin, SenderClass
from whereupon.messages.wire import parse_message
from whereupon.pipeline.audience_rounds import AUDIENCE_CHUNK, AUDIENCE_REACH
from whereupon.pipeline.load import CLAIM_CHUNK, DUE_LIMIT
from whereupon.ports import Session, Store
from whereupon.records import (
    Changes,
    ClaimRun,
    Entry,
    EntryState,
    Identifier,
    IdKind,
    Person,
    StoredMessage,
)
from whereupon.rules.model import Rule, Rulebook
from whereupon.rules.reader import parse_rule_file
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage import open_store

START: Final = datetime(2026, 3, 1, tzinfo=UTC)
LATER: Final = START + timedelta(minutes=10)
FIRST: Final = 2_000
"""Messages by which every name has been met, and every rule's version kept."""
MOST_STATEMENTS: Final = 30
SOME: Final = 300
"""Rows that are copied into PostgreSQL, as a thousand are; who listens hears fewer, which are inserted."""


def read(sources: Iterator[dict[str, Any]]) -> Iterator[Rule]:
    """The rules of the data of rule files."""
    for source in sources:
        rule, diagnostics = parse_rule_file(source, stem=str(source["campaign"]), segments={})
        assert isinstance(rule, Rule), diagnostics
        yield rule


class Statements(InsertsTogether):
    """Counts the statements of a database; a statement for many rows counts as one."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()
        event.listen(database, "before_cursor_execute", self._count)

    def _count(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "lock_timeout" in statement:  # how often that is lowered is a matter of time
            return
        if (counted := self.counted(statement)) is not None:
            self.asked[counted] += 1


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of each kind, as a host opens it."""
    if request.param == "sqlite":
        yield create_engine(f"sqlite:///{tmp_path}/shop.db")
        return
    server: Server = request.getfixturevalue("server")
    with server.clean() as url:
        found = create_engine(url)
        yield found
        found.dispose()


def test_a_batch_twice_as_large_asks_no_more_often(database: Database) -> None:
    """With claims, entries and deliveries; a thousand messages are fifty whole visits."""
    statements = Statements(database)
    arrival = Arrival(LATER, SenderClass.SERVER, lambda: "")
    sent = messages(FIRST + 3_000, people=100)
    stream = [parse_message(each, arrival) for each in sent]  # a sender's batch is smaller
    clock = FrozenClock(LATER)
    with Engine.open(database, rules=Rulebook(rules=tuple(read(rules()))), clock=clock) as engine:
        engine.take(stream[:FIRST])
        asked = []
        for first, last in ((FIRST, FIRST + 1_000), (FIRST + 1_000, FIRST + 3_000)):
            statements.asked.clear()
            taken = engine.take(stream[first:last])
            assert taken.accepted == last - first
            assert any(decision.retroactive for decision in taken.decisions)
            assert any(decision.reason is None for decision in taken.decisions)
            asked.append(dict(statements.asked))
    assert asked[0] == asked[1]
    assert sum(asked[0].values()) < MOST_STATEMENTS


class Counting:
    """Conditions that count how often they are evaluated."""

    def __init__(self) -> None:
        self.evaluated = 0

    def of(self, condition: Condition) -> Condition:
        """The same condition, counted."""

        def holds(data: Data, history: History) -> bool:
            self.evaluated += 1
            return condition.holds(data, history)

        return replace(condition, holds=holds)


@pytest.mark.parametrize("count", [200, 2_000])
def test_a_message_evaluates_hardly_more_conditions_than_it_satisfies(count: int) -> None:
    """For any number of rules of its name: tables rule the others out."""
    counting = Counting()
    counted = [replace(rule, where=counting.of(rule.where)) for rule in read(Mix(1).rules(count))]
    index = RuleIndex(Rulebook(rules=tuple(counted)))
    for name, data in Mix(1).messages(100):
        rule_list = index.triggered_by(MessageType.TRACK, name)
        satisfied = {rule.id for rule in counted if rule.where.failing(data, NO_HISTORY) is None}
        counting.evaluated = 0
        assert [each.rule.id for each in rule_list.candidates(data)] == sorted(satisfied)
        assert counting.evaluated <= len(satisfied) + count // 100


def populated(store: Store, plans: Sequence[str]) -> None:
    """Add people with these plans, in this order."""
    made = {
        key: Person(key, f"p-{key}", START, {"plan": plan}) for key, plan in enumerate(plans, 1)
    }
    with store.session() as session:
        session.allocate(len(plans) + 1)
        session.flush(Changes(persons=made))


def test_a_chunk_of_a_broadcast_asks_as_often_for_many_as_for_few(database: Database) -> None:
    """A thousand people enter, another thousand, then some of a thousand."""
    statements = Statements(database)
    plans = ["pro"] * 2 * AUDIENCE_CHUNK + ["free"] * AUDIENCE_CHUNK + ["pro"] * SOME
    rules = book_of(news(who={"plan": "pro"}))
    with Engine.open(database, rules=rules, clock=FrozenClock(START)) as engine:
        populated(engine.store, plans)
        engine.trigger("news")
        asked, sent = [], []
        for done in engine.wake(START):
            sent.append(len(done.changes.deliveries))
            asked.append(dict(statements.asked))
            statements.asked.clear()
    assert sent == [AUDIENCE_CHUNK, AUDIENCE_CHUNK, SOME]
    assert asked[1] == asked[2]  # by the first, the rule's version is kept
    assert sum(asked[1].values()) < MOST_STATEMENTS


def test_a_broadcast_asks_only_people_whom_it_may_be_meant_for(home: Store) -> None:
    """The rows of the others are not read."""
    (rule,) = book_of(news(who={"plan": "pro", "age": {"exists": False}})).rules
    counting = Counting()
    rules = Rulebook(rules=(replace(rule, who=counting.of(rule.who)),))
    populated(home, ["free" if number % 100 else "pro" for number in range(2_000)])
    engine = Engine(home, rules, clock=FrozenClock(START))
    engine.trigger("news")
    sent = [len(done.changes.deliveries) for done in engine.wake(START)]
    assert (sum(sent), counting.evaluated) == (20, 20)


def test_a_broadcast_meant_for_few_does_not_hold_up_others_for_long(home: Store) -> None:
    """One transaction looks at a limited number of people, whether or not any of them is in the audience."""
    rules = book_of(news(who={"plan": "pro"}))
    populated(home, ["free"] * (2 * AUDIENCE_REACH) + ["pro"])
    engine = Engine(home, rules, clock=FrozenClock(START))
    engine.trigger("news")
    assert [len(done.changes.deliveries) for done in engine.wake(START)] == [0, 0, 1]


def waiting(store: Store, count: int, rule: Rule, due_at: datetime) -> None:
    """Add people with two entries each: one due at that time, one a day later."""
    people = {key: Person(key, f"p-{key}", START, {}) for key in range(1, count + 1)}
    entries = {
        key + turn * count: Entry(
            key=key + turn * count,
            rule=rule.id,
            digest=rule.digest,
            person_key=key,
            entrant=key,
            occasion=f"m-{turn}",
            timestamp=START,
            entered_at=START,
            retroactive=False,
            slot=None,
            state=EntryState.ACTIVE,
            address="1",
            due_at=due_at + turn * timedelta(days=1),
            facts={"event": "purchase"},
        )
        for key in people
        for turn in range(2)
    }
    with store.session() as session:
        session.allocate(3 * count + 1)
        session.flush(Changes(persons=people, entries=entries, new_entries=set(entries)))


QUIET = thanks(whereupon=[{"wait": "1h"}, {"send": "push", "title": "Thanks"}])
SPEAKING = thanks(whereupon=[{"wait": "1h"}, {"track": "thanked"}])


@pytest.mark.parametrize("form", [QUIET, SPEAKING])
def test_a_step_of_due_work_asks_as_often_for_many_as_for_few(
    database: Database, form: dict[str, object]
) -> None:
    """A thousand entries are woken, another thousand, then some."""
    statements, rules = Statements(database), book_of(form)
    with Engine.open(database, rules=rules, clock=FrozenClock(LATER)) as engine:
        waiting(engine.store, 2 * DUE_LIMIT + SOME, rules.rules[0], LATER)
        asked = []
        for done in engine.wake(LATER):
            asked.append((len(done.changes.entries), dict(statements.asked)))
            statements.asked.clear()
    assert [count for count, _ in asked] == [DUE_LIMIT, DUE_LIMIT, SOME]
    assert asked[1][1] == asked[2][1]
    assert sum(asked[1][1].values()) < MOST_STATEMENTS
    read = [sql for sql in asked[1][1] if "FROM whereupon_entry" in sql]
    others = [sql for sql in read if "due_at <=" not in sql and "RECURSIVE" not in sql]
    assert len(others) == (form is SPEAKING)  # who only sends has to do with no other entry


def test_looking_for_due_work_asks_no_more_while_much_waits(database: Database) -> None:
    """Only the index that gives the first due time is read."""
    statements, rules = Statements(database), book_of(QUIET)
    with Engine.open(database, rules=rules, clock=FrozenClock(START)) as engine:
        engine.run_due()  # which cleans up what the database's last user has erased
        asked = []
        for _ in range(2):
            statements.asked.clear()
            engine.run_due()
            asked.append(dict(statements.asked))
            if len(asked) == 1:
                waiting(engine.store, 100, rules.rules[0], LATER)
    assert asked[0] == asked[1]


@pytest.mark.parametrize(
    ("index", "ask"),
    [
        ("whereupon_entry_due", lambda session: session.due_entries(LATER, 9)),
        ("whereupon_entry_due", lambda session: session.take_due_entries(LATER, 9)),
        ("whereupon_entry_version", lambda session: session.waiting_versions()),
        ("whereupon_entry_active", lambda session: session.active_entries([1, 2])),
        (
            "whereupon_message_owner",
            lambda session: session.waiting_messages(1, (START, 0), LATER, 9),
        ),
    ],
)
def test_what_waits_is_found_by_an_index(
    database: Database, index: str, ask: Callable[[Session], object]
) -> None:
    """Whatever else a table holds."""
    rules = book_of(QUIET)
    with Engine.open(database, rules=rules, clock=FrozenClock(START)) as engine:
        waiting(engine.store, 1_000, rules.rules[0], LATER)
        with database.begin() as connection:
            connection.exec_driver_sql("ANALYZE")
        asked: list[tuple[str, Any]] = []

        def note(
            _connection: object, _cursor: object, statement: str, given: Any, *_: object
        ) -> None:
            asked.append((statement, given))

        event.listen(database, "before_cursor_execute", note)
        with engine.store.session() as session:
            ask(session)
        event.remove(database, "before_cursor_execute", note)
    large = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN"}[database.dialect.name]
    plans = []
    with database.begin() as connection:
        if large == "EXPLAIN":  # small tables are rather read as a whole
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for statement, given in asked:
            if "whereupon_entry" in statement or "whereupon_message" in statement:
                rows = connection.exec_driver_sql(f"{large} {statement}", given)
                plans.append(" ".join(str(part) for row in rows for part in row))
    assert any(index in plan for plan in plans), plans


def shared_device(store: Store, name: str, logins: int) -> None:
    """A device on which one person after another has logged in, a minute apart, until `LATER`."""
    with store.session() as session:
        device = session.allocate(logins + 1)
        keys = range(device + 1, device + 1 + logins)
        at = {key: LATER - (key - device) * timedelta(minutes=1) for key in keys}
        people = {key: Person(key, f"{name}-{key - device}", at[key]) for key in keys}
        runs = [ClaimRun(device, key, at[key], at[key], f"m-{key}") for key in keys]
        ids = [Identifier(IdKind.USER, person.user_id, key) for key, person in people.items()]
        changes = Changes(persons=people, claims={(device, run.since): run for run in runs})
        changes.identifiers = [*ids, Identifier(IdKind.ANONYMOUS, name, device)]
        session.flush(changes)


class Steps:
    """Counts a database's work on claims: SQLite's virtual-machine steps, or rows in PostgreSQL's plans."""

    def __init__(self, database: Database) -> None:
        self._taken = 0
        self._is_counting = False
        self._is_about_claims = False
        event.listen(database, "connect", self._watch)
        event.listen(database, "before_cursor_execute", self._explain)

    def of(self, work: Callable[[], object]) -> int:
        """The steps of some work."""
        self._taken, self._is_counting = 0, True
        work()
        self._is_counting = False
        return self._taken

    def _watch(self, connection: object, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.set_progress_handler(self._step, 1)

    def _step(self) -> None:
        self._taken += self._is_counting and self._is_about_claims

    def _explain(
        self, connection: Connection, cursor: Any, statement: str, given: Any, *_: object
    ) -> None:
        self._is_about_claims = "whereupon_claim." in statement or "whereupon_claim " in statement
        if connection.dialect.name == "sqlite" or not self._is_counting:
            return
        if self._is_about_claims and statement.startswith("SELECT"):
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", given)
            self._taken += rows_of(cursor.fetchone()[0][0]["Plan"])


def test_a_login_on_a_shared_device_costs_as_much_after_thousands_as_after_fifty(
    database: Database,
) -> None:
    """The same holds for messages there, now or long ago, and for a login that arrives late."""
    steps, rules = Steps(database), book_of(thanks())
    before = LATER - timedelta(minutes=30, seconds=7)

    def visits(device: str) -> Iterator[Callable[[], object]]:
        there = partial(engine.track, "purchase", anonymous_id=device)
        yield there
        yield partial(there, timestamp=before)
        yield partial(engine.identify, f"new-{device}", anonymous_id=device)
        yield partial(engine.identify, f"{device}-40", anonymous_id=device)
        yield partial(engine.identify, f"{device}-45", anonymous_id=device, timestamp=before)

    clock = FrozenClock(LATER)
    with Engine.open(database, rules=rules, clock=clock) as engine:
        for device, logins in {"first": 50, "few": 50, "many": 5_000, "last": 50}.items():
            shared_device(engine.store, device, logins)
        with database.begin() as connection:
            connection.exec_driver_sql("ANALYZE")
        counted: dict[str, list[int]] = {"first": [], "few": [], "many": []}
        for device, steps_of in counted.items():
            for visit in visits(device):
                clock.move_to(clock.now() + timedelta(seconds=1))
                steps_of.append(steps.of(visit))
    assert all(counted["few"])
    assert counted["few"] == counted["many"]


class Loading:
    """A store that counts the messages that its sessions read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.loaded = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def transact(self, work: Callable[[Any], Any], *, alone: bool = False) -> Any:
        """Do work in a session that counts."""
        return self._store.transact(lambda session: work(self.Counted(session, self)), alone=alone)

    class Counted:
        """A session that counts what it answers."""

        def __init__(self, session: Session, counts: "Loading") -> None:
            self._session = session
            self._counts = counts

        def __getattr__(self, name: str) -> Any:
            return getattr(self._session, name)

        def owned_messages(self, *asked: Any) -> list[StoredMessage]:
            """As the session does."""
            found = self._session.owned_messages(*asked)
            self._counts.loaded += len(found)
            return found

        def live_messages(self, *asked: Any) -> list[StoredMessage]:
            """Likewise."""
            found = self._session.live_messages(*asked)
            self._counts.loaded += len(found)
            return found

        def waiting_messages(self, *asked: Any) -> list[StoredMessage]:
            """Likewise."""
            found = self._session.waiting_messages(*asked)
            self._counts.loaded += len(found)
            return found


def anonymous_messages(store: Store, device: str, count: int, happened_at: datetime) -> None:
    """Add purchases on a device, one a second up to an instant; half of them are views."""
    with store.session() as session:
        first = session.allocate(count + 1)
        made = [
            StoredMessage(
                first + number,
                first + count,
                Message(
                    message_id=f"{device}-{number}",
                    type=MessageType.TRACK,
                    name=("purchase", "view")[number % 2],
                    user_id=None,
                    anonymous_id=device,
                    target_id=None,
                    timestamp=happened_at - number * timedelta(seconds=1),
                    received_at=happened_at,
                    original_timestamp=None,
                    source=SenderClass.CLIENT,
                    origin=Origin.LIVE,
                    body=b'{"data":{}}',
                ),
            )
            for number in range(count)
        ]
        known = Identifier(IdKind.ANONYMOUS, device, first + count)
        session.flush(Changes(messages=made, identifiers=[known]))


def count_of(database: Database, table: str) -> int:
    """The number of a table's rows."""
    with database.connect() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())  # noqa: S608


def test_a_claim_of_a_hundred_times_as_many_old_messages_asks_and_loads_no_more(
    database: Database,
) -> None:
    """They change their owner in one statement, and their skips are one row; none of them is loaded."""
    statements, rules = Statements(database), book_of(thanks(max_age="1h"))
    store = Loading(open_store(database))
    asked, loaded, skipped = [], [], list[int]()
    with Engine(store, rules, clock=FrozenClock(START)) as engine:
        for number, count in enumerate((1_000, 500, 50_000)):
            device, user = f"device-{number}", f"p-{number}"
            anonymous_messages(store, device, count, START - timedelta(hours=2))
            statements.asked.clear()
            store.loaded = 0
            result = engine.identify(user, anonymous_id=device)
            assert [each.code for each in result.warnings] == ["claimed-together"]
            asked.append(dict(statements.asked))
            loaded.append(store.loaded)
            skipped.append(count // 2)
            assert count_of(database, "whereupon_skips") == sum(skipped)
    assert (
        asked[1] == asked[2]
    )  # by the first, every name has been met, and the rule's version is stored
    assert sum(asked[1].values()) < MOST_STATEMENTS
    assert loaded == [CLAIM_CHUNK + 1] * 3
