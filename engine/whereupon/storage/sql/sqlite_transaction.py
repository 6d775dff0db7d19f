"""A transaction on SQLite that writes."""

from typing import Protocol

from sqlalchemy import Connection, Engine

from whereupon.storage.sql.sqlite_errors import raise_typed


class Writes(Protocol):
    """Begins transactions that write, and ends them."""

    def begin(self, engine: Engine) -> Connection:
        """Begin one; its connection."""
        ...

    def commit(self, connection: Connection) -> None:
        """Commit it; if that fails, it is rolled back."""
        ...

    def roll_back(self, connection: Connection) -> None:
        """Roll it back."""
        ...


class SqliteTransaction:
    """A transaction for a block; rolled back if the block raises. A generator would cost a single call more."""

    __slots__ = ("_connection", "_engine", "_writes")

    def __init__(self, writes: Writes, engine: Engine) -> None:
        self._writes, self._engine = writes, engine
        self._connection: Connection

    def __enter__(self) -> Connection:
        try:
            self._connection = connection = self._writes.begin(self._engine)
        except BaseException as begun:  # a context manager would cost a single call more
            raise_typed(begun)
            raise
        return connection

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        try:
            if error is None:
                self._writes.commit(self._connection)
            else:
                self._writes.roll_back(self._connection)
        except BaseException as ended:
            raise_typed(ended)
            raise
        if error is not None:
            raise_typed(error)
