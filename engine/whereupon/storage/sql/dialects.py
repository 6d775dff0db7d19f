"""Where databases differ: the one seam between the store's statements and a database.

A statement is compiled once, to a driver string with positional parameters, and is run as that:
level with the bare driver. Another database is one more subclass of `Database`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Engine,
    FromClause,
    Select,
    Table,
    bindparam,
    literal_column,
    update,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

from whereupon.ports import Watch
from whereupon.storage.sql.lending import HostConnection
from whereupon.storage.sql.prefilter import PrefilterClauses

Rows: TypeAlias = Sequence[Sequence[Any]]  # what a column holds is known by `rows` only
Parameters: TypeAlias = tuple[object, ...]

PATIENCE = 30.0
"""Seconds that a call waits for others, unless the store's opener says otherwise."""


class Statement:
    """A compiled statement and the order of its parameters, some of which it knows itself."""

    __slots__ = ("_fixed", "_names", "sql")

    def __init__(self, sql: str, names: Sequence[str], fixed: Mapping[str, object]) -> None:
        self.sql = sql
        self._names = tuple(names)
        self._fixed = fixed

    def run(self, connection: Connection, **values: object) -> CursorResult[Any]:
        """Run it once."""
        bound = {**self._fixed, **values}
        return connection.exec_driver_sql(self.sql, tuple(bound[name] for name in self._names))

    def fetch(self, connection: Connection, **values: object) -> Rows:
        """Run it once and take all rows, as the driver gives them."""
        with self.run(connection, **values) as result:
            rows: Rows = result.cursor.fetchall() if result.cursor is not None else ()
        return rows

    def write(self, connection: Connection, rows: list[Parameters]) -> None:
        """Run it for each row of parameters, which are in the statement's own order."""
        if rows:
            connection.exec_driver_sql(self.sql, rows)


