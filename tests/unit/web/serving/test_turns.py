"""Whose turn it is among requests that wait, and when those who are refused may come again."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whereupon.web.serving.budget import Budget, Sharer
from whereupon.web.serving.fair_queue import FairQueue, Job
from whereupon.web.serving.workers import DrainRate, seconds_to_wait

FLOOD, HONEST = Sharer("flood", "", True), Sharer("honest", "", True)


def _order(jobs: list[tuple[Sharer, str]]) -> list[str]:
    """In which order one thread does the jobs that wait."""
    queue, done = FairQueue(1), list[str]()
    for sharer, name in jobs:
        queue.put(Job(sharer, partial(done.append, name)))
    queue.close()
    queue.work()
    return done


def test_keys_take_turns_however_much_one_of_them_sends() -> None:
    """The one request of the other key is the second that is answered, not the last."""
    jobs = [(FLOOD, f"flood {number}") for number in range(4)] + [(HONEST, "honest")]
    assert _order(jobs) == ["flood 0", "honest", "flood 1", "flood 2", "flood 3"]


def test_addresses_take_turns_under_one_key() -> None:
    """A page's key is public: who floods with it does not keep its other pages out."""
    jobs = [(Sharer("page", "192.0.2.1"), f"flood {number}") for number in range(3)]
    jobs.append((Sharer("page", "192.0.2.2"), "reader"))
    assert _order(jobs) == ["flood 0", "reader", "flood 1", "flood 2"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy")), max_size=40))
def test_every_job_is_done_once_and_each_key_in_its_order(jobs: list[tuple[str, str]]) -> None:
    """Whatever comes in."""
    named = [
        (Sharer(key, address), f"{key}{address}{number}")
        for number, (key, address) in enumerate(jobs)
    ]
    done = _order(named)
    assert sorted(done) == sorted(name for _, name in named)
    for sharer in {sharer for sharer, _ in named}:
        own = [name for whose, name in named if whose == sharer]
        assert [name for name in done if name in own] == own


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("done", "held", "keys", "seconds"),
    [
        (0, 0, 0, 1),
        (0, 500_000, 1, 60),
        (10_000_000, 500_000, 1, 1),
        (1_000_000, 2_000_000, 1, 20),
        (1_000_000, 2_000_000, 2, 40),
        (1_000, 2_000_000, 1, 60),
    ],
    ids=["idle", "stuck", "quick", "slow", "shared", "at most a minute"],
)
def test_who_is_refused_comes_again_when_its_share_is_worked_off(
    done: int, held: int, keys: int, seconds: int
) -> None:
    """By the rate of the last ten seconds, which those share who wait; between a second and a minute."""
    clock, budget = _Clock(), Budget(10_000_000, 0.5)
    rate = DrainRate(clock)
    rate.count(done)
    clock.now += 10
    budget.hold(FLOOD, held, is_in=True)
    assert seconds_to_wait(budget, rate, FLOOD, keys) == seconds


def test_the_rate_forgets_what_is_long_ago() -> None:
    """A server that stands still has no rate, however fast it was."""
    clock = _Clock()
    rate = DrainRate(clock)
    for _ in range(20):
        rate.count(1_000)
        clock.now += 1
    assert rate.per_second == pytest.approx(1_000, rel=0.11)
    clock.now += 30
    assert rate.per_second == 0
