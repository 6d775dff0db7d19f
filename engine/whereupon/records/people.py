"""Persons, the ids they are known by, and the messages that are theirs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from pydantic import JsonValue

from whereupon.messages.model import Message, MessageType, SenderClass, id_in_ref, ref_of
from whereupon.messages.repairs import cut_reason

NOTHING: Mapping[str, JsonValue] = {}
"""The mapping that is empty; a `Mapping`, so that nobody writes to it."""
NO_STAMPS: Mapping[str, int] = {}
"""Of a person about whom nothing was said."""


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
    """Somebody known.

    Attributes:
        user_id: the first one they were known by.
        stamps: for each attribute, when its value was said (microseconds since the epoch), so that
            the newest word wins whatever the order of arrival.
    """

    key: int
    user_id: str
    created_at: datetime
    attributes: Mapping[str, JsonValue] = NOTHING
    stamps: Mapping[str, int] = NO_STAMPS


class ClaimRun(NamedTuple):
    """A run of claims of one anonymous id by one person, with nobody else's between.

    Attributes:
        since, until: the timestamps of the first and the last message of the run that carried both ids.
        message_id: the message that opened the run.
    """

    anonymous_key: int
    person_key: int
    since: datetime
    until: datetime
    message_id: str


class ClaimJob(NamedTuple):
    """A claim of many messages that are evaluated in chunks. An anonymous id has one job at a time.

    Attributes:
        message_key: the key of the message that claims; it is evaluated in its turn.
        due_at: when another process goes on with the job, if the one that began it is gone.
        after: the timestamp and key of the last message that was read.
        is_chosen: whether every message was read for the rules that take one message of a claim.
        taken: the key of the message that such a rule takes, by rule id, as far as is known.
        attributes: the person's attributes at the claim, by which a rule takes a message.
        is_put: whether the message that claims was evaluated.
        entered, left: the segments that the person entered and left by it.
        makes_known: whether the message made the person known.
    """

    anonymous_key: int
    person_key: int
    message_key: int
    due_at: datetime
    after: tuple[datetime, int]
    is_chosen: bool = True
    taken: Mapping[str, int] = NO_STAMPS
    attributes: Mapping[str, JsonValue] = NOTHING
    is_put: bool = False
    entered: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    makes_known: bool = False


@dataclass(frozen=True, slots=True)
class Merge:
    """Two persons became one, by which message (its `ref_of`)."""

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
    """What is left of an identifier: messages up to ``until`` (or all, if None) are silenced.

    Attributes:
        digest: keyed hash of the identifier; the identifier itself is gone.
        of: that of the user id whose deletion or suppression laid it: what was laid together is lifted
            together. An id that two people had can have one of each.
        reason: ``deleted`` or ``suppressed``.
    """

    digest: bytes
    of: bytes
    until: datetime | None
    reason: str


class StoredMessage(NamedTuple):
    """A recorded message, and whose it is.

    Attributes:
        owner: the person whose it is; while it waits, the key of its anonymous id; 0 when it is
            nobody's (a semantic message, or one that a tombstone silenced): then it is a stub,
            without ids or a body.
        message: as it was accepted; how it came in (`Origin`) is not kept, and is `LIVE` again.
    """

    key: int
    owner: int
    message: Message

    @property
    def message_id(self) -> str:
        """Its message's."""
        return self.message.message_id

    @property
    def ref(self) -> str:
        """Its message's."""
        return self.message.ref

    @property
    def type(self) -> MessageType:
        """Its message's."""
        return self.message.type

    @property
    def name(self) -> str:
        """Its message's."""
        return self.message.name

    @property
    def user_id(self) -> str | None:
        """Its message's."""
        return self.message.user_id

    @property
    def anonymous_id(self) -> str | None:
        """Its message's."""
        return self.message.anonymous_id

    @property
    def target_id(self) -> str | None:
        """Its message's."""
        return self.message.target_id

    @property
    def timestamp(self) -> datetime:
        """Its message's."""
        return self.message.timestamp

    @property
    def body(self) -> bytes:
        """Its message's."""
        return self.message.body


def stub_of(message: Message) -> Message:
    """What is remembered of a message that is nobody's: that it was seen."""
    return message._replace(
        user_id=None, anonymous_id=None, target_id=None, original_timestamp=None, body=b""
    )


class PastEvent(NamedTuple):
    """One message of a person's history, as `performed` conditions count it."""

    owner: int
    name: str
    timestamp: datetime
    body: bytes


class Twin(NamedTuple):
    """What a recorded message was, to be compared with one that has the same id.

    Attributes:
        user_id: of one that asked for an action: whom it was about; None where that is erased.
    """

    type: MessageType
    name: str
    user_id: str | None
    anonymous_id: str | None


@dataclass(frozen=True, slots=True)
class SetAside:
    """A message on which the engine itself failed, kept whole until it is taken again.

    Attributes:
        body: the message as it came.
        reason: what was raised, by its type and text.
    """

    message_id: str
    user_id: str | None
    anonymous_id: str | None
    received_at: datetime
    source: str
    origin: str
    body: bytes
    reason: str
    set_aside_at: datetime

    @property
    def ref(self) -> str:
        """See `ref_of`."""
        return ref_of(self.message_id, SenderClass(self.source))

    @property
    def shown(self) -> str:
        """The reason, as it may be told: its text may quote anybody's data, so little of it."""
        return cut_reason(self.reason)
