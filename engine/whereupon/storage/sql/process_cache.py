"""What a process caches of a store: numbers of names, kept rule versions, reserved keys.

An operator may restore a backup while a process runs. Then the cache may be wrong. So each process has a
row of its own in the meta table. A transaction that adds to the cache also advances that row, as its last
statement. Every transaction that uses the cache reads the row. If the row is less advanced than the
process remembers, the store is not the one that it knew: the cache is emptied.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from threading import Lock
from typing import NamedTuple, TypeAlias

from sqlalchemy import Connection

from whereupon.records import SkippedList
from whereupon.runtime.forks import ProcessLock
from whereupon.storage.sql.dialects import Statement

Name: TypeAlias = tuple[str, str]
"""A message's type and its name."""

Numbers: TypeAlias = dict[Name, int]

PREFIX = "process:"
"""How the names of processes' rows begin."""

_LAPSE = 100 * 24 * 3600 * 1_000_000
"""Microseconds after which the row of a process without new facts is deleted; a running one adds it again."""

_MOST = 50_000
"""The most names that are cached."""


class Block:
    """Consecutive keys that one process has reserved. Thread-safe."""

    def __init__(self, first: int, end: int) -> None:
        self._lock = Lock()
        self._next = first
        self._end = end

    def take(self, count: int) -> int | None:
        """The first of ``count`` consecutive keys; None if so many are not left."""
        with self._lock:
            if self._next + count > self._end:
                return None
            first = self._next
            self._next += count
            return first


@dataclass(slots=True)
class CachedFacts:
    """What is cached of one state of the store.

    Attributes:
        row: the name of the process's row.
        seen: the least that the row must be advanced to; None while nothing is cached.
        lists: the numbers of rule lists, which are among `names` by other keys.
    """

    row: str = field(default_factory=lambda: PREFIX + secrets.token_hex(8))
    seen: int | None = None
    names: dict[Name, int] = field(default_factory=dict)
    lists: dict[SkippedList | None, int] = field(default_factory=dict)
    rule_versions: set[str] = field(default_factory=set)
    block: Block | None = None


class ProcessCache:
    """The cache; all sessions of the process share it."""

    def __init__(self) -> None:
        self._lock = ProcessLock()
        self.known = CachedFacts()

    def reset_after_fork(self) -> None:
        """In a child after a fork: reserved keys and the row belong to the parent."""
        self.known = CachedFacts()

    def forget(self, known: CachedFacts) -> None:
        """Empty the cache, if it still holds these facts."""
        with self._lock:
            if self.known is known:
                self.known = CachedFacts()

    def learn(self, known: CachedFacts, learned: "NewFacts", seen: int) -> None:
        """Add a session's facts once it is committed and its row advanced to ``seen``."""
        with self._lock:
            if self.known is not known:  # another session has emptied the cache
                return
            if len(known.names) + len(learned.names) > _MOST:
                known.names.clear()
                known.lists.clear()
            known.names.update(learned.names)
            known.lists.update(learned.lists)
            known.rule_versions.update(learned.rule_versions)
            known.block = learned.block or known.block
            known.seen = max(seen, known.seen or seen)


class NewFacts:
    """What a session found, and the process does not know yet."""

    __slots__ = ("block", "lists", "names", "rule_versions")

    def __init__(self) -> None:
        self.names: dict[Name, int] = {}
        self.lists: dict[SkippedList | None, int] = {}
        self.rule_versions: set[str] = set()
        self.block: Block | None = None

    def __bool__(self) -> bool:
        return bool(self.names or self.lists or self.rule_versions or self.block)


class RowStatements(NamedTuple):
    """The statements for the row of a process.

    Attributes:
        read: reads how far the row ``process`` is advanced.
        advance: advances it, and says how far.
        lapse: deletes the rows of processes that are not further than ``before``.
    """

    read: Statement
    advance: Statement
    lapse: Statement


class SessionCache:
    """The cache as one session uses it.

    Args:
        lent: whether the transaction is a host's. It may see an older state of the same store.
    """

    __slots__ = (
        *("learned", "_is_checked", "_known", "_least", "_lent", "_memory"),
        *("_seen", "_statements"),
    )

    def __init__(
        self,
        memory: ProcessCache,
        statements: RowStatements,
        lent: bool,
    ) -> None:
        self._memory, self._statements, self._lent = memory, statements, lent
        self._seen: int | None = None
        self.learned = NewFacts()
        self._known = memory.known
        self._least = self._known.seen
        self._is_checked = self._least is None

    @property
    def row(self) -> str:
        """The name of the process's row, for a statement that reads more."""
        return self._known.row

    def check(self, found: int | None) -> None:
        """Note how far the row is advanced; empty the cache if that is less than was known."""
        if not self._is_checked and (found is None or found < (self._least or 0)):
            if not self._lent:
                self._memory.forget(self._known)
            self._known = self._memory.known
            if self._known.seen is not None:  # another session has done so already
                self._known = CachedFacts()
        self._is_checked = True

    def known(self, connection: Connection) -> CachedFacts:
        """The cached facts that hold for the store in this transaction."""
        if not self._is_checked:
            rows = self._statements.read.fetch(connection, process=self._known.row)
            self.check(int(rows[0][0]) if rows else None)
        return self._known

    def numbers(self, connection: Connection, names: Collection[Name]) -> Numbers:
        """The numbers of the names that are cached."""
        if not names:
            return {}
        learned, known = self.learned.names, self.known(connection).names
        try:  # mostly the process knows all of them
            return {name: known[name] for name in names}
        except KeyError:
            found = {name: known[name] for name in names if name in known}
            return found | {name: learned[name] for name in names if name in learned}

    def kept(self, connection: Connection, digests: Collection[str]) -> set[str]:
        """The rule versions among these that the store is known to keep."""
        known = self.known(connection).rule_versions
        if known.issuperset(digests):
            return {*digests}
        return {each for each in digests if each in known or each in self.learned.rule_versions}

    def write(self, connection: Connection) -> None:
        """Advance the row if there are new facts; the last statement before the commit."""
        if self.learned and self._seen is None:
            rows = self._statements.advance.fetch(connection, process=self.known(connection).row)
            self._seen = int(rows[0][0])
            if self._known.seen is None:  # once a process
                self._statements.lapse.run(connection, before=self._seen - _LAPSE)

    def share(self) -> None:
        """Add the new facts to the cache, after the commit."""
        if self._seen is not None:
            self._memory.learn(self._known, self.learned, self._seen)
