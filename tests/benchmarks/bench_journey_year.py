"""A year of journeys, timed by pytest-benchmark in a process of its own; run by `tests.benchmarks.journeys`.

``WHEREUPON_YEAR`` says how many people go through the whole journey within a year, on a clock that goes with them. The
process has its peak from the smaller number first.
"""

import os
from datetime import timedelta
from itertools import islice
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from tests.benchmarks.journey_world import START, rules, year
from tests.benchmarks.timing import peak_kilobytes, rounds_of

from whereupon.engine import Engine
from whereupon.scheduling.clocks import FrozenClock

PEOPLE = int(os.environ.get("WHEREUPON_YEAR", "20000"))


@pytest.mark.parametrize("people", [PEOPLE // 5, PEOPLE])
def test_year(benchmark: BenchmarkFixture, tmp_path: Path, people: int) -> None:
    """People sign up all year, and go through the journey, on SQLite; the count is of finished journeys."""
    clock = FrozenClock(START)
    with Engine.open(f"sqlite:///{tmp_path}/year.db", rules=rules(), clock=clock) as engine:

        def work() -> None:
            told = year(people)
            while batch := list(islice(told, 900)):
                now = batch[-1][0]
                for _ in engine.wake(now):
                    pass
                clock.move_to(now)
                assert not engine.ingest([message for _, message in batch]).rejected
            for _ in engine.wake(START + timedelta(days=400)):
                pass

        rounds_of(benchmark, lambda: ((work,), {}), count=people, rounds=1, warmup=0)
        with engine.store.session() as session:
            assert not session.count_inside(None)
    benchmark.extra_info["peak"] = peak_kilobytes()
