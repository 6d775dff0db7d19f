"""What a process remembers of a store: numbers of names, versions of rules that are kept, reserved keys.

A store may be put back to an earlier state under a process that runs, from a backup. Then what the process
remembers may be true of another store than this one. So each process has a row of its own among the store's
numbers. A transaction that teaches the process something also puts that row up, as the last thing before
its commit; every transaction that uses what is remembered reads the row. A store where it is not as far as
the process remembers it is not the store that it knew: all is forgotten and learned anew.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from threading import Lock
from typing import TypeAlias

from sqlalchemy import Connection

from whereupon.runtime.forks import ProcessLock
from whereupon.storage.sql.dialects import Statement

Name: TypeAlias = tuple[str, str]
"""A message's type and its name."""

Numbers: TypeAlias = dict[Name, int]

PREFIX = "process:"
"""How the names of such rows begin."""

_LAPSE = 100 * 24 * 3600 * 1_000_000
"""Microseconds after which the row of a process that learns nothing goes; one that lives learns anew."""

_MOST = 50_000
"""Names that are remembered."""


class Block:
    """Keys in a row that one process has reserved. Thread-safe."""

    def __init__(self, first: int, end: int) -> None:
        self._lock = Lock()
        self._next = first
        self._end = end

    def take(self, count: int) -> int | None:
        """The first of ``count`` keys in a row; None where so many are not left."""
        with self._lock:
            if self._next + count > self._end:
                return None
            first = self._next
            self._next += count
            return first


@dataclass(slots=True)
class CachedFacts:
    """What is remembered of one store as it was when it was last seen.

    Attributes:
        row: the name of the process's row.
        seen: how far the row is at least; None while nothing is remembered.
    """

    row: str = field(default_factory=lambda: PREFIX + secrets.token_hex(8))
    seen: int | None = None
    names: dict[Name, int] = field(default_factory=dict)
    rule_versions: set[str] = field(default_factory=set)
    block: Block | None = None


class ProcessCache:
    """What a process remembers of a store; its sessions share it."""

    def __init__(self) -> None:
        self._lock = ProcessLock()
        self.known = CachedFacts()

    def reset_after_fork(self) -> None:
        """In a child after a fork: what was reserved is the parent's, and so is the row."""
        self.known = CachedFacts()

    def forget(self, known: CachedFacts) -> None:
        """Forget what turned out to be of another store."""
        with self._lock:
            if self.known is known:
                self.known = CachedFacts()

    def learn(self, known: CachedFacts, learned: "NewFacts", seen: int) -> None:
        """Remember what a transaction has learned, which is committed, its row being as far as that."""
        with self._lock:
            if self.known is not known:  # another session has found that the store is another one
                return
            if len(known.names) + len(learned.names) > _MOST:
                known.names.clear()
            known.names.update(learned.names)
            known.rule_versions.update(learned.rule_versions)
            known.block = learned.block or known.block
            known.seen = max(seen, known.seen or seen)


@dataclass(slots=True)
class NewFacts:
    """What one session has learned, and its process does not know yet."""

    names: dict[Name, int] = field(default_factory=dict)
    rule_versions: set[str] = field(default_factory=set)
    block: Block | None = None

    def __bool__(self) -> bool:
        return bool(self.names or self.rule_versions or self.block)


class SessionCache:
    """One session's use of what its process remembers.

    Args:
        read: how far the row ``process`` is.
        advance: put it up, and say how far it is then.
        lapse: drop the rows of processes that are not further than ``before``.
        lent: the transaction is a host's. It may see an older state of the same store.
    """

    def __init__(
        self,
        memory: ProcessCache,
        *,
        read: Statement,
        advance: Statement,
        lapse: Statement,
        lent: bool = False,
    ) -> None:
        self._memory = memory
        self._lent = lent
        self._read = read
        self._advance = advance
        self._lapse = lapse
        self._seen: int | None = None
        self.learned = NewFacts()
        self._known = memory.known
        self._least = self._known.seen
        self._is_checked = self._least is None

    @property
    def row(self) -> str:
        """The name of the process's row, for a statement that asks something else as well."""
        return self._known.row

    def check(self, found: int | None) -> None:
        """Take note of how far the row is; forget all where that is less than was known."""
        if not self._is_checked and (found is None or found < (self._least or 0)):
            if not self._lent:
                self._memory.forget(self._known)
            self._known = self._memory.known
            if self._known.seen is not None:  # another session was quicker
                self._known = CachedFacts()
        self._is_checked = True

    def known(self, connection: Connection) -> CachedFacts:
        """What is remembered, and is true of the store in this transaction."""
        if not self._is_checked:
            rows = self._read.fetch(connection, process=self._known.row)
            self.check(int(rows[0][0]) if rows else None)
        return self._known

    def number(self, connection: Connection, name: Name) -> int | None:
        """The number of a name, if it is remembered."""
        return self.learned.names.get(name) or self.known(connection).names.get(name)

    def kept(self, connection: Connection, digests: Collection[str]) -> set[str]:
        """Those of the versions of rules that the store keeps for sure."""
        known = self.known(connection).rule_versions
        return {each for each in digests if each in known or each in self.learned.rule_versions}

    def write(self, connection: Connection) -> None:
        """Put the row up where something was learned; the last statement before the commit."""
        if self.learned and self._seen is None:
            rows = self._advance.fetch(connection, process=self.known(connection).row)
            self._seen = int(rows[0][0])
            if self._known.seen is None:  # once a process
                self._lapse.run(connection, before=self._seen - _LAPSE)

    def share(self) -> None:
        """Let the process remember what was learned, now that it is committed."""
        if self._seen is not None:
            self._memory.learn(self._known, self.learned, self._seen)
