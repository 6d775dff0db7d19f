"""What work costs, counted and not timed: statements a batch, conditions a message."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Engine as Database
from sqlalchemy import create_engine, event
from tests.benchmarks.peers.rule_mix import Mix
from tests.benchmarks.workload import messages, rules
from tests.scenarios.hosting import book, news
from tests.servers import Server

from whereupon.conditions import NO_HISTORY, Condition, Data, History
from whereupon.engine import Engine
from whereupon.matching import RuleIndex
from whereupon.messages import MessageType
from whereupon.pipeline import AUDIENCE_CHUNK, AUDIENCE_REACH
from whereupon.ports import Store
from whereupon.replay import FrozenClock
from whereupon.rulefiles import parse_rule_file
from whereupon.rules import Rule, Rulebook
from whereupon.state import Changes, Person

START: Final = datetime(2026, 3, 1, tzinfo=UTC)
LATER: Final = START + timedelta(minutes=10)
FIRST: Final = 2_000
"""Messages by which every name has been met, and every rule's wording kept."""
MOST_STATEMENTS: Final = 30


def read(sources: Iterator[dict[str, Any]]) -> Iterator[Rule]:
    """Rules from their files' plain data."""
    for source in sources:
        rule, problems = parse_rule_file(source, stem=str(source["campaign"]), segments={})
        assert isinstance(rule, Rule), problems
        yield rule


class Statements:
    """Counts what a database is asked; a statement for many rows is one."""

    def __init__(self, database: Database) -> None:
        self.asked: Counter[str] = Counter()
        event.listen(database, "before_cursor_execute", self._count)

    def _count(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        self.asked[statement] += 1


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
    """Claims, entries and deliveries among it. A thousand messages are fifty whole visits."""
    statements = Statements(database)
    stream = list(messages(FIRST + 3_000, people=100))
    clock = FrozenClock(LATER)
    with Engine.open(database, rules=Rulebook(rules=tuple(read(rules()))), clock=clock) as engine:
        engine.ingest(stream[:FIRST])
        asked = []
        for first, last in ((FIRST, FIRST + 1_000), (FIRST + 1_000, FIRST + 3_000)):
            statements.asked.clear()
            taken = engine.ingest(stream[first:last])
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
    """Whatever the number of rules of its name: the others are left out by tables."""
    counting = Counting()
    counted = [replace(rule, where=counting.of(rule.where)) for rule in read(Mix(1).rules(count))]
    index = RuleIndex(Rulebook(rules=tuple(counted)))
    for name, data in Mix(1).messages(100):
        roll = index.naming(MessageType.TRACK, name)
        satisfied = [rule for rule in counted if rule.where.failing(data, NO_HISTORY) is None]
        counting.evaluated = 0
        assert [each.rule for each in roll.candidates(data)] == satisfied
        assert counting.evaluated <= len(satisfied) + count // 100


def populated(store: Store, plans: Sequence[str]) -> None:
    """People of these plans, in this order."""
    made = {
        key: Person(key, f"p-{key}", START, {"plan": plan}) for key, plan in enumerate(plans, 1)
    }
    with store.session() as session:
        session.allocate(len(plans) + 1)
        session.flush(Changes(persons=made))


def test_a_chunk_of_a_broadcast_asks_as_often_for_many_as_for_few(database: Database) -> None:
    """A thousand are let in at first, and again, then two of a thousand."""
    statements = Statements(database)
    plans = ["pro"] * 2 * AUDIENCE_CHUNK + ["free"] * AUDIENCE_CHUNK + ["pro"] * 2
    rules = book(news(who={"plan": "pro"}))
    with Engine.open(database, rules=rules, clock=FrozenClock(START)) as engine:
        populated(engine.store, plans)
        engine.trigger("news")
        asked, sent = [], []
        for folded in engine.wake(START):
            sent.append(len(folded.changes.deliveries))
            asked.append(dict(statements.asked))
            statements.asked.clear()
    assert sent == [AUDIENCE_CHUNK, AUDIENCE_CHUNK, 2]
    assert asked[1] == asked[2]  # by the first, the rule's wording is kept
    assert sum(asked[1].values()) < MOST_STATEMENTS


def test_a_broadcast_asks_only_people_whom_it_may_be_meant_for(home: Store) -> None:
    """The others are not even read."""
    (rule,) = book(news(who={"plan": "pro", "age": {"exists": False}})).rules
    counting = Counting()
    rules = Rulebook(rules=(replace(rule, who=counting.of(rule.who)),))
    populated(home, ["free" if number % 100 else "pro" for number in range(2_000)])
    engine = Engine(home, rules, clock=FrozenClock(START))
    engine.trigger("news")
    sent = [len(folded.changes.deliveries) for folded in engine.wake(START)]
    assert (sum(sent), counting.evaluated) == (20, 20)


def test_a_broadcast_meant_for_few_does_not_hold_up_others_for_long(home: Store) -> None:
    """One transaction looks at so many people, whether it finds anybody among them or not."""
    rules = book(news(who={"plan": "pro"}))
    populated(home, ["free"] * (2 * AUDIENCE_REACH) + ["pro"])
    engine = Engine(home, rules, clock=FrozenClock(START))
    engine.trigger("news")
    assert [len(folded.changes.deliveries) for folded in engine.wake(START)] == [0, 0, 1]
