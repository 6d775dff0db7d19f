"""Persons, their identifiers, merges and tombstones."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from pydantic import JsonValue

from whereupon.messages.model import id_in_ref
from whereupon.messages.structs import Frozen

NOTHING: Mapping[str, JsonValue] = {}
"""An empty mapping; a `Mapping`, so that it is not written to."""
LONGEST_EMAIL = 320
"""Characters of an e-mail address that can be looked up (RFC 3696, with its erratum 1690, and a margin)."""
NO_STAMPS: Mapping[str, int] = {}
"""The stamps of a person without attributes."""


class IdKind(StrEnum):
    """The two kinds of identifier of the Segment spec."""

    USER = "user"
    ANONYMOUS = "anonymous"

    __hash__ = str.__hash__  # as of an equal text, and faster than an enumeration's own


class Identifier(NamedTuple):
    """An id and what it stands for: a user id for a person, an anonymous id for itself.

    Attributes:
        key: of a user id, the person's key; of an anonymous id, a key of its own, under which its
            messages wait until they are claimed.
    """

    kind: IdKind
    value: str
    key: int


def email_of(attributes: Mapping[str, JsonValue]) -> str | None:
    """The e-mail address among a person's attributes, in the form in which it is looked up; None without one."""
    return as_email(attributes.get("email"))


def as_email(value: JsonValue) -> str | None:
    """An e-mail address without spaces around it and without capitals; None if the value is none.

    RFC 5321 lets the part before ``@`` depend on case, and no mailbox that people use does.
    """
    text = value.strip().lower() if isinstance(value, str) else ""
    is_one = "@" in text and len(text) <= LONGEST_EMAIL and text.isprintable()
    return text if is_one else None


class Person(Frozen, frozen=True):
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
