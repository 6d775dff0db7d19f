"""Writing many rows into SQLite: inserts of several rows by one statement, and updates by keys."""

import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import groupby, repeat
from operator import add, itemgetter
from typing import Any, Final, cast

from sqlalchemy import Connection, LargeBinary, Table, UniqueConstraint
from typing_extensions import override

import whereupon.storage.sql.driver_cursor as driver_cursor
from whereupon.messages.columns import is_uniform
from whereupon.storage.sql.dialects import Parameters, Statement
from whereupon.storage.sql.listed_values import as_array

SIZES: Final = (50, 10, 1)
"""Rows of one statement: of as many as there are, then of what is left. More than fifty gain little."""

_FEW, _MANY = 10, 100
"""Fewer rows go in one by one, as they are; so many at least go in fifty at a time, which pays for the statement only then.

To prepare one of fifty rows of a wide table costs more than a hundred of them save.
"""
_SHAPES: Final = 64
_VALUES, _KEY = itemgetter(slice(-1)), itemgetter(-1)
_NULL: Final = float("nan")
"""What is bound for NULL, as which SQLite takes a NaN. For `None` and for `bytes` the driver looks for an adapter each
time, which costs more than binding a value; it takes a float and a bytearray as they are."""
_NO_BYTES: Final = bytearray()
_MAY_REPEAT: Final = not (3, 12) <= sys.version_info < (3, 12, 4)
"""Whether a statement may use a value in several places: some versions of Python warn of each that it does."""


class SqliteInsert(Statement):
    """An insert of whole rows.

    Many rows are bound column by column, and what all of them have in a column is bound once a statement: to bind a
    value costs more than to store it.

    If a row is refused, those before it in its statement stay until the transaction is rolled back, as every caller
    does (``OR FAIL``). SQLite would otherwise copy each page that a statement of several rows writes on, to be able
    to undo the statement alone; that costs more than the statement saves.
    """

    __slots__ = ("_blobs", "_into", "_nullable", "_text")

    def __init__(self, table: Table, one: Statement) -> None:
        super().__init__(one.sql, [column.name for column in table.c], {})
        columns = list(enumerate(table.c))
        self._nullable = {place for place, column in columns if column.nullable}
        blobs = {place for place, column in columns if isinstance(column.type, LargeBinary)}
        self._blobs = blobs - self._nullable
        self._into = f"INSERT OR FAIL INTO {table.name}"
        self._text = lru_cache(_SHAPES)(self._text_of)

    def write(self, connection: Connection, rows: list[Parameters]) -> int:
        """Insert rows; how many."""
        if len(rows) < _FEW:
            return super().write(connection, [*map(self._bound_row, rows)])
        return self._insert(connection, [*zip(*rows, strict=True)])

    @override
    def send_columns(
        self,
        connection: Connection,
        columns: Sequence[Sequence[object]],
        order: Callable[[Parameters], Any] | None = None,
    ) -> None:
        """Insert rows."""
        if order is not None or len(columns[0]) < _FEW:
            super().send_columns(connection, columns, order)
        else:
            self._insert(connection, columns)

    def _insert(self, connection: Connection, columns: Sequence[Sequence[object]]) -> int:
        shape = _shape(columns)
        once = [
            self._bound(at, column[:1])[0] for at, column in enumerate(columns) if shape[at] is None
        ]
        each = [self._bound(at, column) for at, column in enumerate(columns) if shape[at] == at]
        count, begun, written = len(columns[0]), 0, 0
        width, values = len(each), _one_after_another(each)
        for size in SIZES if count >= _MANY else SIZES[1:]:
            end = begun + (count - begun) // size * size
            rows = [
                (*once, *values[first * width : (first + size) * width])
                for first in range(begun, end, size)
            ]
            if rows:
                text = self._text(size, *shape)
                written += driver_cursor.run_many(connection, text, rows)
            begun = end
        return written

    def _text_of(self, size: int, *shape: int | None) -> str:
        """The statement for so many rows.

        Args:
            shape: see `_shape`. The first row numbers its values, those that all rows have first. So in later rows every
                mark is the next one unless it repeats a value: SQLite looks for each number that is written out among
                those before it. The columns stay in the table's order, or SQLite would copy each value.
        """
        once = [place for place, at in enumerate(shape) if at is None]
        each = [place for place, at in enumerate(shape) if at == place]
        numbers = {place: number for number, place in enumerate((*once, *each), 1)}
        again = [numbers[at] for place, at in enumerate(shape) if at not in {None, place}]
        columns = ", ".join(f'"{name}"' for name in self.names)
        into = f"{self._into} ({columns}) VALUES "
        given = [
            (numbers[place if at is None else at], at, place) for place, at in enumerate(shape)
        ]
        marks = [f"?{n}" if at is None else "?" if at == place else "?%d" for n, at, place in given]
        row = f"({', '.join(marks)})"
        first = f"({', '.join(f'?{number}' for number, _, _ in given)})" if once or again else row
        spans = [number * len(each) for number in range(1, size)]
        return into + ", ".join([first, *[row % tuple(map(s.__add__, again)) for s in spans]])

    def _bound(self, place: int, column: Sequence[object]) -> Sequence[object]:
        if place in self._blobs:
            return [*map(add, repeat(_NO_BYTES), cast("Sequence[bytes]", column))]
        return _bound(column) if place in self._nullable and None in column else column

    def _bound_row(self, row: Parameters) -> Parameters:
        values = [*row]
        for place in self._nullable:
            if values[place] is None:
                values[place] = _NULL
        for place in self._blobs:
            values[place] = _NO_BYTES + cast("bytes", values[place])
        return tuple(values)


