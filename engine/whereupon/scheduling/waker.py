"""The thread that wakes the engine when work is due. Due work is rows in the store; nothing is kept here.

APScheduler runs one job in one thread, from a job store in memory. A persistent job store would lose a
running job, and would drop late jobs after its default grace time.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Condition
from typing import TYPE_CHECKING

from whereupon.ports import Clock
from whereupon.runtime.forks import ForkAware, watch_forks
from whereupon.runtime.log_lines import log_event
from whereupon.scheduling.clocks import SystemClock

if TYPE_CHECKING:
    from apscheduler.executors.pool import ThreadPoolExecutor  # type: ignore[import-untyped]
    from apscheduler.schedulers.background import (  # type: ignore[import-untyped]
        BackgroundScheduler,
    )

_JOB = "wake"
_INSTANCES = 2
"""A round that runs, and one that follows it. With only one, APScheduler would drop a wake that comes at the
end of a round, until the next poll."""

_PAUSE = timedelta(milliseconds=100)
"""The shortest time between rounds. Work that is still due after a round belongs to another process."""

_LOG = logging.getLogger("whereupon.waking")


class Waker(ForkAware):
    """Calls a function in the background: on request, and when the function has said that more is due.

    It also calls it once every ``poll``, since other processes may add work to the store.
    """

    def __init__(
        self,
        work: Callable[[], datetime | None],
        clock: Clock,
        poll: timedelta = timedelta(seconds=30),
    ) -> None:
        """Args: ``work`` does due work, and returns the instant of the next due work (None: unknown)."""
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
        """Forget the parent's threads; a child that calls `start` gets its own."""
        self._lock = Condition()
        self._scheduler = self._threads = None
        self._running = False
        self._again = self._planned = None

    def start(self) -> None:
        """Start the thread; a second call does nothing."""
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
        """Stop after the running round; without a thread, it does nothing.

        Args:
            seconds: the longest wait for that round; None for no limit.

        Returns:
            Whether no round is running any more.
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
        """Run a round soon; during a round, another one follows it."""
        self.wake_by(self._clock.now())

    def wake_by(self, instant: datetime) -> None:
        """Run a round at an instant, or before."""
        with self._lock:
            if self._running:
                self._again = min(self._again or instant, instant)
            elif self._scheduler is not None and self._is_too_late(instant):
                self._plan(self._scheduler, instant)

    def _is_too_late(self, instant: datetime) -> bool:
        """Whether the next round is planned for later. One whose time has come does all that is due."""
        planned = self._planned
        return planned is None or (instant < planned and planned > self._clock.now())

    def _plan(self, scheduler: "BackgroundScheduler", instant: datetime) -> None:
        """Set the time of the next round; now, if the instant has passed.

        For an instant long ago, the scheduler would list every run that was missed since.
        """
        self._planned = instant
        scheduler.modify_job(_JOB, next_run_time=max(instant, SystemClock().now()))

    def _run(self) -> None:
        with self._lock:
            self._running, self._again = True, None
        next_due: datetime | None = None
        try:
            next_due = self._work()
        except Exception as error:  # noqa: BLE001 - it is logged with its traceback, and the next round tries again
            pause = round(self._poll.total_seconds())
            log_event(_LOG, logging.ERROR, "round-failed", raised=error, retry_in_seconds=pause)
        finally:
            self._look_ahead(next_due)

    def _look_ahead(self, next_due: datetime | None) -> None:
        with self._lock:
            self._running = False
            self._lock.notify_all()
            if self._scheduler is None:
                return
            now = self._clock.now()
            at = max(min(next_due or now + self._poll, now + self._poll), now + _PAUSE)
            self._plan(self._scheduler, at if self._again is None else min(at, self._again))


def _scheduler() -> "tuple[BackgroundScheduler, ThreadPoolExecutor]":
    """A scheduler with one thread. The imports stand here, since most engines are never started."""
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
