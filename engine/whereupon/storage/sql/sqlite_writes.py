"""Writing many rows into SQLite: inserts of several rows by one statement, and updates by keys."""

from collections.abc import Iterable, Sequence
from typing import Final, cast

from sqlalchemy import Connection, LargeBinary, Table
from typing_extensions import override

import whereupon.storage.sql.driver_cursor as driver_cursor
from whereupon.storage.sql.dialects import Parameters, Statement

ROWS: Final = 10
"""Rows of one statement. More gain little; the columns of ten rows are within the limits of every version."""

_NULL: Final = float("nan")
"""What is bound for NULL, as which SQLite takes a NaN. For `None` and for `bytes` the driver looks for an adapter each
time, which costs more than binding a value; it takes a float and a bytearray as they are."""


class SqliteInsert(Statement):
    """An insert of whole rows.

    If a row is refused, those before it in its statement stay until the transaction is rolled back, as every caller
    does (``OR FAIL``). SQLite would otherwise copy each page that a statement of several rows writes on, to be able
    to undo the statement alone; that costs more than the statement saves.
    """

    __slots__ = ("_blobs", "_nullable", "_several", "_width")

    def __init__(self, table: Table, one: Statement) -> None:
        super().__init__(one.sql, [column.name for column in table.c], {})
        self._width = len(table.c)
        columns = list(enumerate(table.c))
        self._nullable = {place for place, column in columns if column.nullable}
        blobs = {place for place, column in columns if isinstance(column.type, LargeBinary)}
        self._blobs = blobs - self._nullable
        head, values = one.sql.split(" VALUES ")
        several = ", ".join([values] * ROWS)
        self._several = f"{head.replace('INSERT', 'INSERT OR FAIL', 1)} VALUES {several}"  # noqa: S608 - our own names

    def write(self, connection: Connection, rows: list[Parameters]) -> int:
        """Insert rows; how many."""
        if not rows:
            return 0
        values = _bound(rows)
        for place in self._blobs:
            values[place :: self._width] = _as_blobs(values[place :: self._width])
        return self._insert(connection, values)

    @override
    def send_columns(self, connection: Connection, columns: Sequence[Sequence[object]]) -> None:
        """Insert rows. To bind many of them column by column takes less than row by row."""
        if len(columns[0]) < ROWS:
            super().send_columns(connection, columns)
            return
        count = len(columns[0])
        values: list[object] = [_NULL] * (count * self._width)
        for place, column in enumerate(columns):
            if place not in self._nullable or column.count(None) < count:
                values[place :: self._width] = self._bound_column(place, column)
        self._insert(connection, values)

    def _bound_column(self, place: int, column: Sequence[object]) -> Sequence[object]:
        if place in self._nullable:
            return _bound([column]) if None in column else column
        return _as_blobs(column) if place in self._blobs else column

    def _insert(self, connection: Connection, values: list[object]) -> int:
        single = len(values) // (ROWS * self._width) * ROWS * self._width
        in_tens = _divided(values[:single], ROWS * self._width)
        written = driver_cursor.run_many(connection, self._several, in_tens) if in_tens else 0
        if singles := _divided(values[single:], self._width):
            written += driver_cursor.run_many(connection, self.sql, singles)
        return written


class SqliteUpdate(Statement):
    """An update of rows by their keys."""

    __slots__ = ()

    def write(self, connection: Connection, rows: list[Parameters]) -> int:
        """Change rows; how many."""
        return super().write(connection, _divided(_bound(rows), len(self.names)))


def _as_blobs(values: Sequence[object]) -> list[object]:
    return [*map(bytearray, cast("Sequence[bytes]", values))]


def _bound(rows: Iterable[Sequence[object]]) -> list[object]:
    """The values of rows one after another, as they are bound."""
    return [_NULL if value is None else value for row in rows for value in row]


def _divided(values: Sequence[object], width: int) -> list[Parameters]:
    """The values in parts of one width."""
    return [tuple(values[first : first + width]) for first in range(0, len(values), width)]
