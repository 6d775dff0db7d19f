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
    before = [statements(database, work) for work in works]
    fill(database, INSIDE)
    renamed = [message | {"messageId": f"again-{n}"} for n, message in enumerate(STRANGERS)]
    works[1] = lambda engine: engine.ingest(renamed)
    after = [statements(database, work) for work in works]
    assert after[0] <= before[0]  # only the first look of a store prunes
    assert after[1] <= before[1]  # the strangers are known by now
