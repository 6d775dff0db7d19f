"""A fixed pool of threads that answer requests, and how fast they do it."""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from math import ceil
from threading import Thread
from time import monotonic
from typing import Generic, TypeVar

from whereupon.web.serving.budget import Budget, Sharer
from whereupon.web.serving.fair_queue import FairQueue, Job

T = TypeVar("T")

_WINDOW = 10.0
"""Seconds over which the rate is measured."""
_SHORTEST, _LONGEST = 1, 60
"""Seconds in which a refused client may come again."""


class DrainRate:
    """How many bytes of bodies are worked off in a second, over the last seconds."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._second = int(self._began)
        self._now = 0
        self._done: deque[tuple[int, int]] = deque()
        self._total = 0

    def count(self, size: int) -> None:
        """Count what a finished request held."""
        second = int(self._clock())
        if second != self._second:
            self._turn(second)
        self._now += size

    def _turn(self, second: int) -> None:
        self._done.append((self._second, self._now))
        self._total += self._now
        self._second, self._now = second, 0
        while self._done and self._done[0][0] < second - _WINDOW:
            self._total -= self._done.popleft()[1]

    @property
    def per_second(self) -> float:
        """Bytes in a second; 0 if nothing was finished."""
        now = self._clock()
        self._turn(int(now))
        return self._total / max(1.0, min(_WINDOW, now - self._began))


def seconds_to_wait(budget: Budget, rate: DrainRate, sharer: Sharer, keys: int) -> int:
    """When a client that is refused should come again: once what its key has here is worked off.

    Args:
        keys: how many keys share the threads.
    """
    held = budget.held_by(sharer) * max(1, keys) or budget.held
    per_second = rate.per_second
    if not held:
        return _SHORTEST
    if not per_second:
        return _LONGEST
    return min(_LONGEST, max(_SHORTEST, ceil(held / per_second)))


class Workers(Generic[T]):
    """Threads that take jobs fairly, and give the results back to the event loop.

    Args:
        queue: gives them their jobs.
        loop: that waits for the results.
    """

    def __init__(self, queue: FairQueue, loop: asyncio.AbstractEventLoop) -> None:
        self.queue = queue
        self._loop = loop
        self._done: deque[tuple[Callable[[T | BaseException], None], T | BaseException]] = deque()
        self._is_waking = False
        self._new: list[Job] = []
        self._threads = [
            Thread(target=queue.work, name=f"whereupon-answer-{number}", daemon=True)
            for number in range(queue.threads)
        ]
        for thread in self._threads:
            thread.start()

    def run(self, sharer: Sharer, work: Callable[[], T], size: int) -> asyncio.Future[T]:
        """Have work on so many bytes done by a thread, when it is the sharer's turn."""
        future: asyncio.Future[T] = self._loop.create_future()
        self.submit(sharer, work, partial(_settle, future), size)
        return future

    def submit(
        self,
        sharer: Sharer,
        work: Callable[[], T],
        then: Callable[[T | BaseException], None],
        size: int,
    ) -> None:
        """Have work done by a thread, and a function called in the thread of the event loop with the result.

        What comes in together is handed over together. Threads that are awake would take turns with the event loop
        at every call of the system by which it reads further requests.
        """

        def run() -> None:
            try:
                result: T | BaseException = work()
            except BaseException as error:  # noqa: BLE001 - the event loop gets it
                result = error
            self._done.append((then, result))
            if not self._is_waking:  # one call for all that end meanwhile
                self._is_waking = True
                self._loop.call_soon_threadsafe(self._deliver)

        self._new.append(Job(sharer, run, size))
        if len(self._new) == 1:
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        new, self._new = self._new, []
        self.queue.put(*new)

    def _deliver(self) -> None:
        self._is_waking = False
        while self._done:
            then, result = self._done.popleft()
            then(result)

    def close(self, seconds: float) -> bool:
        """Let the threads end what is under way; whether they did in so many seconds."""
        self.queue.close()
        until = monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - monotonic()))
        return not any(thread.is_alive() for thread in self._threads)


def _settle(future: asyncio.Future[T], result: T | BaseException) -> None:
    if future.done():
        return
    if isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(result)
