"""The store: transactions, and the session that each of them is.

A third party's store is right if it passes `whereupon.testing.contracts`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from whereupon.ports.due_work import DueWork
from whereupon.ports.questions import Questions

T = TypeVar("T")


class Session(Questions, DueWork, Protocol):
    """One transaction. It sees what was committed before it; nothing is written until `flush`."""


class Watch(Protocol):
    """A thread that notices when another process changes the store."""

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs; in a child after a fork it does not."""
        ...

    def stop(self) -> None:
        """End the thread and release what it holds; a second call does nothing."""
        ...


class Store(Protocol):
    """Where everything is kept. Any number of threads may ask for sessions."""

    def session(self, connection: object = None) -> AbstractContextManager[Session]:
        """A transaction, committed at the end of the block and rolled back by an exception.

        Args:
            connection: the host's own (an SQLAlchemy ``Connection``, or one of the driver). Then its
                transaction is used, and neither committed nor rolled back here.
        """
        ...

    def reading(self) -> AbstractContextManager[Session]:
        """A transaction in which nothing is written; if a store can, it waits for no writer."""
        ...

    def watch(self, changed: Callable[[], object]) -> Watch | None:
        """Call a function, soon, when another process may have made something due.

        It may be called more often than that. None if there are no other processes.
        """
        ...

    def scrub(self) -> bool:
        """Remove the bytes of erased records from where a database leaves them.

        Waits for nobody. Returns whether nothing is left; if not, others were in the way.
        """
        ...

    def transact(self, work: Callable[[Session], T], *, alone: bool = False) -> T:
        """Do work in a transaction of the store's own; returns its result once that is committed.

        The work may run in another thread, in one transaction with the work of other threads; if it
        raises, only its own writes are rolled back. It may run more than once, from the start, if
        another writer was first. So it must change nothing but its session.

        Args:
            work: what to do.
            alone: whether it takes long. Then it is in no transaction that other work began; short work of others
                that comes meanwhile may follow it in its own.

        Raises:
            StoreError: with the code ``busy``, if other writers were first again and again.
        """
        ...

    def is_awaited(self) -> bool | None:
        """Whether work that is not `alone` waits until the transaction that is open ends.

        A large batch that yields looks at it (see `Engine.ingest`). None if transactions run beside one another, so
        that none has to wait for another; or if the store cannot know.
        """
        ...

    def close(self) -> None:
        """Close connections; every later call raises a `StoreError` with the code ``closed``."""
        ...
