"""Lists of values on SQLite: a JSON array, or, if there are few, values that are bound one by one.

To read an array costs several times what looking up a value by an index does, and most lists of a single
call have one value.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from whereupon.messages.codec import encode
from whereupon.messages.structs import Frozen
from whereupon.storage.sql.dialects import Parameters, Statement

_MARKS = ("_value_a", "_value_b", "_value_c", "_value_d")
FEW = len(_MARKS)
"""The most values that are bound one by one: those of one message: a user id has three other spellings at most."""
_LISTED = re.compile(r"= ANY\(:(\w+)\)")


class FewValues(tuple[int | str, ...]):
    """A few values, for which a `ListingStatement` has places; for any other statement they become a JSON array."""

    __slots__ = ()

    def __conform__(self, _protocol: object) -> str:
        """What the driver binds."""
        return as_array(self)


def as_array(values: Collection[int] | Collection[str] | FewValues) -> str:
    """The JSON array of the values."""
    return encode(list(values)).decode()


class ListingStatement(Statement):
    """A statement with lists, which has another text for each number of few values.

    Args:
        text: as it is written.
        make: makes a statement of a text.
    """

    __slots__ = ("_lists", "_make", "_only", "_short", "_text")

    def __init__(self, text: str, make: Callable[[str], Statement]) -> None:
        made = make(text)
        super().__init__(made.sql, made.names, {})
        self._text = text
        self._make = make
        self._lists = tuple(dict.fromkeys(_LISTED.findall(text)))
        self._only = self._lists[0] if not self._lists[1:] else None
        self._short: dict[tuple[int, ...], _Short] = {}

    def bound(self, values: Mapping[str, Any]) -> tuple[str, Parameters]:
        """The text for these values, and its parameters."""
        if self._only is not None:
            few = values[self._only]
            if type(few) is not FewValues or not few:
                return super().bound(values)
            counts: tuple[int, ...] = (len(few),)
            short = self._short.get(counts) or self._shortened(counts)
            if short.is_list_alone:
                return short.sql, few
        else:
            lengths: list[int] = []
            for name in self._lists:  # a comprehension would cost as much as the rest
                each = values[name]
                lengths.append(len(each) if type(each) is FewValues else 0)
            counts = tuple(lengths)
            if not any(counts):
                return super().bound(values)
            short = self._short.get(counts) or self._shortened(counts)
        parameters: list[object] = []
        for name, at in short.parameters:
            value = values[name]
            parameters.append(value if at is None else value[at])
        return short.sql, tuple(parameters)

    def _shortened(self, counts: tuple[int, ...]) -> "_Short":
        numbers = dict(zip(self._lists, counts, strict=True))
        made = self._make(_LISTED.sub(lambda found: _one_by_one(found[1], numbers), self._text))
        parameters = [_taken(name) for name in made.names]
        alone = [(self._only, at) for at in range(counts[0])]
        self._short[counts] = short = _Short(made.sql, parameters, parameters == alone)
        return short


class _Short(Frozen, frozen=True):
    """A text for few values, and the name of each parameter, with its place where it is one of a list's values.

    Attributes:
        is_list_alone: whether the values of one list are all of the parameters.
    """

    sql: str
    parameters: list[tuple[str, int | None]]
    is_list_alone: bool


def is_listing(text: str) -> bool:
    """Whether a statement has lists."""
    return _LISTED.search(text) is not None


def _one_by_one(name: str, numbers: Mapping[str, int]) -> str:
    count = numbers[name]
    if count == 0:
        return f"= ANY(:{name})"
    each = ", ".join(f":{name}{mark}" for mark in _MARKS[:count])
    return f"= {each}" if count == 1 else f"IN ({each})"


def _taken(name: str) -> tuple[str, int | None]:
    for at, mark in enumerate(_MARKS):
        if name.endswith(mark):
            return name.removesuffix(mark), at
    return name, None
