"""The statements of PostgreSQL: they share round trips, many rows are copied, and NUL is escaped."""

from collections.abc import Callable, Sequence
from itertools import compress
from types import NoneType
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    CursorResult,
    Integer,
    LargeBinary,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from whereupon.storage.sql.base import CollatedText, Int64
from whereupon.storage.sql.dialects import Parameters, Rows, Statement, in_rows
from whereupon.storage.sql.nul_escape import escape_rows
from whereupon.storage.sql.round_trips import copy_rows, round_trips

_FEW = 200
"""So many rows are sent as arrays: a COPY waits for the server, before it and twice within."""

_INTEGERS, _TEXTS = {int, NoneType}, {str}


class PostgresStatement(Statement):
    """A statement that shares its round trip with others, and that escapes NUL in the rows that it writes."""

    __slots__ = ()

    def run(self, connection: Connection, **values: object) -> int:
        """Run it once; how many rows it wrote."""
        trips = round_trips(connection)
        if trips is None:
            return super().run(connection, **values)
        return trips.run(*self.bound(values))

    def send(self, connection: Connection, **values: object) -> None:
        """Run it once; the answer is waited for with another one."""
        trips = round_trips(connection)
        if trips is None:
            super().send(connection, **values)
        else:
            trips.send(*self.bound(values))

    def fetch(self, connection: Connection, **values: object) -> Rows:
        """Run it once and return all rows, as the driver gives them."""
        trips = round_trips(connection)
        if trips is None:
            return super().fetch(connection, **values)
        return trips.fetch(*self.bound(values))

    def stream(self, connection: Connection, **values: object) -> CursorResult[Any]:
        """Run it once, when nothing else is on its way; the rows are read one by one."""
        trips = round_trips(connection)
        if trips is not None:
            trips.settle()
        return super().stream(connection, **values)

    def write(self, connection: Connection, rows: list[Parameters]) -> int:
        """Run it for each row; how many rows it wrote."""
        trips, escaped = round_trips(connection), escape_rows(rows)
        if trips is None or not rows:
            return super().write(connection, escaped)
        return trips.run_each(self.sql, escaped)

    def send_rows(self, connection: Connection, rows: list[Parameters]) -> None:
        """Run it for each row; the answers are waited for with another one."""
        trips, escaped = round_trips(connection), escape_rows(rows)
        if trips is None:
            super().write(connection, escaped)
        elif rows:
            trips.send_each(self.sql, escaped)


class CopiedStatement(PostgresStatement):
    """An insert without a conflict clause, which is a COPY if there are more than a few rows.

    Args:
        name: of the table.
        table: what its columns are.
        one: the text for one row.
        many: the text for arrays, one for each column.

    COPY in binary form takes a fifth of the client's time of executemany, and the server need not parse numbers.
    If another writer has one of the rows, COPY raises one error.
    """

    __slots__ = ("_copy", "_is_text", "_many", "_types")

    def __init__(self, name: str, table: Table, one: str, many: str) -> None:
        super().__init__(one, (), {})
        self._many = PostgresStatement(many, (), {})
        columns = ", ".join(f'"{column.name}"' for column in table.c)
        place = f"{name.replace('%%', '%')} ({columns})"
        self._copy = f"COPY {place} FROM STDIN (FORMAT BINARY)"
        self._types = [_type_of(column) for column in table.c]
        self._is_text = [each == "text" for each in self._types]

    def send_rows(self, connection: Connection, rows: list[Parameters]) -> None:
        """By COPY, if there are more than a few rows."""
        if len(rows) <= 1:
            super().send_rows(connection, rows)
        elif len(rows) <= _FEW:
            self._many.send_rows(connection, [_columns(rows)])
        else:
            has_nul = self._has_nul([*zip(*rows, strict=True)])
            self._send_copy(connection, escape_rows(rows) if has_nul else rows)

    def send_columns(
        self,
        connection: Connection,
        columns: Sequence[Sequence[object]],
        order: Callable[[Parameters], Any] | None = None,
    ) -> None:
        """Likewise."""
        if len(columns[0]) <= _FEW or self._has_nul(columns):
            super().send_columns(connection, columns, order)
        else:
            self._send_copy(connection, in_rows(columns, order))

    def _send_copy(self, connection: Connection, rows: list[Parameters]) -> None:
        trips = round_trips(connection)
        if trips is None:
            driver = connection.connection.driver_connection
            copy_rows(driver, self._copy, self._types, rows)  # type: ignore[arg-type]
        else:
            trips.copy(self._copy, self._types, rows)

    def _has_nul(self, columns: Sequence[Sequence[Any]]) -> bool:
        """Whether a text has a NUL, which is looked for in columns, for rows are many."""
        texts = compress(columns, self._is_text)
        return any("\0" in "".join(filter(None, column)) for column in texts)


class ArraysStatement(PostgresStatement):
    """A statement that takes the rows of a batch as arrays, one for each column.

    Args:
        one: its text for one row.
        many: its text for arrays.
        key: of a row. If a key comes twice, the later values count.
    """

    __slots__ = ("_key", "_many")

    def __init__(self, one: str, many: str, key: Callable[[Parameters], object]) -> None:
        super().__init__(one, (), {})
        self._many = PostgresStatement(many, (), {})
        self._key = key

    def write(self, connection: Connection, rows: list[Parameters]) -> int:
        """Write all of them; how many rows were written."""
        last = self._last(rows)
        if len(last) <= 1:
            return super().write(connection, last)
        return self._many.write(connection, [_columns(last)])

    def send_rows(self, connection: Connection, rows: list[Parameters]) -> None:
        """Likewise."""
        last = self._last(rows)
        if len(last) <= 1:
            super().send_rows(connection, last)
        else:
            self._many.send_rows(connection, [_columns(last)])

    def _last(self, rows: list[Parameters]) -> list[Parameters]:
        """The last row of each key."""
        return list({self._key(row): row for row in rows}.values())


def _columns(rows: list[Parameters]) -> Parameters:
    return tuple([array(each) for each in zip(*rows, strict=True)])


def _type_of(column: Column[object]) -> str:
    """The type of a column, as the driver has to know it to send values in binary form."""
    if isinstance(column.type, Int64 | BigInteger):
        return "int8"
    if isinstance(column.type, LargeBinary):
        return "bytea"
    return "int4" if isinstance(column.type, Integer) else "text"


def array_of(column: Column[object]) -> str:
    """An array type for a column; the values come without the column's collation."""
    kind = Text() if isinstance(column.type, CollatedText) else column.type
    return f"{kind.compile(PGDialect_psycopg())}[]"  # type: ignore[no-untyped-call]


def array(values: Sequence[object]) -> str:
    """An array as PostgreSQL reads it: the driver takes much longer to write a list."""
    if len(values) == 1:
        return f"{{{_element(values[0])}}}"
    kinds = {*map(type, values)}
    if kinds <= _INTEGERS:
        return f"{{{','.join(map(str, values)).replace('None', 'NULL')}}}"
    if kinds == _TEXTS:
        said = "\0".join(values)  # type: ignore[arg-type]  # texts, hardly ever with a NUL of their own
        if said.count("\0") == len(values) - 1:
            return '{"' + _escaped(said).replace("\0", '","') + '"}'
    return f"{{{','.join(map(_element, values))}}}"


def _element(value: object) -> str:
    if isinstance(value, str):
        return f'"{_escaped(value)}"'
    if isinstance(value, bytes):
        return f'"\\\\x{value.hex()}"'
    return "NULL" if value is None else str(value)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
