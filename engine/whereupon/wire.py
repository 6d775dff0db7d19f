"""The wire form of messages: what is accepted, how it is read, and every refusal.

Sources of the rules: the Segment spec's common fields; the limits and junk ids are those in
circulation among the hosted products. Every refusal has a stable code and a sentence naming the
field. Nothing is guessed: what cannot be read is refused, never changed.

A message is read from its JSON text, and only the fields that every message needs: its properties,
traits and context stay text until somebody asks (`Body`). An id or a name that was found sound once
is not looked at again (`Sound`).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias, cast

import msgspec
from pydantic import JsonValue

from whereupon.codec import (
    DeepJsonError,
    JsonError,
    check,
    decode,
    decode_leniently,
    encode,
)
from whereupon.errors import MessageRejectedError
from whereupon.messages import NAMED, Message, MessageType, Origin, Source
from whereupon.times import parse_instant

MAX_MESSAGE_BYTES = 32 * 1024
MAX_BATCH_BYTES = 500 * 1024
MAX_BATCH_MESSAGES = 2_500
MAX_NAME_BYTES = 100
MAX_MESSAGE_ID_CHARACTERS = 100
MAX_ID_BYTES = 150
MAX_NESTING = 200
"""Objects and lists within one another: as many as can be read, and written again, anywhere."""

JUNK_IDS = frozenset(
    (
        *("", "null", "undefined", "none", "nil", "nan", "0", "true", "false", "anonymous"),
        *("guest", "distinct_id", "id", "email", "user", "not_authenticated", "[object object]"),
        *("00000000-0000-0000-0000-000000000000", "00000000000000000000000000000000"),
    )
)

Object = dict[str, JsonValue]
Sound: TypeAlias = dict[object, str]
"""Texts that were found sound, so that each is looked at once; forgotten when they are many."""

_TYPES: dict[object, MessageType] = {type_.value: type_ for type_ in MessageType}
_LONGEST_JUNK = max(map(len, JUNK_IDS))
_MOST_SOUND = 10_000


_NOWHERE = msgspec.Raw()


class Envelope(msgspec.Struct, rename="camel", gc=False):
    """The fields of a message's wire form; those that only some messages need stay unread.

    Every other field may hold any JSON, for a refusal names the field.
    """

    type: Any = None  # any JSON: what is no text is refused, by name
    event: Any = None
    name: Any = None
    user_id: Any = None
    anonymous_id: Any = None
    message_id: Any = None
    timestamp: Any = None
    original_timestamp: Any = None
    sent_at: Any = None
    received_at: Any = None
    previous_id: Any = None
    group_id: Any = None
    properties: msgspec.Raw = _NOWHERE
    traits: msgspec.Raw = _NOWHERE
    context: msgspec.Raw = _NOWHERE
    batch: msgspec.Raw = _NOWHERE

    @property
    def is_batch(self) -> bool:
        """Whether it holds messages rather than being one."""
        return self.batch is not _NOWHERE and bytes(self.batch)[:1] == b"["


_READER = msgspec.json.Decoder(Envelope)


@dataclass(slots=True)
class Arrival:
    """How and when messages come in.

    Attributes:
        received_at: when, unless `by_message` says that the message itself tells; then not before.
        new_id: gives an id to a message that carries none.
        by_message: a stream: only the message's own ``receivedAt`` corrects the sender's clock; and it,
            or else the message's time, is the arrival, unless `all_at_once` (an import).
        ids, names: those that were found sound.
    """

    received_at: datetime
    source: Source
    new_id: Callable[[], str]
    origin: Origin = Origin.LIVE
    by_message: bool = False
    all_at_once: bool = False
    ids: Sound = field(default_factory=dict)
    names: Sound = field(default_factory=dict)


def parse_message(text: bytes, arrival: Arrival) -> Message:
    """Read one message from its wire form, which is kept as it came; raises `MessageRejectedError`.

    Unknown fields are normal, and are kept in the body; nulls are as good as absent.
    """
    return message_in(read_envelope(text), text, arrival)


def read_envelope(text: bytes) -> Envelope:
    """The fields of one JSON text; raises `MessageRejectedError` where it is no JSON object."""
    try:
        if not text.isascii() or _openings(text) > MAX_NESTING:
            _look_through(text)
        return _READER.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _no_message(text, error) from error


def _openings(text: bytes) -> int:
    """How many objects and lists begin at most; leaving out is ten times as fast as counting."""
    return 2 * len(text) - len(text.replace(b"{", b"")) - len(text.replace(b"[", b""))


def _look_through(text: bytes) -> None:
    try:
        check(text)
    except JsonError as error:
        raise _no_json(error) from error
    if _is_deep(decode(text)):
        raise _too_deep()


def _no_json(error: Exception) -> MessageRejectedError:
    if isinstance(error, DeepJsonError | RecursionError):
        return _too_deep()
    reason = f"the message is no JSON: {error}"
    return _refusal(code="bad-json", field="message", reason=reason)


def _too_deep() -> MessageRejectedError:
    reason = f"the message nests more than {MAX_NESTING} objects and lists in one another"
    return _refusal(code="too-deep", field="message", reason=reason)


def _is_deep(value: JsonValue) -> bool:
    level = [value]
    for _ in range(MAX_NESTING):
        level = [inner for outer in level for inner in _containers(outer)]
        if not level:
            return False
    return True


def _containers(value: JsonValue) -> list[JsonValue]:
    inside: Iterable[JsonValue] = ()
    if isinstance(value, dict):
        inside = value.values()
    elif isinstance(value, list):
        inside = value
    return [inner for inner in inside if isinstance(inner, dict | list)]


def _no_message(text: bytes, error: Exception) -> MessageRejectedError:
    try:
        value = decode(text)
    except JsonError as fault:
        return _no_json(fault)
    if isinstance(value, dict):  # one of the fields that are read is a number beyond the doubles
        return _no_json(error)
    return _refusal(code="not-an-object", field="message", reason="a message is a JSON object")


def message_in(envelope: Envelope, text: bytes, arrival: Arrival) -> Message:
    """The message whose fields were read from ``text``; raises `MessageRejectedError`."""
    said = envelope.type
    type_ = _TYPES.get(said) if said.__class__ is str else None
    if type_ is None:
        raise _unknown_type(said)
    user_id = anonymous_id = target_id = None
    if (value := envelope.user_id) is not None:
        user_id = arrival.ids.get(value) if value.__class__ is str else None
        user_id = user_id or _identifier(value, "userId", arrival.ids)
    if (value := envelope.anonymous_id) is not None:
        anonymous_id = arrival.ids.get(value) if value.__class__ is str else None
        anonymous_id = anonymous_id or _identifier(value, "anonymousId", arrival.ids)
    if user_id is None and anonymous_id is None:
        raise _refusal(
            code="missing-id", field="userId", reason="a userId or an anonymousId is required"
        )
    name = ""
    if type_ in NAMED:
        name = _name(envelope, type_, arrival.names)
        _check_object(envelope.properties, "properties")
    else:
        _check_object(envelope.traits, "traits")
        target_id = _target(envelope, type_, user_id, arrival.ids)
    _check_object(envelope.context, "context")
    original, timestamp, received_at = _timestamps(envelope, arrival)
    message_id = _message_id(envelope.message_id)
    if len(text) > MAX_MESSAGE_BYTES:
        raise _too_large(len(text))
    return Message(
        message_id or arrival.new_id(),
        type_,
        name,
        user_id,
        anonymous_id,
        target_id,
        timestamp,
        received_at,
        original,
        arrival.source,
        arrival.origin,
        text,
    )


def as_text(value: object) -> bytes:
    """The host's Python values as JSON text; raises `MessageRejectedError`."""
    try:
        return bytes(memoryview(encode(value)))  # for what the writer returns keeps 4 KB of memory
    except DeepJsonError as error:
        raise _too_deep() from error
    except JsonError as error:
        reason = f"the message cannot be written as JSON: {error}"
        raise _refusal(code="not-json", field="message", reason=reason) from error


