"""Which parts of a batch's changes there are to write; most of its fields are empty."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import compress
from typing import Final, Generic, TypeVar

from whereupon.messages.structs import as_tuple
from whereupon.records import Changes

W = TypeVar("W")

_SHAPES: Final = 1_000
"""How many combinations of filled fields are remembered; most batches have one of a few."""


class FilledParts(Generic[W]):
    """What writes which fields of a batch's changes.

    Attributes:
        fields: the fields that have a writer.

    Args:
        parts: the fields of each writer, in the order in which the writers are called.
    """

    def __init__(self, parts: Mapping[W, Sequence[str]]) -> None:
        places = {field: place for place, fields in enumerate(parts.values()) for field in fields}
        self._writers, self._behind = tuple(parts), len(parts)
        self._places = [places.get(field, self._behind) for field in Changes.__struct_fields__]
        self._called = lru_cache(_SHAPES)(self._called_by)
        self.fields = frozenset(places)

    def writers(self, changes: Changes) -> Sequence[W]:
        """Those that have something to write, in their order."""
        return self._called(tuple(compress(self._places, as_tuple(changes))))

    def _called_by(self, filled: tuple[int, ...]) -> Sequence[W]:
        """The writers of these places, of which the last is that of the fields without a writer."""
        return tuple(self._writers[place] for place in sorted({*filled} - {self._behind}))
