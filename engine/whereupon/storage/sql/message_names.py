"""Numbers for the types and names of messages, and for rule lists, so that a message row holds a small number."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
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

    def number_each(self, connection: Connection, names: Sequence[Name]) -> Sequence[int]:
        """The number of each pair, in their order; a pair may come several times."""
        known = self._cache.known(connection).names
        try:  # mostly the process knows all of them
            return [*map(known.__getitem__, names)]
        except KeyError:
            return [*map(self.number(connection, {*names}).__getitem__, names)]

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

    def number_skipped(
        self, connection: Connection, keys: Sequence[int], skipped: Mapping[int, SkippedList]
    ) -> Sequence[int | None]:
        """The number of the list that each message skipped; None for a message that skipped none.

        Args:
            keys: of the messages.
            skipped: the lists by the keys of messages, which are all among these.
        """
        if not skipped:
            return [None] * len(keys)
        known = self._cache.known(connection).lists
        found = [*map(known.get, map(skipped.get, keys))]
        if len(keys) - found.count(None) < len(skipped):  # the process does not know all of them
            names = {each: (each.revision, each.kind or "") for each in skipped.values()}
            numbers = self.number(connection, {*names.values()})
            learned = self._cache.learned.lists
            learned.update((each, numbers[name]) for each, name in names.items())
            found = [*map(learned.get, map(skipped.get, keys))]
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
        super().__init__(cache, statements, side)
        self.lists = lists

    @override
    def _aside(self, side: SideTransactions, new: Collection[Name]) -> Numbers:
        return side.number(new)
