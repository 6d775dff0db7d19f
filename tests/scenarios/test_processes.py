"""Processes that share a database, and processes that are killed: nothing lost, nobody in twice."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from itertools import islice
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from subprocess import PIPE, Popen
from typing import TypeAlias

import pytest
from fixtures.shop_stream import messages as shop_messages
from tests.paths import ROOT
from tests.scenarios.broadcast_process import RULES
from tests.scenarios.timer_process import RULES as TIMED
from tests.shop import NOON
from tests.stores import tables_in
from tests.stream_files import write_stream

from whereupon import Engine
from whereupon.pipeline.audience_rounds import AUDIENCE_CHUNK
from whereupon.records import Changes, Identifier, IdKind, Person
from whereupon.scheduling.clocks import FrozenClock

Outcome: TypeAlias = tuple[list[tuple[object, ...]], ...]


def _sending(database: str, stream: Path) -> AbstractContextManager[Iterator[str]]:
    return _running("import_process", database, str(stream))


@contextmanager
def _running(scenario: str, *given: str) -> Iterator[Iterator[str]]:
    """A process that works, as the lines it prints; killed at the end of the block, if it still runs."""
    command = [sys.executable, "-m", f"tests.scenarios.{scenario}", *given]
    with Popen(command, stdout=PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield (line.strip() for line in process.stdout)
        finally:
            process.kill()


def _sent(database: str, stream: Path) -> list[str]:
    with _sending(database, stream) as acknowledged:
        return list(acknowledged)


def _outcome(database: str) -> Outcome:
    """What the store says in the end, in words that do not depend on its keys.

    When a step was done is left out: it is when somebody was there to do it.
    """
    tables = tables_in(database)
    people = {row[0]: row[1] for row in tables["whereupon_person"]}
    rows_by_table: list[list[tuple[object, ...]]] = [
        [(row[1], people.get(row[3])) for row in tables["whereupon_message"]],
        [(row[1], people[row[3]], row[5], *row[6:12]) for row in tables["whereupon_entry"]],
        [(row[1], row[4], row[7], row[9]) for row in tables["whereupon_delivery"]],
        [(row[1], row[3]) for row in tables["whereupon_person"]],
    ]
    return tuple(sorted(rows, key=repr) for rows in rows_by_table)


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some hours of a busy shop."""
    lines = (dict(message) for message in shop_messages(1_500, seed=11, per_day=7_200))
    return write_stream(tmp_path_factory.mktemp("stream") / "shop.jsonl", *lines)


@pytest.fixture(scope="module")
def undisturbed(stream: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """What comes of the stream when nothing goes wrong."""
    database = f"sqlite:///{tmp_path_factory.mktemp('undisturbed')}/shop.db"
    assert len(_sent(database, stream)) == 1_500
    outcome = _outcome(database)
    assert all(len(part) > 10 for part in outcome), [len(part) for part in outcome]
    return outcome


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_killed_process_loses_nothing_it_acknowledged_and_enters_nobody_twice(
    seed: int, stream: Path, undisturbed: Outcome, database: str
) -> None:
    """Killed again and again, and started again, it ends where an undisturbed one does."""
    acknowledged: set[str] = set()
    for count in sorted(Random(seed).sample(range(1, 1_400), 3)):  # noqa: S311
        with _sending(database, stream) as lines:
            acknowledged |= set(islice(lines, count))
        recorded = {str(row[1]) for row in tables_in(database)["whereupon_message"]}
        assert acknowledged <= recorded
    assert len(_sent(database, stream)) == 1_500
    assert _outcome(database) == undisturbed


@pytest.mark.slow
def test_two_processes_that_send_the_same_at_once_are_as_one(
    stream: Path, undisturbed: Outcome, database: str
) -> None:
    """Each message is recorded once, whichever process sends it."""
    with _sending(database, stream) as one, _sending(database, stream) as two:
        assert len(list(one)) == len(list(two)) == 1_500
    assert _outcome(database) == undisturbed


@pytest.mark.slow
def test_a_broadcast_goes_on_where_killed_processes_left_it(database: str) -> None:
    """Each is killed amid a chunk; in the end everybody is sent one copy, and entered once."""
    names = [f"person-{number}" for number in range(AUDIENCE_CHUNK * 13 // 2)]
    with Engine.open(database, rules=RULES, clock=FrozenClock(NOON)) as engine:
        people = enumerate(names, engine.store.transact(lambda s: s.allocate(len(names))))
        persons = {key: Person(key, name, NOON, {"plan": "pro"}) for key, name in people}
        ids = [Identifier(IdKind.USER, each.user_id, key) for key, each in persons.items()]
        changes = Changes(persons=persons, identifiers=ids)
        engine.store.transact(lambda session: session.flush(changes))
        engine.trigger("news")
    for _ in range(2):
        with _running("broadcast_process", database) as chunks:
            assert next(chunks) == str(AUDIENCE_CHUNK)
    sent = len(tables_in(database)["whereupon_delivery"])
    assert AUDIENCE_CHUNK * 2 <= sent < len(names)
    with _running("broadcast_process", database) as chunks:
        assert sum(map(int, chunks)) == len(names) - sent
    tables = tables_in(database)
    assert sorted(str(row[4]) for row in tables["whereupon_delivery"]) == sorted(names)
    assert {row[3] for row in tables["whereupon_entry"]} == persons.keys()
    assert len(tables["whereupon_entry"]) == len(tables["whereupon_message"]) == len(names)
    assert [row[5] for row in tables["whereupon_run"]] == [None]


@pytest.mark.slow
def test_what_came_due_in_a_standstill_happens_once_though_processes_are_killed(
    database: str,
) -> None:
    """Each is killed amid a transaction, and then two work at once: each date and each silence opens one entry."""
    names = [f"person-{number}" for number in range(1_300)]
    clock = FrozenClock(NOON)
    with Engine.open(database, rules=TIMED, clock=clock) as engine:
        date = (NOON + timedelta(days=9)).date().isoformat()
        for first in range(0, len(names), 650):
            engine.ingest(
                [
                    {"type": "identify", "userId": name, "traits": {"renews_at": date}}
                    for name in names[first : first + 650]
                ]
            )
    for _ in range(2):
        with _running("timer_process", database) as let_in:
            next(let_in)
    with _running("timer_process", database) as one, _running("timer_process", database) as two:
        assert [*one, *two]
    tables = tables_in(database)
    persons = {row[0] for row in tables["whereupon_person"]}
    entered = sorted((str(row[1]), row[3]) for row in tables["whereupon_entry"])
    wanted = sorted((rule, key) for rule in ("back", "renewal") for key in persons)
    assert entered == wanted
    assert len(tables["whereupon_delivery"]) == 2 * len(names)
    assert tables["whereupon_timer"] == []
