"""Messages of the Segment spec, as values.

How a message is read from its wire form, and what is refused, is in `wire`.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Literal, NamedTuple, TypeAlias

from pydantic import JsonValue

from whereupon.messages.codec import decode_member, encode
from whereupon.messages.repairs import Remark


class MessageType(StrEnum):
    """The six calls of the Segment spec."""

    IDENTIFY = "identify"
    TRACK = "track"
    PAGE = "page"
    SCREEN = "screen"
    GROUP = "group"
    ALIAS = "alias"


NAMED = frozenset({MessageType.TRACK, MessageType.PAGE, MessageType.SCREEN})
"""The types whose messages have a name."""


Source: TypeAlias = Literal["server", "client"]
"""The class of sender as a call says it: a server, or a browser or an app."""


class SenderClass(StrEnum):
    """The class of sender: a server key (the library is one too), or a browser or mobile key."""

    SERVER = "server"
    CLIENT = "client"


class Origin(StrEnum):
    """How a message came in; only what is live may ask for something destructive.

    A replay is live towards its own throwaway store.
    """

    LIVE = "live"
    IMPORT = "import"


def body_data(type_: MessageType, text: bytes) -> Mapping[str, JsonValue]:
    """The properties of a track, page or screen; the traits of an identify or group.

    Some clients send the traits of an identify in its context only (RudderStack's).

    Args:
        text: the whole message as JSON; an empty text has no data.
    """
    data = _member(text, data_key(type_))
    if not data and type_ is MessageType.IDENTIFY:
        traits = body_context(text).get("traits")
        return traits if isinstance(traits, dict) else data
    return data


def body_context(text: bytes) -> Mapping[str, JsonValue]:
    """The context of a message (Segment spec, Common fields), given as JSON text."""
    return _member(text, "context")


def _member(text: bytes, name: str) -> Mapping[str, JsonValue]:
    value = decode_member(text, name) if text else None
    return value if isinstance(value, dict) else {}


_OF_CLIENT = "\x1f"
"""What marks a client's message: ids are trimmed, so no sender's own can end with it."""


def ref_of(message_id: str, source: SenderClass) -> str:
    """What stands for a message wherever there must be one: its id, unique within its class of sender.

    Whoever may write as a client, which is anybody, could otherwise be first with the id of what a
    server is going to say, which would then pass for a duplicate.
    """
    return f"{message_id}{_OF_CLIENT}" if source is SenderClass.CLIENT else message_id


def id_in_ref(ref: str) -> str:
    """The message id, as its sender wrote it."""
    return ref.removesuffix(_OF_CLIENT)


def erased_digest(ref: str) -> str:
    """32 hexadecimal digits: what stays known of an erased message, so that it never comes again."""
    return blake2b(ref.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def erased_digests(ref: str) -> tuple[str, str]:
    """That, and what was kept before the tables' version 0010, when ids were unique among all."""
    return erased_digest(ref), f"{erased_digest(id_in_ref(ref))}-of-any"


def erased_name(ref: str) -> str:
    """What a record that stays is called, once the message that made it is erased."""
    return f"erased-{erased_digest(ref)}"


def written_body(type_: MessageType, data: Mapping[str, JsonValue]) -> bytes:
    """The body of a message that did not come by wire; raises `JsonError`."""
    return encode({"type": type_, data_key(type_): data})


def data_key(type_: MessageType) -> str:
    """Where a message of that type says what it has to say: ``properties`` or ``traits``."""
    return "properties" if type_ in NAMED else "traits"


class Message(NamedTuple):
    """One call of the Segment spec, accepted.

    Attributes:
        name: the event's name of a track, the page's or screen's name, else ``""``.
        target_id: the ``previousId`` of an alias, the ``groupId`` of a group, else None.
        timestamp: when it happened, corrected for the sender's clock; never after `received_at`.
        original_timestamp: when it happened by the sender's own clock, where that was sent.
        body: the whole message as JSON text, as it came and as the store keeps it (see `body_data`).
        depth: how many ``track`` steps led to it; 0 for what came from outside.
        remarks: what was mended in it, or left out of it, when it was read; it is told once, and not kept.
    """

    message_id: str
    type: MessageType
    name: str
    user_id: str | None
    anonymous_id: str | None
    target_id: str | None
    timestamp: datetime
    received_at: datetime
    original_timestamp: datetime | None
    source: SenderClass
    origin: Origin
    body: bytes
    depth: int = 0
    remarks: tuple[Remark, ...] = ()

    @property
    def ref(self) -> str:
        """See `ref_of`."""
        return ref_of(self.message_id, self.source)

    @property
    def data(self) -> Mapping[str, JsonValue]:
        """See `body_data`; decoded anew each time."""
        return body_data(self.type, self.body)

    @property
    def context(self) -> Mapping[str, JsonValue]:
        """See `body_context`; decoded anew each time."""
        return body_context(self.body)
