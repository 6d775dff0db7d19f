"""Group commit: what threads want to write at the same time shares a transaction and its wait for the disk.

Whoever gets the turn leads: it does the work of all who wait, each in a savepoint, so that one's
failure is its own, and commits once for all of them. Nobody returns before that commit.
"""

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Condition
from typing import Any, Generic, Protocol, TypeVar, cast

from whereupon.errors import StoreError
from whereupon.ports import Session
from whereupon.storage.deadline import Deadline
from whereupon.storage.write_lock import WriteLock

T = TypeVar("T")

MOST = 64
"""Pieces of work in one transaction, so that those who come later are not kept waiting by a crowd."""


class Transaction(Protocol):
    """One transaction that can be divided."""

    def part(self) -> AbstractContextManager[Session]:
        """A session whose writes are taken back, alone, when its block raises."""
        ...

    def is_open(self) -> bool:
        """Whether the transaction is still there; some faults end it as a whole."""
        ...


@dataclass(slots=True, eq=False)
class _Job(Generic[T]):
    """One thread's work, and what became of it."""

    work: Callable[[Session], T]
    done: bool = False
    result: T | None = None
    error: Exception | None = None

    def attempt(self, begin: Callable[[], AbstractContextManager[Session]]) -> None:
        self.error = None
        try:
            with begin() as session:
                self.result = self.work(session)
        except Exception as error:  # noqa: BLE001 - it is raised again where it belongs
            self.error = error

    def outcome(self) -> T:
        if self.error is not None:
            raise self.error
        return cast("T", self.result)


class GroupCommit:
    """Does work in shared transactions.

    Args:
        turns: whose turn it is to write; one thread at a time.
        alone: begins a transaction for one.
        together: begins a transaction that can be divided.
    """

    def __init__(
        self,
        write_lock: WriteLock,
        *,
        alone: Callable[[], AbstractContextManager[Session]],
        together: Callable[[], AbstractContextManager[Transaction]],
    ) -> None:
        self._write_lock = write_lock
        self._alone = alone
        self._together = together
        self._guard = Condition()
        self._waiting: deque[_Job[Any]] = deque()

    def transact(
        self, work: Callable[[Session], T], deadline: Deadline | None = None, *, alone: bool = False
    ) -> T:
        """Do work, in a transaction of its own or with others' work, and return when it is committed.

        It may be done in another thread, and again where a transaction failed as a whole.

        Args:
            work: what to do.
            patience: how long to wait for a turn.
            alone: it takes long: nobody else's work waits for the same commit.

        Raises:
            StoreError: with the code ``busy``, when patience has ended; nothing was done.
        """
        self._write_lock.refuse_nesting()
        job = _Job(work)
        if alone:
            with self._write_lock.take(deadline):
                job.attempt(self._alone)
            return job.outcome()
        with self._guard:
            self._waiting.append(job)
        try:
            with self._write_lock.take(deadline):
                if not job.done:
                    self._lead(job)
        except StoreError:
            if not self._was_done(job):
                raise
        return job.outcome()

    def reset_after_fork(self) -> None:
        """In a child after a fork: the work that waits is of threads that are not there."""
        self._guard = Condition()
        self._waiting.clear()

    @property
    def waiting(self) -> int:
        """How many pieces of work wait for a leader."""
        return len(self._waiting)

    def _was_done(self, job: _Job[Any]) -> bool:
        """Whether a leader did work whose owner waits no longer; what one is at is waited for."""
        with self._guard:
            self._guard.wait_for(lambda: job.done or job in self._waiting)
            if not job.done:
                self._waiting.remove(job)
            return job.done

    def _lead(self, own: _Job[Any]) -> None:
        with self._guard:
            if own in self._waiting:
                self._waiting.remove(own)
            is_alone = not self._waiting
        if is_alone or not self._did_together(own):
            own.attempt(self._alone)
            own.done = True

    def _did_together(self, own: _Job[Any]) -> bool:
        """Do others' work as well; whether one transaction took it all. One that failed left nothing.

        Others are taken when it has begun, so that nobody's patience ends with the leader's.
        """
        others: list[_Job[Any]] = []
        try:
            with self._together() as transaction:
                others += self._taken()
                for job in (own, *others):
                    job.attempt(transaction.part)
                    if not transaction.is_open():
                        return False
        except Exception:  # noqa: BLE001 - each meets it again alone, and raises it in its own thread
            return False
        else:
            for job in (own, *others):
                job.done = True
            return True
        finally:
            self._let_go(others)

    def _taken(self) -> list[_Job[Any]]:
        with self._guard:
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST - 1))]

    def _let_go(self, jobs: list[_Job[Any]]) -> None:
        """Say of work that it is done; what is not, its owner leads itself."""
        with self._guard:
            self._waiting.extendleft(job for job in reversed(jobs) if not job.done)
            self._guard.notify_all()
