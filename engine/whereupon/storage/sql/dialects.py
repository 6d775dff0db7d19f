"""Dialects: everything in which databases differ.

A statement is written once, rewritten for a dialect when it is first used, and then run as a text of the
driver with positional parameters. Another database is one more subclass of `Database`.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from operator import itemgetter
from typing import Any, ClassVar, TypeAlias

from sqlalchemy import (
    Connection,
    CursorResult,
    Engine,
    Table,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

import whereupon.storage.sql.driver_cursor as driver_cursor
from whereupon.ports import Watch
from whereupon.storage.sql.host_connection import HostConnection
from whereupon.storage.sql.prefilter import PrefilterClauses

Rows: TypeAlias = driver_cursor.Rows
Parameters: TypeAlias = driver_cursor.Parameters

_PARAMETER = re.compile(r"(?<![\w:]):([a-z_]+)")

PATIENCE = 30.0
"""Seconds that a call waits for others, unless the store's opener says otherwise."""


class Statement:
    """A statement of the driver and the order of its parameters; some of them are fixed."""

    __slots__ = ("_fixed", "_ordered", "names", "sql")

    def __init__(self, sql: str, names: Sequence[str], fixed: Mapping[str, object]) -> None:
        self.sql = sql
        self.names = tuple(names)
        self._fixed = fixed
        self._ordered = _order_of(self.names)

    def run(self, connection: Connection, **values: object) -> int:
        """Run it once; how many rows it wrote."""
        sql, parameters = self.bound(values)
        return driver_cursor.run(connection, sql, parameters)

    def send(self, connection: Connection, **values: object) -> None:
        """Run it once. A dialect may have it wait for its answer together with later ones."""
        self.run(connection, **values)

    def fetch(self, connection: Connection, **values: object) -> Rows:
        """Run it once and return all rows, as the driver gives them."""
        sql, parameters = self.bound(values)
        return driver_cursor.fetch(connection, sql, parameters)

    def stream(self, connection: Connection, **values: object) -> CursorResult[Any]:
        """Run it once; the rows are read one by one."""
        return connection.exec_driver_sql(*self.bound(values))

    def write(self, connection: Connection, rows: list[Parameters]) -> int:
        """Run it for each row of parameters, which are in the order of the statement; how many rows it wrote."""
        return driver_cursor.run_many(connection, self.sql, rows) if rows else 0

    def send_rows(self, connection: Connection, rows: list[Parameters]) -> None:
        """The same, if nobody asks how many. A dialect may have it wait for its answers together with later ones."""
        self.write(connection, rows)

    def send_columns(
        self,
        connection: Connection,
        columns: Sequence[Sequence[object]],
        order: Callable[[Parameters], Any] | None = None,
    ) -> None:
        """The same, for rows that are given column by column.

        Args:
            order: in which they are written; None for the given one.
        """
        self.send_rows(connection, in_rows(columns, order))

    def bound(self, values: Mapping[str, object]) -> tuple[str, Parameters]:
        """The text to run, and its parameters."""
        bound = {**self._fixed, **values} if self._fixed else values
        return self.sql, self._ordered(bound)


def _order_of(names: tuple[str, ...]) -> Callable[[Mapping[str, object]], Parameters]:
    """Puts values in the order of their names."""
    if not names:
        return lambda _: ()
    if len(names) > 1:
        return itemgetter(*names)
    only = names[0]
    return lambda values: (values[only],)


def in_rows(
    columns: Sequence[Sequence[object]], order: Callable[[Parameters], Any] | None
) -> list[Parameters]:
    """The rows of columns, in an order; None for the given one."""
    rows = [*zip(*columns, strict=True)]
    if order is not None:
        rows.sort(key=order)
    return rows


