"""Requests that wait for a thread: keys take turns, and so do the addresses under one key."""

from _thread import LockType
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import TypeAlias

from whereupon.messages.structs import Frozen
from whereupon.web.serving.budget import Sharer


class Job(Frozen, frozen=True):
    """What a thread is to do for a sharer, and the bytes of bodies that it works on."""

    sharer: Sharer
    run: Callable[[], None]
    size: int = 0


_Lines: TypeAlias = OrderedDict[str, deque[Job]]

_ALONE = 2.0
"""Seconds after which a key that sends nothing leaves its threads to the others."""
_BESIDE = 16 << 10
"""Bytes of bodies that a key may have worked on at once beside other keys: many small requests, or one large one.
Python runs one thread at a time, and SQLite has one writer, so that every large job more that runs would make the jobs
of other keys wait longer."""


class FairQueue:
    """A queue for threads. A key that sends much waits behind itself, and others do not wait behind it.

    Args:
        threads: how many take from it. One key's jobs never run in all of them, if there are several, so that the
            next job of another key begins at once. While other keys send, too, its large jobs run one by one.
        clock: seconds that only grow.
    """

    def __init__(self, threads: int, clock: Callable[[], float] = monotonic) -> None:
        self.threads = threads
        self._guard = Lock()
        self._clock = clock
        self._latest, self._latest_at = "", float("-inf")
        self._before_at = float("-inf")  # when another key than the latest sent last
        self._lines: OrderedDict[str, _Lines] = OrderedDict()
        self._running: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._size = 0
        self._idle: list[LockType] = []  # each holds up a thread; the last has waited shortest
        self._is_waking = False
        self._is_closed = False

    def __len__(self) -> int:
        """How many jobs wait."""
        return self._size

    @property
    def idle(self) -> int:
        """How many threads wait for something to do."""
        return len(self._idle)

    @property
    def keys(self) -> int:
        """How many keys have jobs that wait."""
        return len(self._lines)

    def is_shared(self) -> bool:
        """Whether more than one key sent something in the last seconds."""
        return self._clock() - self._before_at <= _ALONE

    def put(self, *jobs: Job) -> None:
        """Add jobs; however many they are, one thread is woken, which wakes the next."""
        with self._guard:
            for job in jobs:
                self._add(job)
            self._wake()

    def _add(self, job: Job) -> None:
        sharer = job.sharer
        lines = self._lines.get(sharer.key_id)
        if lines is None:
            lines = self._lines[sharer.key_id] = OrderedDict()
        line = lines.get(sharer.address)
        if line is None:
            line = lines[sharer.address] = deque()
        line.append(job)
        self._size += 1
        self._see(sharer.key_id)

    def work(self) -> None:
        """Run jobs, one after the other, until the queue is closed and empty."""
        taken, mine = None, Lock()
        mine.acquire()
        while (taken := self._take(taken, mine)) is not None:
            taken.run()

    def close(self) -> None:
        """Let the threads end once nothing waits."""
        with self._guard:
            self._is_closed = True
            self._wake_all()

    def _take(self, ended: Job | None, mine: LockType) -> Job | None:
        """The next job; None at the end.

        Args:
            ended: what has just ended in this thread.
            mine: holds up this thread while nothing is to be done; it is taken.
        """
        with self._guard:
            if ended is not None:
                self._end(ended)
            while (taken := self._next()) is None:
                if self._is_closed and not self._size:
                    self._wake_all()  # so that the other threads end, too
                    return None
                self._idle.append(mine)
                self._guard.release()
                mine.acquire()
                self._guard.acquire()
                self._is_waking = False
            self._wake()
            return taken

    def _wake(self) -> None:
        """Wake one thread, if there is something for it; it wakes the next when it has taken a job.

        So a thread that is quick does several jobs that came together, and one that waits for the store has others
        beside it. To wake a thread costs more than a small job. The one that has waited shortest is woken, since most
        of what it works with is still in the caches of the processor.
        """
        if self._size and self._idle and not self._is_waking:
            self._is_waking = True
            self._idle.pop().release()

    def _wake_all(self) -> None:
        while self._idle:
            self._idle.pop().release()

    def _end(self, job: Job) -> None:
        key_id = job.sharer.key_id
        was = self._running[key_id]
        self._bytes[key_id] -= job.size
        if was > 1:
            self._running[key_id] = was - 1
        else:
            del self._running[key_id], self._bytes[key_id]

    def _see(self, key_id: str) -> None:
        """Note that a key sends."""
        if self._latest != key_id:
            self._latest, self._before_at = key_id, self._latest_at
        self._latest_at = self._clock()

    def _may_run(self, key_id: str, size: int) -> bool:
        """Whether another job of a key may run now, beside those of its that do."""
        running = self._running[key_id]
        if running == 0:
            return True
        if running >= self.threads - 1:
            return False
        if self._bytes[key_id] + size <= _BESIDE:
            return True
        others_at = self._before_at if self._latest == key_id else self._latest_at
        return self._clock() - others_at > _ALONE

    def _next(self) -> Job | None:
        for key_id, lines in self._lines.items():
            address, line = next(iter(lines.items()))
            if not self._may_run(key_id, line[0].size):
                continue
            job = line.popleft()
            if line:
                lines.move_to_end(address)
            else:
                del lines[address]
            if lines:
                self._lines.move_to_end(key_id)
            else:
                del self._lines[key_id]
            self._running[key_id] += 1
            self._bytes[key_id] += job.size
            self._size -= 1
            return job
        return None