def open_text(text: bytes) -> Envelope | Object:
    """The fields of the message that a JSON text is, or the ``batch`` body; raises `MessageRejectedError`.

    A body is also found where one of its messages nests too deep, or holds half a character: that one is
    to be refused, and not the others.
    """
    try:
        envelope = read_envelope(text)
    except MessageRejectedError:
        body = _cracked_batch(text)
        if body is None:
            raise
        return body
    return cast("Object", decode(text)) if envelope.is_batch else envelope


def _cracked_batch(text: bytes) -> Object | None:
    try:
        raw = decode_leniently(text)
    except JsonError:
        return None
    return raw if isinstance(raw, dict) and isinstance(raw.get("batch"), list) else None


def unfold_batch(raw: JsonValue) -> Iterator[JsonValue]:
    """The messages of a ``batch`` body, each with the batch's ``sentAt`` and ``context``.

    Anything else is one message, and comes back alone. An item's own fields win.
    """
    if not isinstance(raw, dict) or not isinstance(batch := raw.get("batch"), list):
        yield raw
        return
    sent_at, context = raw.get("sentAt"), raw.get("context")
    for item in batch:
        if not isinstance(item, dict):
            yield item
            continue
        whole = dict(item)
        if sent_at is not None and whole.get("sentAt") is None:
            whole["sentAt"] = sent_at
        own = whole.get("context")
        if isinstance(context, dict) and (own is None or isinstance(own, dict)):
            whole["context"] = {**context, **(own or {})}
        yield whole


