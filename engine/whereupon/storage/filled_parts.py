"""Which parts of a batch's changes there are to write; most of its fields are empty."""

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Generic, TypeVar

from whereupon.messages.structs import as_tuple
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
        self._writers, self._behind = tuple(parts), len(parts)
        self._places = [places.get(field, self._behind) for field in Changes.__struct_fields__]
        self.fields = frozenset(places)

    def writers(self, changes: Changes) -> list[W]:
        """Those that have something to write, in their order."""
        filled = {*compress(self._places, as_tuple(changes))}
        filled.discard(self._behind)  # of the fields without a writer
        return [*map(self._writers.__getitem__, sorted(filled))]
