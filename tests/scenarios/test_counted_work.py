"""What work costs, counted and not timed: statements a batch, conditions a message."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Engine as Database
from sqlalchemy import create_engine, event
from tests.benchmarks.peers.rule_mix import Mix
from tests.benchmarks.workload import messages, rules
from tests.servers import Server

from whereupon.conditions import NO_HISTORY, Condition, Data, History
from whereupon.engine import Engine
from whereupon.matching import RuleIndex
from whereupon.messages import MessageType
from whereupon.replay import FrozenClock
from whereupon.rulefiles import parse_rule_file
from whereupon.rules import Rule, Rulebook

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
