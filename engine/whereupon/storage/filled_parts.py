"""Which parts of a batch's changes there are to write; most of its fields are empty."""

from collections.abc import Mapping, Sequence
from itertools import compress
from operator import attrgetter
from typing import Any, Generic, TypeVar

from whereupon.records import Changes

W = TypeVar("W")


class FilledParts(Generic[W]):
    """What writes which fields of a batch's changes.

    Attributes:
        fields: the fields that have a writer.

    Args:
        parts: the fields of each writer, in the order in which the writers are called.
    """

    def __init__(self, parts: Mapping[W, Sequence[str]]) -> None:
        places = {field: place for place, fields in enumerate(parts.values()) for field in fields}
        self._writers, self._places = tuple(parts), tuple(places.values())
        self._values_of: Any = attrgetter(*places)
        self.fields = frozenset(places)

    def writers(self, changes: Changes) -> list[W]:
        """Those that have something to write, in their order."""
        filled = sorted({*compress(self._places, self._values_of(changes))})
        return [self._writers[place] for place in filled]
