"""The in-memory store: transactions that take turns, each written in place and rolled back if it raises."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from whereupon.errors import StoreError
from whereupon.ports import Session
from whereupon.runtime.forks import ForkAware, watch_forks
from whereupon.storage.deadline import Deadline, one_call
from whereupon.storage.memory.layout import Schema
from whereupon.storage.memory.session import MemorySession
from whereupon.storage.write_lock import FairLock, closed

T = TypeVar("T")


class MemoryStore(ForkAware):
    """Keeps everything in this process.

    Args:
        patience: seconds that a call waits for its turn; None if it waits for ever.
    """

    def __init__(self, *, patience: float | None = None) -> None:
        self.schema = Schema()
        self._write_lock = FairLock()
        self._patience = patience
        self._is_closed = False
        watch_forks(self)

    @contextmanager
    def session(self, connection: object = None) -> Iterator[MemorySession]:
        """A transaction. A host's connection is refused: there is nothing to connect to."""
        if self._is_closed:
            raise closed()
        if connection is not None:
            reason = "the in-memory store has no database to share: leave out connection="
            raise StoreError(code="no-connection", reason=reason)
        patience = None if self._patience is None else Deadline(self._patience)
        with one_call(), self._write_lock.take(patience):
            try:
                yield MemorySession(self.schema)
            except BaseException:
                self.schema.log.roll_back()
                raise
            self.schema.log.forget()

    reading = session

    def after_fork_in_child(self) -> None:
        """Go on with the copy, without the writes of a thread that did not come along."""
        self._write_lock.reset_after_fork()
        if not self._write_lock.is_taken:
            self.schema.log.roll_back()

    def scrub(self) -> bool:
        """Nothing is left behind in memory but what the collector will free."""
        return True

    def watch(self, changed: Callable[[], object]) -> None:
        """There are no other processes."""
        del changed

    def transact(self, work: Callable[[Session], T], *, alone: bool = False) -> T:
        """Do work in a transaction; no other writer can have been first."""
        del alone
        with self.session() as session:
            return work(session)

    def is_awaited(self) -> bool:
        """Whether any thread waits for its turn."""
        return self._write_lock.waiting > 0

    def close(self) -> None:
        """Refuse later calls."""
        self._is_closed = True
