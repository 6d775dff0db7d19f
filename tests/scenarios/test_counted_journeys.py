"""What people cost who wait in a journey, counted: nothing, until they are due."""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import create_engine
from tests.benchmarks.journey_world import CREATED, START, fill, rules
from tests.scenarios.test_counted_work import Statements

from whereupon.engine import Engine
from whereupon.scheduling.clocks import FrozenClock

INSIDE = 300
STRANGERS = [
    {"type": "track", "event": CREATED, "userId": f"stranger-{n}", "messageId": f"m-{n}"}
    for n in range(20)
]


def statements(url: str, work: Callable[[Engine], object]) -> int:
    """How many statements some work takes."""
    database = create_engine(url)
    clock = FrozenClock(START + timedelta(hours=1))
    with Engine.open(database, rules=rules(), clock=clock) as engine:
        engine.track("Signed Up", user_id="first")  # every name has been met then
        engine.track(CREATED, user_id="second")
        engine.run_due()
        counted = Statements(database)
        work(engine)
    database.dispose()
    return counted.asked.total()


def test_people_who_wait_cost_nothing_until_they_are_due(database: str) -> None:
    """A look for due work, and messages of strangers by the event that all wait for, take what they took before."""
    works: list[Callable[[Engine], object]] = [
        lambda engine: engine.run_due(),
        lambda engine: engine.ingest(STRANGERS),
    ]
    for work in works:  # the strangers are known then
        statements(database, work)
    batches = [[m | {"messageId": f"{m['messageId']}-{n}"} for m in STRANGERS] for n in range(2)]
    works[1] = lambda engine: engine.ingest(batches.pop())
    before = [statements(database, work) for work in works]
    fill(database, INSIDE)
    after = [statements(database, work) for work in works]
    assert after[0] <= before[0]  # only the first look of a store prunes
    assert after[1] == before[1]
