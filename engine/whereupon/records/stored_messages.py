"""Recorded messages: with their owners, as events of a history, as twins of duplicates, and set aside."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from whereupon.messages.model import Message, MessageType, SenderClass, ref_of
from whereupon.messages.repairs import cut_reason
from whereupon.messages.structs import Frozen


class StoredMessage(Frozen, frozen=True):
    """A recorded message and its owner.

    Attributes:
        owner: the key of the person; while the message waits, the key of its anonymous id; 0 if it has no
            owner (a semantic message, or one that a tombstone suppressed). Then it is a stub, without ids
            and body.
        message: as it was accepted. How it came in (`Origin`) is not stored, and is `LIVE` when it is read.
    """

    key: int
    owner: int
    message: Message

    @property
    def message_id(self) -> str:
        """Of the message."""
        return self.message.message_id

    @property
    def ref(self) -> str:
        """Of the message."""
        return self.message.ref

    @property
    def type(self) -> MessageType:
        """Of the message."""
        return self.message.type

    @property
    def name(self) -> str:
        """Of the message."""
        return self.message.name

    @property
    def user_id(self) -> str | None:
        """Of the message."""
        return self.message.user_id

    @property
    def anonymous_id(self) -> str | None:
        """Of the message."""
        return self.message.anonymous_id

    @property
    def target_id(self) -> str | None:
        """Of the message."""
        return self.message.target_id

    @property
    def timestamp(self) -> datetime:
        """Of the message."""
        return self.message.timestamp

    @property
    def body(self) -> bytes:
        """Of the message."""
        return self.message.body


def stub_of(message: Message) -> Message:
    """What is recorded of a message without an owner: that it was seen."""
    return message.changed(
        user_id=None,
        anonymous_id=None,
        target_id=None,
        original_timestamp=None,
        body=b"",
        properties=None,
    )


class PastEvent(NamedTuple):
    """One message of a person's history, as `performed` conditions count it; ``key`` is the message's."""

    owner: int
    name: str
    timestamp: datetime
    body: bytes
    key: int = 0
    message_id: str = ""


class Twin(NamedTuple):
    """What is compared of a recorded message with a duplicate.

    Attributes:
        user_id: of a message that asked for an action, the person's; None if the person was erased.
    """

    type: MessageType
    name: str
    user_id: str | None
    anonymous_id: str | None


@dataclass(frozen=True, slots=True)
class SetAside:
    """A message on which the engine itself failed, kept whole until it is resumed.

    Attributes:
        body: the message as it came.
        reason: the type and text of what was raised.
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
        """The reason, cut short, since its text may quote personal data."""
        return cut_reason(self.reason)
