"""Persons, their identifiers, merges and tombstones."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from pydantic import JsonValue

from whereupon.messages.model import id_in_ref

NOTHING: Mapping[str, JsonValue] = {}
"""An empty mapping; a `Mapping`, so that it is not written to."""
NO_STAMPS: Mapping[str, int] = {}
"""The stamps of a person without attributes."""


class IdKind(StrEnum):
    """The two kinds of identifier of the Segment spec."""

    USER = "user"
    ANONYMOUS = "anonymous"


class Identifier(NamedTuple):
    """An id and what it stands for: a user id for a person, an anonymous id for itself.

    Attributes:
        key: of a user id, the person's key; of an anonymous id, a key of its own, under which its
            messages wait until they are claimed.
    """

    kind: IdKind
    value: str
    key: int


class Person(NamedTuple):
    """A person who is known: a user id was seen.

    Attributes:
        user_id: the first user id.
        stamps: for each attribute, when its value was sent (in microseconds since the epoch), so that the
            newest value wins, in whatever order the messages arrive.
    """

    key: int
    user_id: str
    created_at: datetime
    attributes: Mapping[str, JsonValue] = NOTHING
    stamps: Mapping[str, int] = NO_STAMPS


@dataclass(frozen=True, slots=True)
class Merge:
    """Two persons became one, by a message (see `ref_of`)."""

    survivor_key: int
    loser_key: int
    loser: str
    ref: str
    merged_at: datetime

    @property
    def message_id(self) -> str:
        """As its sender wrote it."""
        return id_in_ref(self.ref)


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What is left of an identifier: messages up to ``until`` (or all, if None) are suppressed.

    Attributes:
        digest: the keyed hash of the identifier, which is not stored itself.
        of: the keyed hash of the user id whose deletion or suppression added the tombstone. Tombstones that
            were added together are lifted together. An id that two persons had can have one of each.
        reason: ``deleted`` or ``suppressed``.
    """

    digest: bytes
    of: bytes
    until: datetime | None
    reason: str
