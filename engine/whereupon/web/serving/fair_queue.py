"""Requests that wait for a thread: keys take turns, and so do the addresses under one key."""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from threading import Condition
from time import monotonic
from typing import NamedTuple, TypeAlias

from whereupon.web.serving.budget import Sharer

Job: TypeAlias = Callable[[], None]
_Lines: TypeAlias = OrderedDict[str, deque[Job]]

_ALONE = 2.0
"""Seconds after which a key that sends nothing leaves its threads to the others."""
_SHARE = 4
"""Beside other keys, a key has one thread of so many. Python runs one thread at a time, so that every job more that
runs would make the jobs of other keys wait longer; and their commit would wait behind it."""


class _Seen(NamedTuple):
    key_id: str
    at: float


_NOBODY = _Seen("", float("-inf"))


class FairQueue:
    """A queue for threads. A key that sends much waits behind itself, and others do not wait behind it.

    Args:
        threads: how many take from it. One key's jobs never run in all of them, if there are several, so that the
            next job of another key begins at once; and in a quarter of them while other keys send, too.
        clock: seconds that only grow.
    """

    def __init__(self, threads: int, clock: Callable[[], float] = monotonic) -> None:
        self.threads = threads
        self._changed = Condition()
        self._clock = clock
        self._latest = self._before = _NOBODY
        self._lines: OrderedDict[str, _Lines] = OrderedDict()
        self._running: Counter[str] = Counter()
        self._size = 0
        self._is_closed = False

    def __len__(self) -> int:
        """How many jobs wait."""
        return self._size

    @property
    def keys(self) -> int:
        """How many keys have jobs that wait."""
        return len(self._lines)

    def put(self, sharer: Sharer, job: Job) -> None:
        """Add a job."""
        with self._changed:
            lines = self._lines.get(sharer.key_id)
            if lines is None:
                lines = self._lines[sharer.key_id] = OrderedDict()
            line = lines.get(sharer.address)
            if line is None:
                line = lines[sharer.address] = deque()
            line.append(job)
            self._size += 1
            self._see(sharer.key_id)
            self._changed.notify()

    def work(self) -> None:
        """Run jobs, one after the other, until the queue is closed and empty."""
        key_id: str | None = None
        while (taken := self._take(key_id)) is not None:
            key_id, job = taken
            job()

    def close(self) -> None:
        """Let the threads end once nothing waits."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _take(self, ended: str | None) -> tuple[str, Job] | None:
        """The next job, and whose; None at the end.

        Args:
            ended: whose job has just ended in this thread.
        """
        with self._changed:
            if ended is not None:
                self._end(ended)
            while (taken := self._next()) is None:
                if self._is_closed and not self._size:
                    return None
                self._changed.wait()
            return taken

    def _end(self, key_id: str) -> None:
        was = self._running[key_id]
        if was > 1:
            self._running[key_id] = was - 1
        else:
            del self._running[key_id]
        if key_id in self._lines:
            self._changed.notify()

    def _see(self, key_id: str) -> None:
        """Note that a key sends."""
        if self._latest.key_id != key_id:
            self._before = self._latest
        self._latest = _Seen(key_id, self._clock())

    def _most_of(self, key_id: str) -> int:
        """How many jobs of a key may run at once."""
        other = self._before if self._latest.key_id == key_id else self._latest
        is_alone = self._clock() - other.at > _ALONE
        return max(1, self.threads - 1 if is_alone else self.threads // _SHARE)

    def _next(self) -> tuple[str, Job] | None:
        for key_id, lines in self._lines.items():
            if self._running[key_id] >= self._most_of(key_id):
                continue
            address, line = next(iter(lines.items()))
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
            self._size -= 1
            return key_id, job
        return None
