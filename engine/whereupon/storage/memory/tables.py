"""Tables in memory: rows by key, indexes over their columns, and the log that a rollback reverses.

Every change of a row goes through its `Table`, which keeps its indexes and the log. Rows are kept as they
are given, never copied; the columns are the rows' attributes.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, Generic, TypeVar

from whereupon.errors import StoreError

R = TypeVar("R")


class Rollback:
    """The log of one transaction: for each changed row, how to set it back."""

    def __init__(self) -> None:
        self._log: list[tuple[Callable[[Any, Any], None], object, object]] = []
        self.note, self.forget = self._log.append, self._log.clear

    def roll_back(self) -> None:
        """Reverse the changes, the last one first."""
        while self._log:
            put_back, key, row = self._log.pop()
            put_back(key, row)


class Index(ABC):
    """The keys of rows, by the values of some columns.

    Args:
        columns: their names. The value of several is a tuple, the value of none is ``()`` for each row.
        where: which rows are in the index; None for all.
    """

    def __init__(self, *columns: str, where: Callable[[Any], bool] | None = None) -> None:
        self._value = _reader(*columns)
        self._where = where

    def change(self, key: object, old: object | None, new: object | None) -> None:
        """Note that a row has changed; None is no row."""
        was_in = old is not None and (self._where is None or self._where(old))
        is_in = new is not None and (self._where is None or self._where(new))
        if was_in and is_in and self._place(old) == self._place(new):
            return
        if is_in:
            self._insert(new, key)
        if was_in:
            self._remove(old, key)

    def _place(self, row: object) -> object:
        return self._value(row)

    @abstractmethod
    def _insert(self, row: object, key: object) -> None: ...

    @abstractmethod
    def _remove(self, row: object, key: object) -> None: ...


class Unique(Index):
    """An index in which a value has one row at most: `keys`."""

    def __init__(self, *columns: str, where: Callable[[Any], bool] | None = None) -> None:
        super().__init__(*columns, where=where)
        self.keys: dict[object, Any] = {}

    def _insert(self, row: object, key: object) -> None:
        if self.keys.setdefault(value := self._value(row), key) != key:
            raise _conflict(value)

    def _remove(self, row: object, _key: object) -> None:
        del self.keys[self._value(row)]


class Ordered(Index):
    """An index in which the rows of a value are in order, by another column and then by key.

    Args:
        by: the other column; without it, the order is that of the keys alone.
    """

    def __init__(
        self, *columns: str, by: str = "", where: Callable[[Any], bool] | None = None
    ) -> None:
        super().__init__(*columns, where=where)
        self._order = _reader(by) if by else _reader()
        self.groups: dict[object, list[tuple[Any, Any]]] = {}

    def keys(self, value: object = (), first: tuple[object, ...] | None = None) -> list[Any]:
        """The keys of a value's rows, in order; from a place in that order on, if given."""
        places: list[Any] = self.groups.get(value, [])
        return [key for _, key in places[bisect_left(places, first) if first else 0 :]]

    def _place(self, row: object) -> object:
        return self._value(row), self._order(row)

    def _insert(self, row: object, key: object) -> None:
        group, place = self.groups.setdefault(self._value(row), []), (self._order(row), key)
        if not group or group[-1] < place:
            group.append(place)
        else:
            insort(group, place)

    def _remove(self, row: object, key: object) -> None:
        value = self._value(row)
        group = self.groups[value]
        del group[bisect_left(group, (self._order(row), key))]
        if not group:
            del self.groups[value]


class Table(Generic[R]):
    """Rows of one kind.

    Args:
        log: where changes are noted.
        key: the columns of the key; a table without any has one row.
        indexes: those of the table.
        owner: the column with the key of a row's person, if rows follow their person in a merge.
        by: the column that orders the rows of a person.
    """

    def __init__(
        self, log: Rollback, *key: str, indexes: Sequence[Index], owner: str, by: str
    ) -> None:
        self.rows: dict[Any, R] = {}
        self.owner = owner
        self.owned = Ordered(*filter(None, [owner]), by=by)
        self._log = log
        self._key = _reader(*key)
        self._indexes = (*indexes, self.owned) if owner else (*indexes,)

    def of(self, person_key: int) -> list[R]:
        """The rows of a person."""
        return self.some(self.owned.keys(person_key))

    def some(self, keys: Iterable[object]) -> list[R]:
        """The rows that there are of these keys."""
        rows = self.rows
        return [rows[key] for key in keys if key in rows]

    def add(self, row: R) -> None:
        """Keep a row whose key is new.

        Raises:
            StoreError: with the code ``conflict``, if a row has its key, or a value that is unique.
        """
        if (key := self._key(row)) in self.rows:
            raise _conflict(key)
        self._change(key, row)

    def put(self, row: R) -> None:
        """Keep a row in place of the one with its key, if there is one."""
        self._change(self._key(row), row)

    def drop(self, *keys: object) -> None:
        """Drop the rows that there are of these keys."""
        for key in keys:
            if key in self.rows:
                self._change(key, None)

    def give(self, loser: int, survivor: int) -> None:
        """Give the rows of one person to another."""
        for row in self.of(loser):
            self.drop(self._key(row))
            self.put(changed(row, **{self.owner: survivor}))

    def _change(self, key: object, row: R | None) -> None:
        old = self.rows.get(key)
        self._set(key, row)
        self._log.note((self._set, key, old))

    def _set(self, key: object, row: R | None) -> None:
        old, done = self.rows.get(key), 0
        try:
            for index in self._indexes:
                index.change(key, old, row)
                done += 1
        except StoreError:
            for index in self._indexes[:done]:
                index.change(key, row, old)
            raise
        if row is None:
            del self.rows[key]
        else:
            self.rows[key] = row


def changed(row: R, **columns: object) -> R:
    """The row, a NamedTuple or a dataclass, with other values in some columns."""
    any_row: Any = row
    made: R = any_row._replace(**columns) if isinstance(row, tuple) else replace(any_row, **columns)
    return made


def _reader(*columns: str) -> Callable[[Any], Any]:
    return attrgetter(*columns) if columns else lambda _: ()


def _conflict(value: object) -> StoreError:
    name = value[-1] if isinstance(value, tuple) else value
    return StoreError(code="conflict", reason=f"there is one called {name!r} already")
