"""`rate: 500 per 1m`: a broadcast lets people in at a pace, whatever happens to its processes."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta

import pytest
from tests.rule_files import book_of
from tests.shop import NOON, news

from whereupon import Engine, OperationError
from whereupon.rules.model import Rulebook
from whereupon.scheduling.clocks import FrozenClock

MINUTE = timedelta(minutes=1)
_PEOPLE = [f"person-{number:02}" for number in range(25)]


def _opened(place: str, clock: FrozenClock, **keys: object) -> Engine:
    rules: Rulebook = book_of(news(**{"rate": "10 per 1m", **keys}))
    return Engine.open(place, rules=rules, clock=clock)


@pytest.fixture
def clock() -> FrozenClock:
    """It stands at noon."""
    return FrozenClock(NOON)


@pytest.fixture
def engine(place: str, clock: FrozenClock) -> Iterator[Engine]:
    """Twenty-five people, and a broadcast that lets ten in a minute."""
    with _opened(place, clock) as engine:
        engine.ingest([{"type": "identify", "userId": name} for name in _PEOPLE])
        yield engine


def _times(engine: Engine) -> dict[datetime, int]:
    return dict(sorted(Counter(each.due_at for each in engine.deliveries(limit=1000)).items()))


def test_at_most_that_many_are_let_in_per_interval(engine: Engine, clock: FrozenClock) -> None:
    """The rest come in the intervals after it; each person comes once."""
    engine.trigger("news", key="june")
    for _ in range(8):
        engine.run_due()
        clock.move_to(clock.now() + MINUTE / 2)
    assert _times(engine) == {NOON: 10, NOON + MINUTE: 10, NOON + 2 * MINUTE: 5}
    assert sorted(each.person for each in engine.deliveries(limit=1000)) == _PEOPLE
    run = engine.broadcasts.show("news", "news:june").run
    assert (run.admitted, run.state_at(clock.now())) == (25, "done")


def test_the_next_interval_is_due_work_at_its_own_moment(
    engine: Engine, clock: FrozenClock
) -> None:
    """Nothing looks before; and what `whereupon broadcasts` says is when it goes on."""
    engine.trigger("news", key="june")
    engine.run_due()
    progress = engine.broadcasts.show("news", "news:june")
    assert (progress.run.admitted, progress.run.due_at) == (10, NOON + MINUTE)
    assert progress.ahead == 15
    assert progress.run.state_at(clock.now()) == "running"
    assert engine.waiting().work_due == NOON + MINUTE


def test_the_rate_is_exact_over_restarts_and_processes(
    place: str, engine: Engine, clock: FrozenClock
) -> None:
    """The run's row knows how many were let in, so another process lets in no more than is left."""
    engine.trigger("news", key="june")
    next(engine.wake(clock.now()))
    engine.close()
    if place == "memory://":
        return  # what is in memory ends with its process
    clock.move_to(clock.now() + MINUTE / 4)
    with _opened(place, clock) as other, _opened(place, clock) as third:
        other.run_due()
        third.run_due()
        assert _times(other) == {NOON: 10}
        clock.move_to(clock.now() + MINUTE)
        third.run_due()
        other.run_due()
        assert _times(other) == {NOON: 10, NOON + MINUTE * 5 / 4: 10}


def test_a_rate_counts_those_who_enter_and_not_those_who_are_looked_at(
    place: str, clock: FrozenClock
) -> None:
    """People whom `who` does not admit take no place."""
    with _opened(place, clock, who={"logic": {"==": [{"var": "person.plan"}, "pro"]}}) as engine:
        engine.ingest(
            {"type": "identify", "userId": name, "traits": {"plan": "pro" if n % 2 else "free"}}
            for n, name in enumerate(_PEOPLE)
        )
        engine.trigger("news", key="june")
        engine.run_due()
        assert _times(engine) == {NOON: 10}
        clock.move_to(clock.now() + MINUTE)
        engine.run_due()
        assert _times(engine) == {NOON: 10, NOON + MINUTE: 2}


def test_a_run_with_a_rate_is_paused_resumed_and_cancelled_while_it_runs(
    engine: Engine, clock: FrozenClock
) -> None:
    """Paused it lets nobody in, resumed it goes on at its pace, cancelled it ends."""
    engine.trigger("news", key="june")
    engine.run_due()
    engine.broadcasts.pause("news", by="tim")
    clock.move_to(clock.now() + 10 * MINUTE)
    engine.run_due()
    assert _times(engine) == {NOON: 10}
    engine.broadcasts.resume("news", by="tim")
    engine.run_due()
    assert _times(engine) == {NOON: 10, NOON + 10 * MINUTE: 10}
    engine.broadcasts.cancel("news", by="tim")
    clock.move_to(clock.now() + 10 * MINUTE)
    engine.run_due()
    assert engine.broadcasts.show("news", "news:june").run.state_at(clock.now()) == "cancelled"
    assert sum(_times(engine).values()) == 20


def test_a_call_that_names_more_people_than_the_rate_lets_in_is_refused(engine: Engine) -> None:
    """All of the people of such a call enter at once."""
    with pytest.raises(OperationError, match="rate lets 10 people in at once") as refused:
        engine.trigger("news", people=_PEOPLE)
    assert refused.value.code == "over-rate"
    assert len(engine.trigger("news", people=_PEOPLE[:10]).deliveries) == 10


def test_a_time_that_comes_while_the_run_before_lets_people_in_is_recorded_with_its_reason(
    place: str, clock: FrozenClock
) -> None:
    """It is left out, and the next time after the run is planned."""
    with _opened(place, clock, when={"cron": "* * * * *"}) as engine:
        engine.ingest([{"type": "identify", "userId": name} for name in _PEOPLE])
        engine.run_due()
        for _ in range(4):
            clock.move_to(clock.now() + MINUTE)
            engine.run_due()
        runs = {f"{each.timestamp:%M}": each for each in engine.runs("news")}
        assert [(at, runs[at].reason) for at in ("01", "02", "03")] == [
            ("01", None), ("02", "still-running"), ("03", "still-running"),
        ]  # fmt: skip
        assert runs["01"].admitted == 25
        assert runs["02"].state_at(clock.now()) == "missed"
        reasons = {each.reason for each in engine.explain("person-00", "news")}
        assert "still-running" in reasons


def test_processes_that_send_at_once_let_no_more_in_than_the_rate_and_each_person_once(
    database: str,
) -> None:
    """Whoever comes first holds the run's row, and the others find its count."""
    clock = FrozenClock(NOON)
    with ExitStack() as open_ones:
        opened = (_opened(database, clock, rate="1 per 1m") for _ in range(3))
        engines = [open_ones.enter_context(engine) for engine in opened]
        engines[0].ingest([{"type": "identify", "userId": name} for name in _PEOPLE[:12]])
        engines[0].trigger("news", key="june")
        for minutes in range(13):
            clock.move_to(NOON + minutes * MINUTE)
            with ThreadPoolExecutor(len(engines)) as threads:
                for ran in [threads.submit(each.run_due) for each in engines]:
                    ran.result()
            assert sum(_times(engines[0]).values()) == min(12, minutes + 1)
        assert sorted(each.person for each in engines[0].deliveries(limit=1000)) == _PEOPLE[:12]
