"""Messages of the Segment spec, as values. `wire` reads them from their wire form, and rejects others."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Literal, TypeAlias

from pydantic import JsonValue

from whereupon.messages.codec import decode_member, encode
from whereupon.messages.columns import is_uniform
from whereupon.messages.repairs import Remark
from whereupon.messages.structs import Frozen


class MessageType(StrEnum):
    """The six calls of the Segment spec."""

    IDENTIFY = "identify"
    TRACK = "track"
    PAGE = "page"
    SCREEN = "screen"
    GROUP = "group"
    ALIAS = "alias"

    __hash__ = str.__hash__  # as of an equal text, and faster than an enumeration's own


NAMED = frozenset({MessageType.TRACK, MessageType.PAGE, MessageType.SCREEN})
"""The types of messages that have a name."""


Source: TypeAlias = Literal["server", "client"]
"""The class of sender as an argument of a call: ``client`` is a browser or an app."""


class SenderClass(StrEnum):
    """The class of sender: a server, as the host itself is, or a client, which is a browser or an app."""

    SERVER = "server"
    CLIENT = "client"

    __hash__ = str.__hash__


class Origin(StrEnum):
    """How a message came in. Only live messages may ask for destructive actions.

    The messages of a replay are live, since it has a temporary store of its own.
    """

    LIVE = "live"
    IMPORT = "import"


def body_data(type_: MessageType, text: bytes) -> Mapping[str, JsonValue]:
    """The properties of a track, page or screen; the traits of an identify or group.

    Some clients, such as RudderStack's, send the traits of an identify only in its context.

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


_CLIENT = SenderClass.CLIENT  # an attribute of an enumeration is looked up slowly
_OF_CLIENT = "\x1f"
"""The mark of a client's message. Ids are trimmed, so no id of a sender ends with it."""


def ref_of(message_id: str, source: SenderClass) -> str:
    """The unique reference of a message: its id, with a mark if a client sent it.

    Anybody can send as a client. Without the mark, a client could use the id of a server's later message,
    which would then be taken for a duplicate.
    """
    return f"{message_id}{_OF_CLIENT}" if source is _CLIENT else message_id


def refs_of(message_ids: Sequence[str], sources: Sequence[SenderClass]) -> Sequence[str]:
    """`ref_of` of each message."""
    if sources and is_uniform(sources) and sources[0] is not _CLIENT:
        return message_ids
    return [*map(ref_of, message_ids, sources)]


def id_in_ref(ref: str) -> str:
    """The message id in a reference, as the sender wrote it."""
    return ref.removesuffix(_OF_CLIENT)


def erased_digest(ref: str) -> str:
    """32 hexadecimal digits that are kept of an erased message, so that it is not accepted again."""
    return blake2b(ref.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def erased_digests(ref: str) -> tuple[str, str]:
    """That digest, and the one kept before version 0010 of the tables, when senders shared one set of ids."""
    return erased_digest(ref), f"{erased_digest(id_in_ref(ref))}-of-any"


def erased_name(ref: str) -> str:
    """The message id in records that remain after their message is erased."""
    return f"erased-{erased_digest(ref)}"


def written_body(type_: MessageType, data: Mapping[str, JsonValue]) -> bytes:
    """The body of a message that the engine makes itself; raises `JsonError`."""
    return encode({"type": type_, data_key(type_): data})


def data_key(type_: MessageType) -> str:
    """The field that holds the data of a message of that type: ``properties`` or ``traits``."""
    return "properties" if type_ in NAMED else "traits"


class Message(Frozen, frozen=True):
    """One accepted call of the Segment spec.

    Attributes:
        name: the event of a track, the name of a page or screen, else ``""``.
        target_id: the ``previousId`` of an alias, the ``groupId`` of a group, else None.
        timestamp: when it happened, corrected for the sender's clock; never after `received_at`.
        original_timestamp: when it happened by the sender's own clock, if that was sent.
        body: the whole message as JSON text, as it came and as the store keeps it (see `body_data`).
        depth: how many ``track`` steps led to it; 0 for a message of a host or a client.
        remarks: repairs and omissions while the message was read. They are reported once, and not stored.
        properties: what `data` gives, where reading has decoded it already; else None. It is not stored.
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
    properties: Mapping[str, JsonValue] | None = None

    @property
    def ref(self) -> str:
        """See `ref_of`."""
        return ref_of(self.message_id, self.source)

    @property
    def data(self) -> Mapping[str, JsonValue]:
        """See `body_data`; each access reads it again, unless `properties` has it."""
        return body_data(self.type, self.body) if self.properties is None else self.properties

    @property
    def context(self) -> Mapping[str, JsonValue]:
        """See `body_context`; each access reads it again."""
        return body_context(self.body)