def _shape(columns: Sequence[Sequence[object]]) -> list[int | None]:
    """Where the values of each column are bound: None if once for all rows, else the place of the first such column.

    Two columns that are one object, as those of a message's times mostly are, are bound once a row.
    """
    if not _MAY_REPEAT:
        return [*range(len(columns))]
    places = {id(column): place for place, column in reversed([*enumerate(columns)])}
    return [None if is_uniform(column) else places[id(column)] for column in columns]


def _one_after_another(columns: Sequence[Sequence[object]]) -> list[object]:
    """The values of columns, row by row. One list, since Python's collector counts what is made of lists and tuples."""
    values: list[object] = [None] * sum(map(len, columns))
    for place, column in enumerate(columns):
        values[place :: len(columns)] = column
    return values


class SqliteUpdate(Statement):
    """An update of rows by their keys.

    Rows that get the same values, as the messages of a claim do, are changed by one statement, unless a unique index
    has a changed column: then their order counts. As with inserts, it is not undone alone (``OR FAIL``).
    """

    __slots__ = ("_in_order", "_together")

    def __init__(self, table: Table, one: Statement) -> None:
        super().__init__(one.sql, one.names, {})
        listed = one.sql.replace('"key" = ?', '"key" IN (SELECT value FROM json_each(?))')
        self._together = listed.replace("UPDATE", "UPDATE OR FAIL", 1)
        unique = [index.columns for index in table.indexes if index.unique]
        unique += [c.columns for c in table.constraints if isinstance(c, UniqueConstraint)]
        names = {column.name for columns in unique for column in columns}
        self._in_order = not names.isdisjoint(one.names)

    def write(self, connection: Connection, rows: list[Parameters]) -> int:
        """Change rows; how many."""
        return super().write(connection, [tuple(_bound(row)) for row in rows])

    @override
    def send_rows(self, connection: Connection, rows: list[Parameters]) -> None:
        """Change rows."""
        if self._in_order or len(rows) < _FEW:
            self.write(connection, rows)
            return
        alone, together = list[Parameters](), list[Parameters]()
        for values, group in groupby(rows, _VALUES):
            keys = [*map(_KEY, group)]
            if len(keys) < _FEW:
                alone += [(*values, key) for key in keys]
            else:
                together.append((*_bound(values), as_array(keys)))
        self.write(connection, alone)
        if together:
            driver_cursor.run_many(connection, self._together, together)


def _bound(values: Sequence[object]) -> list[object]:
    """Values as they are bound."""
    return [_NULL if value is None else value for value in values]
