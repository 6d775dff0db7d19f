"""The cost of an entry and of a step, counted as calls of functions, which no other work on the machine changes."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Final

from tests.benchmarks.journey_world import fill
from tests.benchmarks.journey_world import rules as journey
from tests.counted import calls_by_name, calls_of
from tests.rule_files import book_of
from tests.shop import thanks

from whereupon.engine import Engine
from whereupon.rules.model import Rulebook
from whereupon.scheduling.clocks import FrozenClock

START: Final = datetime(2026, 3, 1, tzinfo=UTC)
PEOPLE: Final = 200
MOST_CALLS_AN_ENTRY: Final = 74
MOST_CALLS_OF_SKIPS: Final = 36
"""Beside the first entry of a message, which is evaluated: the evaluation, and the record of the other rules."""
MOST_CALLS_A_PERSON: Final = 216
"""Of one who is woken: a wait is left, a mail is made, the next wait begins."""


def batch(number: int) -> list[Mapping[str, object]]:
    """A purchase by each of the people."""
    return [
        {
            "type": "track",
            "event": "purchase",
            "userId": f"user-{person}",
            "messageId": f"m-{number}-{person}",
            "properties": {"product": "socks", "size": 39, "price": 23.45},
            "context": {"locale": "en-GB", "page": {"path": "/socks"}},
        }
        for person in range(PEOPLE)
    ]


def calls_for_a_batch(store: str, entering: int) -> int:
    """The calls for one purchase of each person, of whom each enters so many of twenty rules."""
    return calls_in_a_batch(store, entering).total()


def calls_in_a_batch(store: str, entering: int) -> Counter[str]:
    """The same calls by the names of functions."""
    send = [{"send": "push", "title": "Thanks!", "body": "Size {{ properties.size }}."}]
    rules = (
        thanks(
            campaign=f"rule-{place:02}",
            where={"product": "socks" if place < entering else "gloves"},
            reentry="every_time",
            whereupon=send,
        )
        for place in range(20)
    )
    numbers = count()
    with Engine.open(store, rules=book_of(*rules), clock=FrozenClock(START)) as engine:

        def ingest() -> None:
            done = engine.ingest(batch(next(numbers)))
            assert sum(each.reason is None for each in done.decisions) == entering * PEOPLE

        ingest()
        ingest()
        return calls_by_name(lambda: engine.ingest(batch(next(numbers))))


def test_an_entry_calls_few_functions(tmp_path: Path) -> None:
    """Its decision, its delivery with a text, and their rows: beside a message that enters nothing, and beside one more."""
    none, one, two = (
        calls_for_a_batch(f"sqlite:///{tmp_path}/{entering}.db", entering) for entering in range(3)
    )
    assert (one - none) / PEOPLE <= MOST_CALLS_AN_ENTRY + MOST_CALLS_OF_SKIPS
    assert (two - one) / PEOPLE <= MOST_CALLS_AN_ENTRY


def test_a_batch_that_makes_many_entries_is_decided_once(tmp_path: Path) -> None:
    """Keys for its rows are reserved by what batches before took, so it is not decided anew for want of keys."""
    assert calls_in_a_batch(f"sqlite:///{tmp_path}/many.db", entering=20)["decide"] == 1


def test_a_journey_that_goes_on_calls_few_functions(tmp_path: Path) -> None:
    """What a woken person costs, with what is read and written; nothing waits for it to be counted."""
    store = f"sqlite:///{tmp_path}/journeys.db"
    fill(store, PEOPLE, at=START)
    due = START + timedelta(hours=2)
    rules: Rulebook = journey()
    with Engine.open(store, rules=rules, clock=FrozenClock(due)) as engine:
        calls = calls_of(lambda: list(engine.wake(due)))
    assert calls / PEOPLE <= MOST_CALLS_A_PERSON
