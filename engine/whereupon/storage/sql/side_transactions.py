"""What a session in a host's transaction has written beside it, in a transaction of the store's own.

A host keeps its transaction open as long as it likes. The numbers of names, the versions of rules and blocks
of keys are everybody's: whoever meets a new one would wait for the host. They are right whatever becomes of
the host's transaction, so they are committed at once, over a connection of their own. (A database with one
writer has no such connection: there everybody waits for the host in any case.)
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from whereupon.records import Changes
from whereupon.storage.sql.process_cache import Block, Name, Numbers


class SideSession(Protocol):
    """A session of the store's own."""

    def number(self, names: Collection[Name]) -> Numbers:
        """Number names."""
        ...

    def reserve(self, count: int) -> Block:
        """Reserve a block of so many keys."""
        ...

    def flush(self, changes: Changes) -> None:
        """Write changes."""
        ...


class SideTransactions:
    """Transactions of the store's own, as short as can be.

    Args:
        begin: begins one.
    """

    def __init__(self, begin: Callable[[], AbstractContextManager[SideSession]]) -> None:
        self._begin = begin

    def number(self, names: Collection[Name]) -> Numbers:
        """Number new names."""
        with self._begin() as session:
            return session.number(names)

    def reserve(self, count: int) -> Block:
        """Reserve a block of so many keys."""
        with self._begin() as session:
            return session.reserve(count)

    def keep(self, versions: Mapping[str, tuple[str, bytes]]) -> None:
        """Keep versions of rules."""
        with self._begin() as session:
            session.flush(Changes(rule_versions=dict(versions)))
