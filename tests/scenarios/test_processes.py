"""Processes that share a database, and processes that are killed: nothing lost, nobody in twice."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from subprocess import PIPE, Popen
from typing import TypeAlias

import pytest
from fixtures.shop_stream import messages as shop_messages
from tests.scenarios.hosting import ROOT, tables_in, written

Outcome: TypeAlias = tuple[list[tuple[object, ...]], ...]


@contextmanager
def _sending(database: str, stream: Path) -> Iterator[Iterator[str]]:
    """A process that sends, as the lines it prints; killed at the end of the block, if it still runs."""
    command = [sys.executable, "-m", "tests.scenarios.sending", database, str(stream)]
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
    """What the store says in the end, in words that do not depend on its keys."""
    tables = tables_in(database)
    people = {row[0]: row[1] for row in tables["whereupon_person"]}
    said: list[list[tuple[object, ...]]] = [
        [(row[1], people.get(row[3])) for row in tables["whereupon_message"]],
        [(row[1], people[row[3]], row[5], *row[6:13]) for row in tables["whereupon_entry"]],
        [(row[1], row[4], row[6], row[7], row[9]) for row in tables["whereupon_delivery"]],
        [(row[1], row[3]) for row in tables["whereupon_person"]],
    ]
    return tuple(sorted(rows, key=repr) for rows in said)


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some hours of a busy shop."""
    lines = (dict(message) for message in shop_messages(1_500, seed=11, per_day=7_200))
    return written(tmp_path_factory.mktemp("stream") / "shop.jsonl", lines)


@pytest.fixture(scope="module")
def undisturbed(stream: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """What comes of the stream when nothing goes wrong."""
    database = f"sqlite:///{tmp_path_factory.mktemp('undisturbed')}/shop.db"
    assert len(_sent(database, stream)) == 1_500
    outcome = _outcome(database)
    assert all(len(part) > 10 for part in outcome), [len(part) for part in outcome]
    return outcome


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


def test_two_processes_that_send_the_same_at_once_are_as_one(
    stream: Path, undisturbed: Outcome, database: str
) -> None:
    """The database lets each message in once, whoever brings it."""
    with _sending(database, stream) as one, _sending(database, stream) as two:
        assert len(list(one)) == len(list(two)) == 1_500
    assert _outcome(database) == undisturbed