class Database(ABC):
    """What the store needs of a database.

    Attributes:
        one_writer: whether the database admits one writing transaction at a time. If not, sessions lock what
            they decide about, and write in one order.
        prefilters: how it writes a prefilter as a condition of a statement.
        file: the file of statements that the dialect writes in its own words.
        placeholder: of a parameter.
        asks_ahead: whether `ask` asks anything.
        announces: whether a commit tells other processes that something is due (see `announce`).
    """

    one_writer: ClassVar[bool]
    prefilters: ClassVar[PrefilterClauses]
    file: ClassVar[str]
    placeholder: ClassVar[str]
    announces: ClassVar[bool] = False
    asks_ahead: ClassVar[bool] = False

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def statement(self, sql: str) -> Statement:
        """A statement, rewritten for the dialect.

        Args:
            sql: with parameters ``:name``. A list of them is written ``= ANY(:name)`` or ``<> ALL(:name)``; rows
                may be locked ``FOR UPDATE``.
        """
        names: list[str] = []

        def bound(found: re.Match[str]) -> str:
            names.append(found[1])
            return self.placeholder

        return self._statement(_PARAMETER.sub(bound, self.rewritten(sql)), names, {})

    @abstractmethod
    def rewritten(self, sql: str) -> str:
        """The statement in the words of the dialect, still with named parameters."""

    def insert(self, _table: Table, sql: str) -> Statement:
        """An insert of whole rows. A dialect may have a faster way for many rows."""
        return self.statement(sql)

    def put(self, _table: Table, insert: str, otherwise: str) -> Statement:
        """An insert of whole rows with a clause for rows that are there. A dialect may have a faster way for many rows."""
        return self.statement(f"{insert} {otherwise}")

    def change(self, table: Table, names: Sequence[str], *, only: str | None = None) -> Statement:
        """An update of rows by their keys.

        Args:
            table: the table.
            names: the columns to change; the parameters are their values, then the key.
            only: the state that a row must have; None for any.
        """
        changed = ", ".join(f'"{name}" = :{name}' for name in names)
        met = "" if only is None else f" AND state = '{only}'"
        return self.statement(f'UPDATE {table.name} SET {changed} WHERE "key" = :changed{met}')  # noqa: S608 - our own names

    def compile(self, clause: ClauseElement) -> Statement:
        """Compile a statement that is built of a condition; values are bound by name when it runs."""
        compiled = clause.compile(dialect=self._dialect)
        if not isinstance(compiled, SQLCompiler):  # DDL, which the store leaves to SQLAlchemy
            message = f"{type(clause).__name__} takes no parameters"
            raise TypeError(message)
        fixed = {name: value for name, value in compiled.params.items() if value is not None}
        return self._statement(str(compiled), compiled.positiontup or (), fixed)

    def _statement(self, sql: str, names: Sequence[str], fixed: Mapping[str, object]) -> Statement:
        return Statement(sql, names, fixed)

    @abstractmethod
    def session(self, engine: Engine) -> AbstractContextManager[Connection]:
        """A connection in a transaction of its own that may write from its start."""

    def schema_session(self, engine: Engine) -> AbstractContextManager[Connection]:
        """Likewise, for SQLAlchemy's own statements and migrations."""
        return self.session(engine)

    @abstractmethod
    def reset_after_fork(self) -> None:
        """In a child after a fork: forget what belongs to the parent."""

    def close_idle(self) -> None:  # noqa: B027 - not every one keeps connections beside the pool
        """Give connections back to the pool that no transaction uses."""

    def reading(self, engine: Engine) -> AbstractContextManager[Connection] | None:
        """A connection in a transaction that only reads and waits for no writer.

        None if readers and writers share one lock.
        """
        return self.session(engine)

    @property
    @abstractmethod
    def driver(self) -> type:
        """The class of the driver's connections, which a host may lend."""

    @abstractmethod
    def host_connections(self) -> HostConnection:
        """Puts SQLAlchemy over connections of the driver."""

    @abstractmethod
    def lent(self, connection: Connection) -> AbstractContextManager[None]:
        """A part of a host's transaction, which is rolled back alone if its block raises."""

    def limit_waiting(self, connection: Connection, seconds: float) -> None:  # noqa: B027 - not every one need
        """Limit how long statements of the transaction wait for locks; nothing, if they never wait."""

    def ask(self, connection: Connection, read: Callable[[], object]) -> None:
        """Ask what the same reads will find later, if one round trip for all of them is worth it."""
        del connection, read

    def forget(self, connection: Connection) -> None:
        """Forget what was asked ahead, since a lock that may be waited for comes between."""
        del connection

    @abstractmethod
    def lock_schema(self, connection: Connection) -> None:
        """Keep others from reading the version of the tables until this transaction ends."""

    @property
    def dialect(self) -> Dialect:
        """SQLAlchemy's dialect, for which statements are compiled."""
        return self._dialect

    def is_there(self) -> bool:
        """Whether there is a database to look at; to look at it may make it."""
        return True

    def schema_sql(self, *, make: bool) -> list[str]:
        """SQL that selects the schema of our tables, or makes it first."""
        del make
        return []

    def make_schema(self, connection: Connection) -> None:
        """Make the schema of our tables, if the database has schemas."""
        del connection

    def note_schema(self, connection: Connection) -> None:
        """Note in which schema the tables were found."""
        del connection

    @abstractmethod
    def scrub(self, engine: Engine) -> bool:
        """Remove deleted bytes from free pages and logs; whether that could be done now.

        It waits for nobody: if others are in the way it does nothing, and has to be called again.
        """

    @abstractmethod
    def watch(self, engine: Engine, changed: Callable[[], object]) -> Watch | None:
        """Call a function when other processes may have made something due."""

    def announce(self, _connection: Connection, *, lent: bool) -> None:  # noqa: B027 - a choice
        """Have the commit tell other processes that something is due.

        Args:
            lent: whether the transaction is a host's. Then this process does not know when it ends either.
        """

    @abstractmethod
    def members(self, values: Collection[int] | Collection[str]) -> object:
        """A list of values, as statements bind it."""

    @abstractmethod
    def rows(self, numbers: Collection[tuple[int, ...]]) -> object:
        """Rows of numbers, as statements bind them."""
