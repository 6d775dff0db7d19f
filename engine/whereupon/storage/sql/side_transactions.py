"""Transactions beside a host's, for values that all transactions share.

A host keeps its transaction open as long as it likes. Numbers of names, rule versions and blocks of keys
belong to everybody: a transaction that meets a new one would wait for the host. They are valid whether
the host commits or not, so they are committed at once, on a connection of their own. A database with one
writer has no such connection; there, everybody waits for the host in any case.
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

    def number_lists(self, lists: Collection[Name]) -> Numbers:
        """Number rule lists."""
        ...

    def reserve(self, count: int) -> Block:
        """Reserve a block of at least ``count`` keys."""
        ...

    def flush(self, changes: Changes) -> None:
        """Write changes."""
        ...


class SideTransactions:
    """Short transactions of the store's own.

    Args:
        begin: begins one.
    """

    def __init__(self, begin: Callable[[], AbstractContextManager[SideSession]]) -> None:
        self._begin = begin

    def number(self, names: Collection[Name]) -> Numbers:
        """Number new names."""
        with self._begin() as session:
            return session.number(names)

    def number_lists(self, lists: Collection[Name]) -> Numbers:
        """Number new rule lists."""
        with self._begin() as session:
            return session.number_lists(lists)

    def reserve(self, count: int) -> Block:
        """Reserve a block of at least ``count`` keys."""
        with self._begin() as session:
            return session.reserve(count)

    def keep(self, versions: Mapping[str, tuple[str, bytes]]) -> None:
        """Keep rule versions."""
        with self._begin() as session:
            session.flush(Changes(rule_versions=dict(versions)))
