"""Tables in memory: rows by key, indexes over their columns, and the log that a rollback reverses.

Every change of a row goes through its `Table`. Rows are never copied; columns are their attributes.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Generic, TypeVar

from whereupon.errors import StoreError
from whereupon.messages.structs import with_changes

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


class Index:
    """The keys of rows, by the values of some columns.

    Args:
        columns: their names. The value of several is a tuple, the value of none is ``()`` for each row.
        by: the column that orders the rows of a value; then they are ordered by key.
        where: which rows are in the index; None for all.
    """

    def __init__(
        self, *columns: str, by: str = "", where: Callable[[Any], bool] | None = None
    ) -> None:
        self.groups: dict[object, list[tuple[Any, Any]]] = {}
        self._value, self._order = _reader(*columns), _reader(*filter(None, [by]))
        self._where = where

    def keys(self, value: object = (), first: object = None, limit: int = 2**62) -> list[Any]:
        """The keys of a value's rows, in order; from a place in that order on, if given."""
        places: list[Any] = self.groups.get(value, [])
        start = bisect_left(places, first) if first else 0
        return [key for _, key in places[start : start + limit]]

    def change(self, key: object, old: object | None, new: object | None) -> None:
        """Note that a row has changed; None is no row."""
        was, now = self._place(key, old), self._place(key, new)
        if was == now:
            return
        if now is not None:
            insort(self.groups.setdefault(now[0], []), now[1])
        if was is not None:
            group = self.groups[was[0]]
            del group[bisect_left(group, was[1])]
            if not group:
                del self.groups[was[0]]

    def add(self, rows: Mapping[Any, Any]) -> None:
        """Note rows that are new."""
        noted, groups = _noted(rows, self._where), self.groups
        places = zip(map(self._order, noted.values()), noted, strict=True)
        for value, place in zip(map(self._value, noted.values()), places, strict=True):
            group = groups.get(value)
            if group is None:
                groups[value] = [place]
            elif place > group[-1]:  # as what comes in usually is
                group.append(place)
            else:
                insort(group, place)

    def forget(self, rows: Mapping[Any, Any]) -> None:
        """Note that rows are gone."""
        for key, row in rows.items():
            self.change(key, row, None)

    def _place(self, key: object, row: object | None) -> tuple[object, tuple[Any, object]] | None:
        if row is None or (self._where is not None and not self._where(row)):
            return None
        return self._value(row), (self._order(row), key)


class UniqueIndex:
    """The key of the one row that has a value of some columns.

    Args:
        columns: their names. The value of several is a tuple.
        where: which rows are in the index; None for all.
    """

    def __init__(self, *columns: str, where: Callable[[Any], bool] | None = None) -> None:
        self.by_value: dict[object, Any] = {}
        self._value, self._where = _reader(*columns), where

    def keys(self, value: object) -> list[Any]:
        """The key of a value's row, if there is one."""
        return [self.by_value[value]] if value in self.by_value else []

    def change(self, key: object, old: object | None, new: object | None) -> None:
        """Note that a row has changed; None is no row."""
        was, now = self._noted_value(old), self._noted_value(new)
        if was == now:
            return
        if now is not None:
            if now in self.by_value:
                raise _conflict(now)
            self.by_value[now] = key
        if was is not None:
            del self.by_value[was]

    def add(self, rows: Mapping[Any, Any]) -> None:
        """Note rows that are new, all of them or, if a value has one already, none."""
        noted = _noted(rows, self._where)
        values = [*map(self._value, noted.values())]
        if len({*values}) < len(values) or not self.by_value.keys().isdisjoint(values):
            raise _conflict(_met_twice(self.by_value, values))
        self.by_value.update(zip(values, noted, strict=True))

    def forget(self, rows: Mapping[Any, Any]) -> None:
        """Note that rows are gone."""
        for row in _noted(rows, self._where).values():
            del self.by_value[self._value(row)]

    def _noted_value(self, row: object | None) -> object | None:
        if row is None or (self._where is not None and not self._where(row)):
            return None
        value: object = self._value(row)
        return value


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
        self,
        log: Rollback,
        *key: str,
        indexes: Sequence[Index | UniqueIndex] = (),
        owner: str = "",
        by: str = "",
    ) -> None:
        self.rows: dict[Any, R] = {}
        self.owner = owner
        self.owned = Index(*filter(None, [owner]), by=by)
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

    def add(self, *rows: R) -> None:
        """Keep rows whose keys are new, or raise a `StoreError` with the code ``conflict``."""
        made = dict(zip(map(self._key, rows), rows, strict=True))
        if len(made) < len(rows):
            raise _conflict(_met_twice((), map(self._key, rows)))
        self.add_by_key(made)

    def add_by_key(self, made: Mapping[Any, R]) -> None:
        """Keep rows by their keys, which are new, or raise a `StoreError` with the code ``conflict``."""
        if not made:
            return
        if not self.rows.keys().isdisjoint(made):
            raise _conflict(_met_twice(self.rows, made))
        for done, index in enumerate(self._indexes):
            try:
                index.add(made)
            except StoreError:
                for each in self._indexes[:done]:
                    each.forget(made)
                raise
        self.rows.update(made)
        self._log.note((self._forget, made, None))

    def put(self, *rows: R) -> None:
        """Keep rows, each in place of the one with its key, if there is one."""
        for row in rows:
            self._change(self._key(row), row)

    def hand_over(self, *rows: R) -> None:
        """Keep rows in place of those of their keys, from which they differ in their owner only."""
        for row in rows:
            key = self._key(row)
            old = self.rows[key]
            self.owned.change(key, old, row)
            self.rows[key] = row
            self._log.note((self._set, key, old))

    def put_or_drop(self, rows: Mapping[Any, R | None]) -> None:
        """Keep rows by their keys; drop those that are None."""
        for key, row in rows.items():
            if row is not None or key in self.rows:
                self._change(key, row)

    def drop(self, *keys: object) -> None:
        """Drop the rows that there are of these keys."""
        for key in keys:
            if key in self.rows:
                self._change(key, None)

    def give(self, loser: int, survivor: int) -> None:
        """Give the rows of one person to another."""
        for row in self.of(loser):
            self.drop(self._key(row))
            self.put(with_changes(row, **{self.owner: survivor}))

    def _forget(self, made: Mapping[Any, R], _nothing: object) -> None:
        """Set back what `add` did."""
        for index in self._indexes:
            index.forget(made)
        for key in made:
            del self.rows[key]

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


def _reader(*columns: str) -> Callable[[Any], Any]:
    return attrgetter(*columns) if columns else lambda _: ()


def _noted(rows: Mapping[Any, Any], where: Callable[[Any], bool] | None) -> Mapping[Any, Any]:
    """The rows that an index is of."""
    return rows if where is None else {key: row for key, row in rows.items() if where(row)}


def _met_twice(known: Iterable[object], more: Iterable[object]) -> object:
    """The first of more values that is known already or comes again."""
    met = {*known}
    for value in more:
        if value in met:
            return value
        met.add(value)
    return None


def _conflict(value: object) -> StoreError:
    name = value[-1] if isinstance(value, tuple) else value
    return StoreError(code="conflict", reason=f"there is one called {name!r} already")