class Database(ABC):
    """What the store needs of a database beyond portable SQL.

    Attributes:
        one_writer: whether the database lets in one writing transaction at a time. Where it does not,
            sessions lock what they decide about, and write in one order.
        prefilters: how it writes a prefilter as a condition of a statement.
    """

    one_writer: ClassVar[bool]
    prefilters: ClassVar[PrefilterClauses]

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def compile(self, clause: ClauseElement, *, given: Sequence[str] | None = None) -> Statement:
        """Compile once; values are bound by name when it runs.

        Args:
            clause: what to compile.
            given: the columns that an insert binds, in the table's order; by default all.
        """
        columns = None if given is None else list(given)
        compiled = clause.compile(dialect=self._dialect, column_keys=columns)
        if not isinstance(compiled, SQLCompiler):  # DDL, which the store leaves to SQLAlchemy
            message = f"{type(clause).__name__} takes no parameters"
            raise TypeError(message)
        fixed = {name: value for name, value in compiled.params.items() if value is not None}
        return self._statement(clause, str(compiled), compiled.positiontup or (), fixed)

    def change(
        self, table: Table, names: Sequence[str], *, only: tuple[str, str] | None = None
    ) -> Statement:
        """Changes of rows by their keys.

        Args:
            table: where.
            names: the columns to change, in the table's order, as its parameters are; the key comes last.
            only: a column and the value (a word of ours) that a row must have there to be changed.
        """
        changed: dict[str, ColumnElement[Any]] = {n: bindparam(f"new_{n}") for n in names}
        clause = update(table).values(changed).where(table.c.key == bindparam("changed"))
        if only is not None:
            clause = clause.where(table.c[only[0]] == literal_column(f"'{only[1]}'"))
        return self.compile(clause)

    def _statement(
        self, _clause: ClauseElement, sql: str, names: Sequence[str], fixed: Mapping[str, object]
    ) -> Statement:
        return Statement(sql, names, fixed)

    @abstractmethod
    def session(self, engine: Engine) -> AbstractContextManager[Connection]:
        """A connection in a transaction of its own that may write from its start."""

    @abstractmethod
    def begin_anew(self) -> None:
        """In a child after a fork: let go of what is the parent's."""

    def reading(self, engine: Engine) -> AbstractContextManager[Connection] | None:
        """A connection in a transaction that only reads and waits for no writer.

        None where readers and writers take turns.
        """
        return self.session(engine)

    @property
    @abstractmethod
    def driver(self) -> type:
        """The driver's own connections, which a host may lend as well."""

    @abstractmethod
    def lender(self) -> HostConnection:
        """Puts SQLAlchemy over them."""

    @abstractmethod
    def lent(self, connection: Connection) -> AbstractContextManager[None]:
        """A part of a host's transaction, taken back alone when its block raises."""

    def limit_waiting(self, connection: Connection, seconds: float) -> None:  # noqa: B027 - not every one need
        """Let the transaction's statements wait no longer for others; nothing where they never do."""

    @abstractmethod
    def lock_schema(self, connection: Connection) -> None:
        """Let nobody else look at the tables' version until this transaction ends."""

    @property
    def dialect(self) -> Dialect:
        """What statements are compiled for."""
        return self._dialect

    def is_there(self) -> bool:
        """Whether there is a database to look at; looking at it may make it."""
        return True

    def sql_of_place(self, *, make: bool) -> list[str]:
        """What leads to where our tables are to be, or makes it first."""
        del make
        return []

    def make_place(self, connection: Connection) -> None:
        """Make where our tables are to be, where a database has such places."""
        del connection

    def note_place(self, connection: Connection) -> None:
        """Take note of where they were found."""
        del connection

    @abstractmethod
    def advance(self) -> Statement:
        """Put the row of a ``process`` up, to the present time at least; returns how far (`memories`)."""

    @abstractmethod
    def counter(self, connection: Connection, count: int) -> int | None:
        """Reserve ``count`` keys by a counter; the first, or None where a sequence does it (`keys`)."""

    @abstractmethod
    def scrub(self, engine: Engine) -> bool:
        """Take deleted content out of free pages and logs; whether that could be done now.

        It waits for nobody: where others are in the way it does nothing, and is to be called again.
        """

    @abstractmethod
    def watch(self, engine: Engine, changed: Callable[[], object]) -> Watch | None:
        """Call a function whenever other processes may have made something due."""

    def announce(self, _connection: Connection, *, lent: bool) -> None:  # noqa: B027 - a choice
        """Have a commit tell other processes that it made something due.

        Args:
            lent: the transaction is a host's, of whose end this process is not told either.
        """

    @abstractmethod
    def among(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """That a column's value is one of the members bound as ``name``."""

    @abstractmethod
    def leading_number(self, text: ColumnElement[str]) -> ColumnElement[int]:
        """The number that a text begins with."""

    @abstractmethod
    def members(self, values: Collection[int] | Collection[str]) -> object:
        """Members, as they are bound."""

    @abstractmethod
    def of_each(self, name: str, column: ColumnElement[Any], asked: Select[Any]) -> Select[Any]:
        """What a limited question finds for each of the members bound as ``name``, together.

        Args:
            name: of texts.
            column: what equals the member, in the question.
            asked: the question.
        """

    @abstractmethod
    def rows(self, numbers: Collection[tuple[int, ...]]) -> object:
        """Rows of numbers, as they are bound for `needs`."""

    @abstractmethod
    def needs(self, *names: str) -> FromClause:
        """The rows bound as ``needs``: three numbers each, of these names."""

    @abstractmethod
    def upsert(
        self,
        table: Table,
        *,
        on: Sequence[str],
        change: Sequence[str],
        append: Sequence[str] = (),
        forward: str | None = None,
        source: Select[Any] | None = None,
    ) -> ClauseElement:
        """Insert a row, or change the one that has the same ``on``.

        Args:
            table: where.
            on: the columns of a uniqueness.
            change: the columns to change; with none, the row that is there stays as it is.
            append: those of them whose new text goes behind the old, after a comma.
            forward: a number that only grows, until it is null for good; else nothing is changed.
            source: a query for the rows, column by column; None for one row of parameters.
        """


def grows(there: ColumnElement[Any], new: ColumnElement[Any]) -> ColumnElement[bool]:
    """That a number that ends as null goes on, or stays; null itself is the end."""
    return there.is_not(None) & (new.is_(None) | (new >= there))
