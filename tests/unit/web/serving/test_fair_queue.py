"""Which requests get a thread next."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from threading import Barrier, Condition, Event, Thread, current_thread
from time import monotonic

import pytest

from whereupon.web.serving.budget import Sharer
from whereupon.web.serving.fair_queue import FairQueue, Job

THREADS = 8
SMALL, LARGE = 500, 20_000
"""Bytes of a message, and of a batch."""
_PATIENCE = 30.0


class _Jobs:
    """Jobs that begin, and end when they may."""

    def __init__(self, queue: FairQueue) -> None:
        self._queue = queue
        self.changed = Condition()
        self.running, self.done = Counter[str](), Counter[str]()
        self.most = Counter[str]()
        self.may_end = Event()

    def put(self, key_id: str, count: int = 1, size: int = LARGE) -> None:
        for _ in range(count):
            self._queue.put(Job(Sharer(key_id=key_id), lambda: self._run(key_id), size))

    def _run(self, key_id: str) -> None:
        with self.changed:
            self.running[key_id] += 1
            self.most[key_id] = max(self.most[key_id], self.running[key_id])
            self.changed.notify_all()
        self.may_end.wait(_PATIENCE)
        with self.changed:
            self.running[key_id] -= 1
            self.done[key_id] += 1
            self.changed.notify_all()

    def wait_for(self, running: dict[str, int]) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: +self.running == Counter(running), _PATIENCE)

    def wait_for_end(self, done: dict[str, int]) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.done == Counter(done), _PATIENCE)


class _Seconds:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def _jobs(clock: _Seconds) -> Iterator[_Jobs]:
    queue = FairQueue(THREADS, clock)
    threads = [Thread(target=queue.work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    jobs = _Jobs(queue)
    try:
        yield jobs
    finally:
        jobs.may_end.set()
        queue.close()
        for thread in threads:
            thread.join()


def test_a_key_that_is_alone_has_all_threads_but_one() -> None:
    """The one is for whoever comes next."""
    with _jobs(_Seconds()) as jobs:
        jobs.put("flood", 20)
        jobs.wait_for({"flood": THREADS - 1})
        jobs.put("other")
        jobs.wait_for({"flood": THREADS - 1, "other": 1})


def test_beside_others_the_large_jobs_of_a_key_run_one_by_one() -> None:
    """Its further jobs wait, although there are threads, and all of them are done in the end."""
    with _jobs(_Seconds()) as jobs:
        jobs.put("other")
        jobs.put("flood", 20)
        jobs.wait_for({"flood": 1, "other": 1})
        jobs.may_end.set()
        jobs.wait_for_end({"flood": 20, "other": 1})
        assert jobs.most["flood"] == 1


def test_beside_others_the_small_jobs_of_a_key_run_side_by_side() -> None:
    """They share a commit, and take little from the others."""
    with _jobs(_Seconds()) as jobs:
        jobs.put("other", size=SMALL)
        jobs.put("shop", 20, size=SMALL)
        jobs.wait_for({"shop": THREADS - 1, "other": 1})


def test_a_key_is_alone_again_once_the_others_have_sent_nothing_for_a_while() -> None:
    """Then its jobs run in all threads but one."""
    clock = _Seconds()
    with _jobs(clock) as jobs:
        jobs.put("other")
        jobs.wait_for({"other": 1})
        clock.now = 2.5
        jobs.put("flood", 20)
        jobs.wait_for({"flood": THREADS - 1, "other": 1})


@pytest.mark.parametrize("together", [True, False])
def test_jobs_that_wait_for_the_store_run_beside_one_another(together: bool) -> None:
    """Each thread that has begun a job wakes the next, whether the jobs came one by one or at once."""
    barrier, queue = Barrier(THREADS), FairQueue(THREADS)

    def meet() -> None:
        barrier.wait(_PATIENCE)

    jobs = [Job(Sharer(key_id=str(number)), meet) for number in range(THREADS)]
    threads = [Thread(target=queue.work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for each in [jobs] if together else [[job] for job in jobs]:
        queue.put(*each)
    queue.close()
    for thread in threads:
        thread.join(_PATIENCE)
    assert not barrier.broken
    assert not any(thread.is_alive() for thread in threads)


def test_a_server_is_shared_while_two_keys_send() -> None:
    """For two seconds after the one that sent less; one key alone shares it with nobody."""
    clock = _Seconds()
    queue = FairQueue(THREADS, clock)
    assert not queue.is_shared()
    for key_id, seconds, shared in (
        ("a", 0, False),
        ("a", 1, False),
        ("b", 2, True),
        ("b", 3, True),
    ):
        clock.now = seconds
        queue.put(Job(Sharer(key_id=key_id), lambda: None))
        assert queue.is_shared() is shared
    clock.now = 3.5
    assert not queue.is_shared()


@pytest.mark.parametrize("threads", [1, 2])
def test_every_key_has_a_thread_however_few_there_are(threads: int) -> None:
    """And they take turns."""
    queue, order = FairQueue(threads, _Seconds()), list[str]()
    for place in range(3):
        for name in ("a", "b"):
            queue.put(Job(Sharer(key_id=name), partial(order.append, f"{name}{place}")))
    queue.close()
    queue.work()
    assert order == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_jobs_that_come_one_by_one_are_done_by_one_thread() -> None:
    """It has waited shortest, and finds its caches as it left them."""
    queue = FairQueue(THREADS)
    threads = [Thread(target=queue.work, name=str(number)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    took = SimpleQueue[str]()
    for _ in range(20):
        until = monotonic() + _PATIENCE
        while queue.idle < THREADS:
            assert monotonic() < until
        queue.put(Job(Sharer(key_id="k"), lambda: took.put(current_thread().name)))
    names = {took.get(timeout=_PATIENCE) for _ in range(20)}
    queue.close()
    for thread in threads:
        thread.join()
    assert len(names) == 1
