"""Locks by which the threads of one process write one after the other."""

from _thread import LockType
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock, get_ident, local

from whereupon.errors import StoreError
from whereupon.storage.deadline import Deadline, busy


class WriteLock(ABC):
    """Lets threads write. A thread that asks for the lock while it holds it is refused; it would hang."""

    def take(self, deadline: Deadline | None = None) -> AbstractContextManager[None]:
        """Wait for the lock, if need be, and hold it for the block.

        Raises:
            StoreError: with the code ``busy``, if the deadline passes first.
        """
        self.refuse_nesting()
        return self._turn(deadline)

    def take_if_free(self) -> bool:
        """Take the lock, if that is possible without waiting; then `pass_on` gives it to the next thread.

        For a single call that nobody disturbs; a block for the lock would cost it more.
        """
        self.refuse_nesting()
        return self._taken_if_free()

    @abstractmethod
    def pass_on(self) -> None:
        """Give the lock to the next thread."""

    def refuse_nesting(self) -> None:
        """Raise if this thread holds the lock."""
        if self._is_mine():
            reason = "this thread has a session open already: use that one, or close it first"
            raise StoreError(code="nested-session", reason=reason)

    @abstractmethod
    def reset_after_fork(self) -> None:
        """In a child after a fork: forget threads that did not come along."""

    @abstractmethod
    def _is_mine(self) -> bool: ...

    @abstractmethod
    def _taken_if_free(self) -> bool: ...

    @abstractmethod
    def _turn(self, deadline: Deadline | None) -> AbstractContextManager[None]: ...


class FairLock(WriteLock):
    """One thread at a time, in the order in which they asked.

    A plain lock goes to the thread that asks at the right moment. A thread that has just released it, and
    has more to write, would get it before all that wait.
    """

    def __init__(self) -> None:
        self._guard = Lock()
        self._taken = False
        self._waiting: deque[LockType] = deque()
        self._holder: int | None = None

    @property
    def is_taken(self) -> bool:
        """Whether a thread holds the lock."""
        return self._taken

    @property
    def waiting(self) -> int:
        """The number of threads that wait."""
        return len(self._waiting)

    def reset_after_fork(self) -> None:
        """Only the thread that forked is left."""
        self._guard = Lock()
        self._taken = self._is_mine()
        self._waiting.clear()

    def _is_mine(self) -> bool:
        return self._holder == get_ident()

    def _taken_if_free(self) -> bool:
        with self._guard:
            is_free = not self._taken
            if is_free:
                self._taken, self._holder = True, get_ident()
            return is_free

    def _turn(self, deadline: Deadline | None) -> AbstractContextManager[None]:
        return _Turn(self, deadline)

    def wait(self, deadline: Deadline | None) -> None:
        """Take the lock, once it is this thread's turn."""
        with self._guard:
            mine = Lock() if self._taken else None
            if mine is None:
                self._taken = True
                self._holder = get_ident()
                return
            mine.acquire()
            self._waiting.append(mine)
        try:  # until it is passed on to here
            came = mine.acquire(timeout=-1 if deadline is None else max(deadline.left, 0))
        except BaseException:  # such as an interruption from the keyboard
            if not self._leaves(mine):
                self.pass_on()
            raise
        if not came and self._leaves(mine):
            raise busy()
        self._holder = get_ident()

    def _leaves(self, mine: LockType) -> bool:
        """Leave the queue; False if the lock has been passed on to this thread meanwhile."""
        with self._guard:
            if mine in self._waiting:
                self._waiting.remove(mine)
                return True
        return False

    def pass_on(self) -> None:
        """Give the lock to the thread that has waited longest."""
        with self._guard:
            self._holder = None
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


class _Turn:
    """Holds a lock for the block. A generator would cost a single call several times as much."""

    __slots__ = ("_deadline", "_lock")

    def __init__(self, lock: FairLock, deadline: Deadline | None) -> None:
        self._lock, self._deadline = lock, deadline

    def __enter__(self) -> None:
        self._lock.wait(self._deadline)

    def __exit__(self, *_: object) -> None:
        self._lock.pass_on()


class NoLock(WriteLock):
    """All threads at once, for a database with row locks; each has one transaction at a time."""

    def __init__(self) -> None:
        self._mine = local()

    def reset_after_fork(self) -> None:
        """Nothing is shared between threads."""

    def _is_mine(self) -> bool:
        return bool(getattr(self._mine, "taken", False))

    def _taken_if_free(self) -> bool:
        self._mine.taken = True
        return True

    def pass_on(self) -> None:
        """Let this thread begin another transaction; nobody waits for it."""
        self._mine.taken = False

    @contextmanager
    def _turn(self, deadline: Deadline | None) -> Iterator[None]:
        del deadline  # nobody waits here
        self._mine.taken = True
        try:
            yield
        finally:
            self.pass_on()


def closed() -> StoreError:
    """The error of a call to a store that was closed."""
    reason = "the engine was closed: open another one"
    return StoreError(code="closed", reason=reason)
