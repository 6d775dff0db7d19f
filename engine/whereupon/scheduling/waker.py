"""Waking the engine when something is due. State never lives here: it is rows in the store.

APScheduler runs one job in one thread, from a memory job store: a persistent one would lose work
that is under way, and its default grace time drops what is late.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Condition
from typing import TYPE_CHECKING

from whereupon.ports import Clock
from whereupon.runtime.forks import ForkAware, watch_forks
from whereupon.scheduling.clocks import SystemClock

if TYPE_CHECKING:
    from apscheduler.executors.pool import ThreadPoolExecutor  # type: ignore[import-untyped]
    from apscheduler.schedulers.background import (  # type: ignore[import-untyped]
        BackgroundScheduler,
    )

_JOB = "wake"
_INSTANCES = 2
"""One that runs, in the only thread, and one that follows it. With one alone, APScheduler would drop
a wake that comes while the last round is ending, until the next poll."""

_BREATH = timedelta(milliseconds=100)
"""What is still due after a round is in another process's hands; it is looked at again a little later."""

_LOG = logging.getLogger("whereupon.waking")


class Waker(ForkAware):
    """Calls a function in the background.

    It does so when asked to, when the function said that more is due, and at least every ``poll``,
    since other processes may add work to the store unseen.
    """

    def __init__(
        self,
        work: Callable[[], datetime | None],
        clock: Clock,
        poll: timedelta = timedelta(seconds=30),
    ) -> None:
        """Args: ``work`` does what is due, and returns when there will be more (None: unknown)."""
        self._work = work
        self._clock = clock
        self._poll = poll
        self._lock = Condition()
        self._scheduler: BackgroundScheduler | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._running = False
        self._again: datetime | None = None
        self._planned: datetime | None = None
        watch_forks(self)

    def after_fork_in_child(self) -> None:
        """The threads are the parent's; a child that starts gets its own."""
        self._lock = Condition()
        self._scheduler = self._threads = None
        self._running = False
        self._again = self._planned = None

    def start(self) -> None:
        """Begin; starting twice is starting once."""
        with self._lock:
            if self._scheduler is not None:
                return
            self._scheduler, self._threads = _scheduler()
            self._scheduler.add_job(
                self._run, "interval", seconds=self._poll.total_seconds(), id=_JOB
            )
            self._scheduler.start()
        self.wake()

    def stop(self, seconds: float | None = None) -> bool:
        """End, after the round that is under way; stopping what never started is nothing.

        Args:
            seconds: how long to wait for that round; None for as long as it takes.

        Returns:
            Whether no round is under way any more.
        """
        with self._lock:
            scheduler, self._scheduler = self._scheduler, None
            threads, self._threads = self._threads, None
        if scheduler is not None:
            scheduler.shutdown(wait=False)
        with self._lock:
            ended = self._lock.wait_for(lambda: not self._running, seconds)
        if ended and threads is not None:
            threads.shutdown(wait=True)
        return ended

    def wake(self) -> None:
        """Run soon; what is asked for during a round makes another follow it."""
        self.wake_by(self._clock.now())

    def wake_by(self, instant: datetime) -> None:
        """Run at an instant, if nothing makes it run before."""
        with self._lock:
            if self._running:
                self._again = min(self._again or instant, instant)
            elif self._scheduler is not None and instant < (self._planned or instant + _BREATH):
                self._plan(self._scheduler, instant)

    def _plan(self, scheduler: "BackgroundScheduler", instant: datetime) -> None:
        """Run next at an instant, or now where that has passed.

        From an instant long ago the scheduler would list every run that was missed since.
        """
        self._planned = instant
        scheduler.modify_job(_JOB, next_run_time=max(instant, SystemClock().now()))

    def _run(self) -> None:
        with self._lock:
            self._running, self._again = True, None
        next_due: datetime | None = None
        try:
            next_due = self._work()
        except Exception:  # noqa: BLE001 - logged whole; the next round tries again
            _LOG.exception("round-failed retry_in_seconds=%g", self._poll.total_seconds())
        finally:
            self._look_ahead(next_due)

    def _look_ahead(self, next_due: datetime | None) -> None:
        with self._lock:
            self._running = False
            self._lock.notify_all()
            if self._scheduler is None:
                return
            now = self._clock.now()
            at = max(min(next_due or now + self._poll, now + self._poll), now + _BREATH)
            self._plan(self._scheduler, at if self._again is None else min(at, self._again))


def _scheduler() -> "tuple[BackgroundScheduler, ThreadPoolExecutor]":
    """A scheduler of one thread. Most engines of a program that ends are never started."""
    from apscheduler.executors.pool import ThreadPoolExecutor  # noqa: PLC0415 - see above
    from apscheduler.jobstores.memory import MemoryJobStore  # type: ignore[import-untyped]  # noqa: PLC0415
    from apscheduler.schedulers.background import BackgroundScheduler  # noqa: PLC0415

    threads = ThreadPoolExecutor(1)
    scheduler = BackgroundScheduler(
        jobstores={"default": MemoryJobStore()},
        executors={"default": threads},
        job_defaults={
            "coalesce": True,
            "max_instances": _INSTANCES,
            "misfire_grace_time": None,
        },
        timezone=UTC,
        daemon=True,
    )
    return scheduler, threads
