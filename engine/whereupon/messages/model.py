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


class Body:
    """What a message says, read from its JSON text when it is looked into, as few are."""

    __slots__ = ("_context", "_data", "_text", "_type")

    def __init__(self, type_: MessageType, text: bytes) -> None:
        self._text = text
        self._type = type_
        self._data: Mapping[str, JsonValue] | None = None
        self._context: Mapping[str, JsonValue] | None = None

    @classmethod
    def known(cls, data: Mapping[str, JsonValue], context: Mapping[str, JsonValue]) -> "Body":
        """A body that is read already, and that nobody keeps."""
        body = cls(MessageType.TRACK, b"")
        body._data, body._context = data, context
        return body

    @property
    def data(self) -> Mapping[str, JsonValue]:
        """The properties of a track, page or screen; the traits of an identify or group.

        Some clients send an identify's traits in its context only (RudderStack's).
        """
        if self._data is None:
            self._data = self._member(data_key(self._type))
            if not self._data and self._type is MessageType.IDENTIFY:
                traits = self.context.get("traits")
                self._data = traits if isinstance(traits, dict) else self._data
        return self._data

    @property
    def context(self) -> Mapping[str, JsonValue]:
        """The message's context (Segment spec, Common fields)."""
        if self._context is None:
            self._context = self._member("context")
        return self._context

    def forget(self) -> None:
        """Let go of what was read; it can be read again."""
        if self._text:
            self._data = self._context = None

    def _member(self, name: str) -> Mapping[str, JsonValue]:
        value = decode_member(self._text, name) if self._text else None
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
        body: the whole message as JSON text, as it came and as the store keeps it (see `Body`).
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

    def read(self) -> Body:
        """What it says, to be looked into."""
        return Body(self.type, self.body)

    @property
    def data(self) -> Mapping[str, JsonValue]:
        """See `Body.data`; read anew each time."""
        return self.read().data

    @property
    def context(self) -> Mapping[str, JsonValue]:
        """See `Body.context`; read anew each time."""
        return self.read().context
