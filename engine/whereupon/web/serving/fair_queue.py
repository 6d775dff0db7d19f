"""Requests that wait for a thread: keys take turns, and so do the addresses under one key."""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from threading import Condition
from time import monotonic
from typing import NamedTuple, TypeAlias

from whereupon.web.serving.budget import Sharer

Job: TypeAlias = Callable[[], None]


class _Waiting(NamedTuple):
    run: Job
    size: int


_Lines: TypeAlias = OrderedDict[str, deque[_Waiting]]

_ALONE = 2.0
"""Seconds after which a key that sends nothing leaves its threads to the others."""
_BESIDE = 16 << 10
"""Bytes of bodies that a key may have worked on at once beside other keys: many small requests, or one large one.
Python runs one thread at a time, and SQLite has one writer, so that every large job more that runs would make the jobs
of other keys wait longer."""


class _Seen(NamedTuple):
    key_id: str
    at: float


_NOBODY = _Seen("", float("-inf"))


class FairQueue:
    """A queue for threads. A key that sends much waits behind itself, and others do not wait behind it.

    Args:
        threads: how many take from it. One key's jobs never run in all of them, if there are several, so that the
            next job of another key begins at once. While other keys send, too, its large jobs run one by one.
        clock: seconds that only grow.
    """

    def __init__(self, threads: int, clock: Callable[[], float] = monotonic) -> None:
        self.threads = threads
        self._changed = Condition()
        self._clock = clock
        self._latest = self._before = _NOBODY
        self._lines: OrderedDict[str, _Lines] = OrderedDict()
        self._running: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._size = 0
        self._is_closed = False

    def __len__(self) -> int:
        """How many jobs wait."""
        return self._size

    @property
    def keys(self) -> int:
        """How many keys have jobs that wait."""
        return len(self._lines)

    def is_shared(self) -> bool:
        """Whether more than one key sent something in the last seconds."""
        return self._clock() - self._before.at <= _ALONE

    def put(self, sharer: Sharer, job: Job, size: int = 0) -> None:
        """Add a job, with the bytes that it works on."""
        with self._changed:
            lines = self._lines.get(sharer.key_id)
            if lines is None:
                lines = self._lines[sharer.key_id] = OrderedDict()
            line = lines.get(sharer.address)
            if line is None:
                line = lines[sharer.address] = deque()
            line.append(_Waiting(job, size))
            self._size += 1
            self._see(sharer.key_id)
            self._changed.notify()

    def work(self) -> None:
        """Run jobs, one after the other, until the queue is closed and empty."""
        taken: tuple[str, _Waiting] | None = None
        while (taken := self._take(taken)) is not None:
            taken[1].run()

    def close(self) -> None:
        """Let the threads end once nothing waits."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _take(self, ended: tuple[str, _Waiting] | None) -> tuple[str, _Waiting] | None:
        """The next job, and whose; None at the end.

        Args:
            ended: what has just ended in this thread.
        """
        with self._changed:
            if ended is not None:
                self._end(*ended)
            while (taken := self._next()) is None:
                if self._is_closed and not self._size:
                    return None
                self._changed.wait()
            return taken

    def _end(self, key_id: str, job: _Waiting) -> None:
        was = self._running[key_id]
        self._bytes[key_id] -= job.size
        if was > 1:
            self._running[key_id] = was - 1
        else:
            del self._running[key_id], self._bytes[key_id]
        if key_id in self._lines:
            self._changed.notify()

    def _see(self, key_id: str) -> None:
        """Note that a key sends."""
        if self._latest.key_id != key_id:
            self._before = self._latest
        self._latest = _Seen(key_id, self._clock())

    def _may_run(self, key_id: str, size: int) -> bool:
        """Whether another job of a key may run now, beside those of its that do."""
        running = self._running[key_id]
        if running == 0:
            return True
        if running >= self.threads - 1:
            return False
        other = self._before if self._latest.key_id == key_id else self._latest
        is_alone = self._clock() - other.at > _ALONE
        return is_alone or self._bytes[key_id] + size <= _BESIDE

    def _next(self) -> tuple[str, _Waiting] | None:
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
            return key_id, job
        return None
