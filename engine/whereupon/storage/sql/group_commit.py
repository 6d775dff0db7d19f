"""Group commit: threads that want to write at the same time share a transaction and its wait for the disk.

The thread that gets the write lock leads. It does the work of all threads that wait, each piece in a
savepoint, so that a failing piece is rolled back alone. Joint work of one kind (see `JointWork`), such as
single messages, is one piece; if that fails, each work of it is tried alone. Then it commits once. No thread
returns before that commit. Work that takes long has nobody else's before it; what came meanwhile is done behind it, and
goes with its commit.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Condition, Lock
from typing import Any, Generic, Protocol, TypeVar, cast

from whereupon.errors import StoreError
from whereupon.ports import JointWork, Session
from whereupon.storage.deadline import Deadline, one_call
from whereupon.storage.write_lock import WriteLock

T = TypeVar("T")

MOST = 64
"""The most pieces of work in one transaction, so that later ones do not wait long."""


class Transaction(Protocol):
    """A transaction that can be divided by savepoints."""

    def part(self) -> AbstractContextManager[Session]:
        """A session between savepoints. If its block raises, only its own writes are rolled back."""
        ...

    def whole(self) -> Session:
        """A session without savepoints. If its work raises, the transaction has to be rolled back."""
        ...

    def is_open(self) -> bool:
        """Whether the transaction still exists; some errors end it as a whole."""
        ...


@dataclass(slots=True, eq=False)
class _Job(Generic[T]):
    """One thread's work, and its result."""

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
        write_lock: lets one thread write at a time.
        alone: begins a transaction for one piece of work.
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
        self._guard = Lock()
        self._changed = Condition(self._guard)
        self._waiting: deque[_Job[Any]] = deque()

    def transact(
        self, work: Callable[[Session], T], patience: float | None = None, *, alone: bool = False
    ) -> T:
        """Do work, in a transaction of its own or together with others; returns when it is committed.

        The work may run in another thread. It runs again if a transaction failed as a whole.

        Args:
            work: what to do.
            patience: seconds to wait for the write lock (see `Deadline`); None for ever.
            alone: whether the work takes long. Then nobody else leads it, and it is done first in its transaction.

        Raises:
            StoreError: with the code ``busy``, if the deadline passes; then nothing was done.
        """
        if not alone and self._write_lock.take_if_free():
            try:
                return self._do_at_once(work)
            finally:
                self._write_lock.pass_on()
        job = _Job(work)
        with one_call():
            deadline = None if patience is None else Deadline(patience)
            if alone:
                with self._write_lock.take(deadline):
                    if not self._did_first(job):
                        job.attempt(self._alone)
            else:
                self._await(job, deadline)
        return job.outcome()

    def _await(self, job: _Job[Any], deadline: Deadline | None) -> None:
        """Wait until a leader has done the work, or for the write lock, and lead then."""
        with self._guard:
            self._waiting.append(job)
        try:
            with self._write_lock.take(deadline):
                if not job.done:
                    self._lead(job)
        except StoreError:
            if not self._was_done(job):
                raise

    def _do_at_once(self, work: Callable[[Session], T]) -> T:
        """Do work for which nobody had to wait, and what others wait for by now."""
        if not self._waiting:
            with self._alone() as session:
                return work(session)
        job = _Job(work)
        self._lead(job)
        return job.outcome()

    def reset_after_fork(self) -> None:
        """In a child after a fork: forget the work of threads that did not come along."""
        self._guard = Lock()
        self._changed = Condition(self._guard)
        self._waiting.clear()

    @property
    def waiting(self) -> int:
        """The number of pieces of work that wait for a leader."""
        return len(self._waiting)

    def _was_done(self, job: _Job[Any]) -> bool:
        """Whether a leader did the work of a thread that gave up waiting; work in progress is waited for."""
        with self._guard:
            self._changed.wait_for(lambda: job.done or job in self._waiting)
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
        """Do others' work as well; whether one transaction took it all. A failed one left nothing.

        Other work is taken when the transaction has begun, so that its deadline does not depend on the leader.
        """
        others: list[_Job[Any]] = []
        try:
            with self._together() as transaction:
                others += self._taken()
                if not _attempted([own, *others], transaction):
                    return False
        except Exception:  # noqa: BLE001 - each meets it again alone, and raises it in its own thread
            return False
        else:
            for job in (own, *others):
                job.done = True
            return True
        finally:
            self._mark_done(others)

    def _did_first(self, own: _Job[Any]) -> bool:
        """Do long work, and then what others wait for by now; whether it came to its end, with a result or an error."""
        others: list[_Job[Any]] = []
        try:
            with self._together() as transaction:
                own.result = own.work(transaction.whole())
                others += self._taken()
                if not _attempted(others, transaction):
                    return False
        except Exception as error:  # noqa: BLE001 - it is raised again where it belongs
            own.error = error
            return not others  # else it may be theirs
        else:
            for job in others:
                job.done = True
            return True
        finally:
            self._mark_done(others)

    def _taken(self) -> list[_Job[Any]]:
        with self._guard:
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST - 1))]

    def _mark_done(self, jobs: list[_Job[Any]]) -> None:
        """Mark work as done. Work that is not done is led by its own thread."""
        with self._guard:
            self._waiting.extendleft(job for job in reversed(jobs) if not job.done)
            self._changed.notify_all()


def _attempted(jobs: list[_Job[Any]], transaction: Transaction) -> bool:
    """Attempt the jobs; whether the transaction still exists after each of them."""
    for alike in _alike(jobs):
        if not _did_jointly(alike, transaction):
            for job in alike if transaction.is_open() else ():
                job.attempt(transaction.part)
                if not transaction.is_open():
                    return False
    return transaction.is_open()


def _alike(jobs: list[_Job[Any]]) -> Iterable[list[_Job[Any]]]:
    """The jobs, those of one kind of joint work together."""
    kinds: dict[object, list[_Job[Any]]] = defaultdict(list)
    for job in jobs:
        kinds[job.work.kind if isinstance(job.work, JointWork) else job].append(job)
    return kinds.values()


def _did_jointly(jobs: list[_Job[Any]], transaction: Transaction) -> bool:
    """Do joint work at once; whether that succeeded. Else nothing of it is left."""
    works = [job.work for job in jobs if isinstance(job.work, JointWork)]
    if not works[1:]:
        return False
    try:
        with transaction.part() as session:
            results = works[0].together(session, works)
    except Exception:  # noqa: BLE001 - each meets it again alone
        return False
    for job, result in zip(jobs, results, strict=True):
        job.result, job.error = result, None
    return True
