"""Numbers for the types and names of messages, and for rule lists, so that a message row holds a small number."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import NamedTuple

from sqlalchemy import Connection
from typing_extensions import override

from whereupon.records import SkippedList
from whereupon.storage.sql.dialects import Statement
from whereupon.storage.sql.process_cache import Name, Numbers, SessionCache
from whereupon.storage.sql.side_transactions import SideTransactions


class NumberStatements(NamedTuple):
    """The statements for numbers of pairs: one finds a pair's, the other gives it one."""

    find: Statement
    add: Statement


class _Numbers(ABC):
    """One session's numbers for pairs of texts.

    Args:
        cache: what the process remembers.

    Attributes:
        side: numbers new pairs, for a session in a host's transaction; else None.
    """

    __slots__ = ("_cache", "_statements", "side")

    def __init__(
        self, cache: SessionCache, statements: NumberStatements, side: SideTransactions | None
    ) -> None:
        self._cache, self._statements, self.side = cache, statements, side

    def find(self, connection: Connection, names: Collection[Name]) -> Numbers:
        """The numbers of the pairs that have one."""
        found = self._cache.numbers(connection, names)
        for name in names if len(found) < len(names) else ():
            if name not in found and (number := self._ask(connection, name)) is not None:
                found[name] = number
        return found

    def number(self, connection: Connection, names: Collection[Name]) -> Numbers:
        """The numbers of all pairs; new pairs get new numbers."""
        found = self._cache.numbers(connection, names)
        if len(found) == len(names):
            return found
        found = self.find(connection, names)
        new = sorted(name for name in names if name not in found)
        if not new:
            return found
        if self.side is None:
            self._statements.add.write(connection, [*new])
            return self.find(connection, names)
        numbers = self._aside(self.side, new)
        self._cache.learned.names |= numbers
        return found | numbers

    @abstractmethod
    def _aside(self, side: SideTransactions, new: Collection[Name]) -> Numbers: ...

    def _ask(self, connection: Connection, name: Name) -> int | None:
        rows = self._statements.find.fetch(connection, type=name[0], name=name[1])
        if not rows:
            return None
        number = int(rows[0][0])
        self._cache.learned.names[name] = number
        return number


class SkippedLists(_Numbers):
    """One session's numbers of rule lists; in place of a type and a name, the revision and the kind.

    A revision is no type of message, so both kinds of numbers are cached side by side.
    """

    __slots__ = ()

    def numbered(
        self, connection: Connection, lists: Collection[SkippedList]
    ) -> Mapping[SkippedList | None, int]:
        """The numbers of the lists that messages skipped; one may be named for many messages."""
        found: dict[SkippedList | None, int] = {}
        new: dict[SkippedList, Name] = {}
        known = self._cache.known(connection).names if lists else {}
        for each in {*lists}:
            revision, kind = each
            name = (revision, kind or "")
            if name in known:
                found[each] = known[name]
            else:
                new[each] = name
        if new:
            numbers = self.number(connection, new.values())
            found |= {each: numbers[name] for each, name in new.items()}
        return found

    @override
    def _aside(self, side: SideTransactions, new: Collection[Name]) -> Numbers:
        return side.number_lists(new)


class MessageNames(_Numbers):
    """One session's numbers of the types and names of messages.

    Args:
        lists: the same session's numbers of rule lists.
    """

    __slots__ = ("lists",)

    def __init__(
        self,
        cache: SessionCache,
        statements: NumberStatements,
        side: SideTransactions | None,
        lists: SkippedLists,
    ) -> None:
        self._cache, self._statements, self.side = cache, statements, side
        self.lists = lists

    @override
    def _aside(self, side: SideTransactions, new: Collection[Name]) -> Numbers:
        return side.number(new)
