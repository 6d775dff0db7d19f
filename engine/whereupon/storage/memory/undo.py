"""Taking back what a session wrote, for a store that writes in place.

Each write notes how to reverse it; rolling back reverses them, the last one first. The order of a
dict's keys is kept by `put` but not by `drop` and its reversal.
"""

from bisect import bisect_left, insort
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TypeAlias, TypeVar

Moment: TypeAlias = tuple[datetime, int]
"""An instant and the key of what happens then: sorts by time, then key."""

K = TypeVar("K")
V = TypeVar("V")
Sortable = TypeVar("Sortable", int, datetime, Moment)


class Undo:
    """The reversals of one session's writes."""

    __slots__ = ("_reversals",)

    def __init__(self) -> None:
        self._reversals: list[Callable[[], object]] = []

    def note(self, reversal: Callable[[], object]) -> None:
        """Remember how to reverse a write that the caller makes itself."""
        self._reversals.append(reversal)

    def put(self, table: dict[K, V], key: K, value: V) -> None:
        """Set ``table[key]``."""
        if key in table:
            self._reversals.append(partial(table.__setitem__, key, table[key]))
        else:
            self._reversals.append(partial(table.pop, key))
        table[key] = value

    def drop(self, table: dict[K, V], key: K) -> V | None:
        """Take ``key`` out of ``table``; what was there, or None."""
        if key not in table:
            return None
        value = table.pop(key)
        self._reversals.append(partial(table.__setitem__, key, value))
        return value

    def insert(self, items: list[Sortable], item: Sortable) -> None:
        """Put an item into its place in a sorted list."""
        _insert(items, item)
        self._reversals.append(partial(_remove, items, item))

    def remove(self, items: list[Sortable], item: Sortable) -> None:
        """Take an item that is there out of a sorted list."""
        _remove(items, item)
        self._reversals.append(partial(_insert, items, item))

    def roll_back(self) -> None:
        """Reverse every write, the last one first."""
        while self._reversals:
            self._reversals.pop()()


def _insert(items: list[Sortable], item: Sortable) -> None:
    if not items or items[-1] < item:
        items.append(item)
    else:
        insort(items, item)


def _remove(items: list[Sortable], item: Sortable) -> None:
    del items[bisect_left(items, item)]
