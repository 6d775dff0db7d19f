"""Group commit: what threads want to write at the same time shares a transaction and its wait for the disk.

Whoever gets the turn leads: it does the work of all who wait, each in a savepoint, so that one's
failure is its own, and commits once for all of them. Nobody returns before that commit.
"""

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast

from whereupon.ports import Session
from whereupon.stores.turns import Turns

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
        turns: Turns,
        *,
        alone: Callable[[], AbstractContextManager[Session]],
        together: Callable[[], AbstractContextManager[Transaction]],
    ) -> None:
        self._turns = turns
        self._alone = alone
        self._together = together
        self._waiting: deque[_Job[Any]] = deque()

    def transact(self, work: Callable[[Session], T], *, alone: bool = False) -> T:
        """Do work, in a transaction of its own or with others' work, and return when it is committed.

        It may be done in another thread, and again where a transaction failed as a whole.

        Args:
            work: what to do.
            alone: it takes long: nobody else's work waits for the same commit.
        """
        self._turns.refuse_nesting()
        job = _Job(work)
        if alone:
            with self._turns.take():
                job.attempt(self._alone)
            return job.outcome()
        self._waiting.append(job)
        with self._turns.take():
            if not job.done:
                self._lead(job)
        return job.outcome()

    def begin_anew(self) -> None:
        """In a child after a fork: the work that waits is of threads that are not there."""
        self._waiting.clear()

    @property
    def waiting(self) -> int:
        """How many pieces of work wait for a leader."""
        return len(self._waiting)

    def _lead(self, own: _Job[Any]) -> None:
        jobs = [own, *self._others(own)]
        if len(jobs) == 1 or not self._did_together(jobs):
            for job in jobs:
                job.attempt(self._alone)
                job.done = True

    def _others(self, own: _Job[Any]) -> list[_Job[Any]]:
        """Those who wait; what a leader took and could not finish, its owner leads itself."""
        others: list[_Job[Any]] = []
        while self._waiting and len(others) < MOST:
            job = self._waiting.popleft()
            if job is not own and not job.done:
                others.append(job)
        return others

    def _did_together(self, jobs: list[_Job[Any]]) -> bool:
        """Whether one transaction took them all; one that failed as a whole left nothing."""
        try:
            with self._together() as transaction:
                for job in jobs:
                    job.attempt(transaction.part)
                    if not transaction.is_open():
                        return False
        except Exception:  # noqa: BLE001 - each meets it again alone, and has it told to its thread
            return False
        for job in jobs:
            job.done = True
        return True