def _refusal(*, code: str, field: str, reason: str) -> MessageRejectedError:
    return MessageRejectedError(code=code, field=field, reason=reason)


def _unknown_type(said: object) -> MessageRejectedError:
    there_are = f"type is one of {', '.join(MessageType)}"
    if said is None:
        return _refusal(code="missing-type", field="type", reason=f"type is missing; {there_are}")
    return _refusal(code="unknown-type", field="type", reason=there_are)


def _too_large(size: int) -> MessageRejectedError:
    reason = f"the message has {size} bytes; {MAX_MESSAGE_BYTES} are allowed"
    return _refusal(code="message-too-large", field="message", reason=reason)


def _check_object(part: msgspec.Raw, field: str) -> None:
    if part is _NOWHERE:
        return
    text = bytes(part)
    if text[:1] != b"{" and text != b"null":
        raise _refusal(code="bad-field", field=field, reason=f"{field} is an object")


def _text(value: object, field: str) -> str | None:
    """An id as text; numbers count as their digits."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refusal(code="bad-field", field=field, reason=f"{field} is a text or a number")
    return digits_of(value)


def digits_of(number: float) -> str:
    """A number that stands where an id does, as text: 5.0 is 5."""
    whole = isinstance(number, float) and number.is_integer() and abs(number) < 2**53
    return str(int(number)) if whole else str(number)


def _identifier(said: object, field: str, sound: Sound) -> str | None:
    value = _text(said, field)
    if value is None:
        return None
    if len(value) <= _LONGEST_JUNK or value[0].isspace() or value[-1].isspace():
        trimmed = value.strip()
        if not trimmed:
            return None
        if trimmed.casefold() in JUNK_IDS:
            raise _refusal(
                code="junk-id",
                field=field,
                reason=f"{field} {value!r} names nobody; send a real id, or none",
            )
    if len(value) > MAX_ID_BYTES // 4 and _bytes(value) > MAX_ID_BYTES:
        reason = f"{field} is over {MAX_ID_BYTES} bytes"
        raise _refusal(code="id-too-long", field=field, reason=reason)
    if "\0" in value:
        raise _nul(field=field)
    return _remembered(value, sound)


def _remembered(value: str, sound: Sound) -> str:
    if len(sound) >= _MOST_SOUND:
        sound.clear()
    return sound.setdefault(value, value)


def _nul(*, field: str) -> MessageRejectedError:
    return _refusal(code="bad-character", field=field, reason=f"{field} contains a NUL character")


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _message_id(said: object) -> str | None:
    value = said if said.__class__ is str else _text(said, "messageId")
    if value is None:
        return None
    if len(value) > MAX_MESSAGE_ID_CHARACTERS:
        reason = f"messageId is over {MAX_MESSAGE_ID_CHARACTERS} characters"
        raise _refusal(code="message-id-too-long", field="messageId", reason=reason)
    if "\0" in value:
        raise _nul(field="messageId")
    return value


def _name(envelope: Envelope, type_: MessageType, sound: Sound) -> str:
    """The name of a track, page or screen, which may be empty for the latter two."""
    if type_ is MessageType.TRACK:
        field, name = "event", envelope.event
    else:
        field, name = "name", envelope.name or _page_name(envelope.properties)
    known = sound.get(name) if name.__class__ is str else None
    if known is not None:
        return known
    if type_ is MessageType.TRACK and (
        name is None or (isinstance(name, str) and not name.strip())
    ):
        raise _refusal(
            code="missing-event", field=field, reason="a track message needs an event name"
        )
    if not isinstance(name, str):
        raise _refusal(code="bad-event", field=field, reason=f"{field} is a text")
    if _bytes(name) > MAX_NAME_BYTES:
        raise _refusal(
            code="name-too-long", field=field, reason=f"{field} is over {MAX_NAME_BYTES} bytes"
        )
    if "\0" in name:
        raise _nul(field=field)
    return _remembered(name, sound) if name.strip() else name


def _page_name(properties: msgspec.Raw) -> str:
    """Browser clients may name a page in its properties only (Segment spec, Page)."""
    read = decode(bytes(properties) or b"null")
    name = read.get("name") if isinstance(read, dict) else None
    return name if isinstance(name, str) else ""


def _target(
    envelope: Envelope, type_: MessageType, user_id: str | None, sound: Sound
) -> str | None:
    if type_ is MessageType.ALIAS:
        if user_id is None:
            raise _refusal(
                code="missing-id", field="userId", reason="an alias needs the userId that survives"
            )
        return _required(envelope.previous_id, "previousId", sound)
    if type_ is MessageType.GROUP:
        return _required(envelope.group_id, "groupId", sound)
    return None


def _required(said: object, field: str, sound: Sound) -> str:
    value = _identifier(said, field, sound)
    if value is None:
        raise _refusal(code="missing-id", field=field, reason=f"{field} is required here")
    return value


def _timestamps(envelope: Envelope, arrival: Arrival) -> tuple[datetime | None, datetime, datetime]:
    """The original time, the corrected one, and the arrival.

    Corrected is received - (sent - original) where all three are there, else what was sent, else the
    arrival; and never after the arrival.
    """
    said = original = sent_at = None
    if envelope.timestamp is not None:
        said = original = _instant(envelope.timestamp, "timestamp")
    if envelope.original_timestamp is not None:
        original = _instant(envelope.original_timestamp, "originalTimestamp") or said
    if envelope.sent_at is not None:
        sent_at = _instant(envelope.sent_at, "sentAt")
    received_at: datetime = arrival.received_at
    arrived: datetime | None = received_at
    if arrival.by_message:
        said_arrival = envelope.received_at
        arrived = None if said_arrival is None else _instant(said_arrival, "receivedAt")
        if not arrival.all_at_once:
            received_at = max(arrived or said or original or received_at, received_at)
    if original is None:
        return None, received_at, received_at
    timestamp = said or original
    if sent_at is not None and arrived is not None:
        timestamp = _corrected(arrived, sent_at - original) or timestamp
    return original, min(timestamp, received_at), received_at


def _corrected(received_at: datetime, since: timedelta) -> datetime | None:
    try:
        return received_at - since
    except OverflowError:
        return None


def _instant(value: object, field: str) -> datetime | None:
    if value == "":
        return None
    instant = parse_instant(value)
    if instant is None:
        reason = f"{field} {value!r} is no time; send ISO 8601, or Unix seconds or milliseconds"
        raise _refusal(code="bad-timestamp", field=field, reason=reason)
    return instant
