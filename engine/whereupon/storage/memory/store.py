"""The in-memory store: transactions that take turns, each written in place and rolled back if it raises."""

from collections.abc import Callable
from contextlib import AbstractContextManager
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

    def session(self, connection: object = None) -> AbstractContextManager[MemorySession]:
        """A transaction. A host's connection is refused: there is nothing to connect to."""
        if self._is_closed:
            raise closed()
        if connection is not None:
            reason = "the in-memory store has no database to share: leave out connection="
            raise StoreError(code="no-connection", reason=reason)
        patience = None if self._patience is None else Deadline(self._patience)
        return _Transaction(self.schema, self._write_lock.take(patience))

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


class _Transaction:
    """A session in a transaction. A generator would cost a single call more."""

    __slots__ = ("_call", "_schema", "_turn")

    def __init__(self, schema: Schema, turn: AbstractContextManager[None]) -> None:
        self._schema, self._turn = schema, turn
        self._call = one_call()

    def __enter__(self) -> MemorySession:
        self._call.__enter__()
        try:
            self._turn.__enter__()
        except BaseException:
            self._call.__exit__()
            raise
        return MemorySession(self._schema)

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        log = self._schema.log
        try:
            if error is None:
                log.forget()
            else:
                log.roll_back()
        finally:
            self._turn.__exit__(None, None, None)
            self._call.__exit__()
