"""What breaks a person's silence, and the last message that did."""

from datetime import datetime, timedelta
from typing import NamedTuple

from whereupon.messages.model import MessageType
from whereupon.messages.structs import Frozen
from whereupon.messages.times import FIRST_INSTANT, earlier
from whereupon.records.people import Person

SINCE = "since-"
"""What the beginning of a silence stands behind, in the occasion of an entry that it opened."""


class Breaking(NamedTuple):
    """The messages that break a silence. One that a step of a rule sent breaks none.

    Attributes:
        names, prefixes: of track messages.
        any: whether every message does, of any type.
    """

    names: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    any: bool = False

    def covers(self, type_: MessageType, name: str, depth: int) -> bool:
        """Whether a message of this type and name breaks a silence.

        Args:
            depth: how many steps led to it; 0 if the person sent it.
        """
        if depth:
            return False
        is_named = name in self.names or name.startswith(self.prefixes)
        return self.any or (type_ is MessageType.TRACK and is_named)


def breaking_since(person: Person, at: datetime, span: timedelta) -> datetime:
    """The oldest timestamp of a message that matters to a person's silence of that length, as seen from an instant.

    A person who became known within that length may have broken the silence long before, anonymously. Then it is over,
    and does not count from when they became known.
    """
    since = earlier(at, span)
    return since if person.created_at <= since else FIRST_INSTANT


class LastMessage(Frozen, frozen=True):
    """The last message of a person among those that break a silence.

    Attributes:
        name: the event's; of another type, its name, which may be empty.
    """

    person_key: int
    timestamp: datetime
    name: str
