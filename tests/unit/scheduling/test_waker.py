"""The waker: a round when it is woken, a round when work is due, and never two at once."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from whereupon.scheduling import SystemClock, Waker

_PATIENCE = 5.0  # seconds; only a failing test ever waits so long
_HOUR = timedelta(hours=1)


class _Rounds:
    """Work that counts its rounds, and lets a test wait for the next."""

    def __init__(self) -> None:
        self.count = 0
        self.threads: set[str] = set()
        self.changed = threading.Condition()
        self.answer: Callable[[int], datetime | None] = lambda _: None

    def __call__(self) -> datetime | None:
        with self.changed:
            self.count += 1
            self.threads.add(threading.current_thread().name)
            self.changed.notify_all()
            return self.answer(self.count)

    def reach(self, count: int) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: self.count >= count, _PATIENCE)


@contextmanager
def _started(rounds: _Rounds, poll: timedelta = _HOUR) -> Iterator[Waker]:
    waker = Waker(rounds, SystemClock(), poll)
    waker.start()
    try:
        yield waker
    finally:
        waker.stop()


@contextmanager
def _restless_threads() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def test_starting_does_what_is_due_at_once() -> None:
    """Work that became due while no process was running does not wait for the first poll."""
    rounds = _Rounds()
    with _started(rounds):
        assert rounds.reach(1)


def test_waking_makes_another_round() -> None:
    """A caller who adds work need not wait for the poll."""
    rounds = _Rounds()
    with _started(rounds) as waker:
        assert rounds.reach(1)
        waker.wake()
        assert rounds.reach(2)


def test_no_wake_is_lost_however_close_it_comes_to_the_end_of_a_round() -> None:
    """A wake at the end of a round still leads to the next one, however threads are scheduled."""
    rounds = _Rounds()
    with _restless_threads(), _started(rounds) as waker:
        assert rounds.reach(1)
        for _ in range(300):
            before = rounds.count
            waker.wake()
            assert rounds.reach(before + 1), f"lost after {before} rounds"


def test_waking_during_a_round_makes_another_follow_it() -> None:
    """A running round may overlook work that is added during it."""
    rounds = _Rounds()
    with _started(rounds) as waker:
        assert rounds.reach(1)
        rounds.answer = lambda count: waker.wake() if count == 2 else None
        waker.wake()
        assert rounds.reach(3)


def test_the_next_round_comes_when_the_work_said_it_is_due() -> None:
    """The poll interval is an hour here, but the work knows its time."""
    rounds = _Rounds()
    soon = timedelta(milliseconds=50)
    rounds.answer = lambda count: SystemClock().now() + soon if count < 20 else None
    with _started(rounds):
        assert rounds.reach(20)


def test_the_poll_comes_although_nothing_is_known_to_be_due() -> None:
    """Other processes may have added work."""
    rounds = _Rounds()
    with _started(rounds, timedelta(milliseconds=50)):
        assert rounds.reach(4)


def test_what_was_due_long_ago_is_done_now_in_one_round() -> None:
    """An entry that has waited for years does not cause a series of rounds."""
    rounds = _Rounds()
    with _started(rounds) as waker:
        assert rounds.reach(1)
        waker.wake_by(datetime(1970, 1, 1, tzinfo=UTC))
        assert rounds.reach(2)
    assert rounds.count == 2


def test_a_round_that_fails_does_not_end_the_waking() -> None:
    """A database that was away for a moment must not stop the deliveries for ever."""
    rounds = _Rounds()

    def answer(count: int) -> None:
        if count == 1:
            message = "the database is away"
            raise OSError(message)

    rounds.answer = answer
    with _started(rounds) as waker:
        assert rounds.reach(1)
        waker.wake()
        assert rounds.reach(2)


def test_a_second_start_is_the_first() -> None:
    """All rounds run in one thread, one after another."""
    rounds = _Rounds()
    with _started(rounds) as waker:
        waker.start()
        assert rounds.reach(1)
        for count in range(2, 20):
            waker.wake()
            assert rounds.reach(count)
    assert len(rounds.threads) == 1


def test_stopping_waits_for_the_round_under_way_and_leaves_no_thread() -> None:
    """No channel is called after the engine was closed."""
    before = set(threading.enumerate())
    rounds = _Rounds()
    with _started(rounds) as waker:
        assert rounds.reach(1)
    left = {thread for thread in threading.enumerate() if thread.is_alive()} - before
    assert not left
    waker.wake()
    waker.stop()
    assert rounds.count == 1


def test_what_was_stopped_can_be_started_again() -> None:
    """A host may pause its background work."""
    rounds = _Rounds()
    waker = Waker(rounds, SystemClock(), _HOUR)
    for count in (1, 2):
        waker.start()
        assert rounds.reach(count)
        waker.stop()


def test_work_that_was_due_ever_earlier_asks_for_one_round(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A round that is planned for now does all that is due; APScheduler would warn of every further one."""
    rounds, now = _Rounds(), SystemClock().now()
    with _started(rounds) as waker, _restless_threads():
        for seconds in range(2_000):
            waker.wake_by(now - timedelta(seconds=seconds))
        assert rounds.reach(1)
    assert [each for each in caplog.records if each.name.startswith("apscheduler")] == []
