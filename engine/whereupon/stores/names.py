"""Names of messages as small numbers, remembered once they are committed."""

from collections.abc import Collection
from typing import TypeAlias

from sqlalchemy import Connection

from whereupon.stores.dialects import Statement

Name: TypeAlias = tuple[str, str]
"""A message's type and its name."""

_MOST = 50_000


class Names:
    """One session's view of the numbers; what it learns, others may use after its commit."""

    def __init__(self, known: dict[Name, int], *, find: Statement, add: Statement) -> None:
        self._known = known
        self._learned: dict[Name, int] = {}
        self._find = find
        self._add = add

    def find(self, connection: Connection, names: Collection[Name]) -> dict[Name, int]:
        """The numbers of those that have one."""
        found = {}
        for name in names:
            number = self._known.get(name) or self._learned.get(name) or self._ask(connection, name)
            if number is not None:
                found[name] = number
        return found

    def number(self, connection: Connection, names: Collection[Name]) -> dict[Name, int]:
        """The numbers of all; new names get new ones."""
        found = self.find(connection, names)
        new: list[tuple[object, ...]] = sorted(name for name in names if name not in found)
        if new:
            self._add.write(connection, new)
            found = self.find(connection, names)
        return found

    def share(self) -> None:
        """Let others use what was learned, now that it is committed."""
        if len(self._known) + len(self._learned) > _MOST:
            self._known.clear()
        self._known.update(self._learned)

    def _ask(self, connection: Connection, name: Name) -> int | None:
        rows = self._find.fetch(connection, type=name[0], name=name[1])
        if not rows:
            return None
        number = int(rows[0][0])
        self._learned[name] = number
        return number
