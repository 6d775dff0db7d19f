"""Numbers for the types and names of messages, so that a message row holds a small number."""

from collections.abc import Collection

from sqlalchemy import Connection

from whereupon.storage.sql.dialects import Statement
from whereupon.storage.sql.process_cache import Name, Numbers, SessionCache
from whereupon.storage.sql.side_transactions import SideTransactions


class MessageNames:
    """One session's numbers.

    Args:
        cache: what the process remembers.

    Attributes:
        side: numbers new names, for a session in a host's transaction; else None.
    """

    def __init__(
        self,
        cache: SessionCache,
        *,
        find: Statement,
        add: Statement,
        side: SideTransactions | None = None,
    ) -> None:
        self._cache = cache
        self._find = find
        self._add = add
        self.side = side

    def find(self, connection: Connection, names: Collection[Name]) -> Numbers:
        """The numbers of the names that have one."""
        found = {}
        for name in names:
            number = self._cache.number(connection, name) or self._ask(connection, name)
            if number is not None:
                found[name] = number
        return found

    def number(self, connection: Connection, names: Collection[Name]) -> Numbers:
        """The numbers of all names; new names get new numbers."""
        found = self.find(connection, names)
        new = sorted(name for name in names if name not in found)
        if not new:
            return found
        if self.side is None:
            self._add.write(connection, [*new])
            return self.find(connection, names)
        numbers = self.side.number(new)
        self._cache.learned.names |= numbers
        return found | numbers

    def _ask(self, connection: Connection, name: Name) -> int | None:
        rows = self._find.fetch(connection, type=name[0], name=name[1])
        if not rows:
            return None
        number = int(rows[0][0])
        self._cache.learned.names[name] = number
        return number
