"""The wire form of messages: what is accepted, how it is read, and every refusal.

Sources of the rules: the Segment spec's common fields; the limits and junk ids are those in
circulation among the hosted products. Every refusal has a stable code and a sentence naming the
field. Nothing is guessed: what cannot be read is refused, never changed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic.alias_generators import to_camel

from whereupon.codec import JsonError, decode, encode
from whereupon.errors import MessageRejectedError
from whereupon.messages import Message, MessageType, Origin, Source
from whereupon.times import parse_instant

MAX_MESSAGE_BYTES = 32 * 1024
MAX_BATCH_BYTES = 500 * 1024
MAX_BATCH_MESSAGES = 2_500
MAX_NAME_BYTES = 100
MAX_MESSAGE_ID_CHARACTERS = 100
MAX_ID_BYTES = 150

JUNK_IDS = frozenset(
    (
        *("", "null", "undefined", "none", "nil", "nan", "0", "true", "false", "anonymous"),
        *("guest", "distinct_id", "id", "email", "user", "not_authenticated", "[object object]"),
        *("00000000-0000-0000-0000-000000000000", "00000000000000000000000000000000"),
    )
)

_NAMED = frozenset({MessageType.TRACK, MessageType.PAGE, MessageType.SCREEN})

Id = Annotated[str, Field(coerce_numbers_to_str=True)]
Time = str | Annotated[float, Field(strict=True)] | None
Object = dict[str, JsonValue]


class WireMessage(BaseModel):
    """One message as it is sent: camelCase, nulls anywhere, ids as text or numbers.

    Unknown fields are normal and are left aside.
    """

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")

    type: MessageType
    message_id: Id | None = None
    user_id: Id | None = None
    anonymous_id: Id | None = None
    previous_id: Id | None = None
    group_id: Id | None = None
    event: str | None = None
    name: str | None = None
    timestamp: Time = None
    original_timestamp: Time = None
    sent_at: Time = None
    received_at: Time = None
    properties: dict[str, object] | None = None
    traits: dict[str, object] | None = None
    context: dict[str, object] | None = None


@dataclass(slots=True)
class Arrival:
    """How and when messages come in.

    Attributes:
        received_at: when, unless `by_message` says that the message itself tells; then not before.
        new_id: gives an id to a message that carries none.
        by_message: a stream: only the message's own ``receivedAt`` corrects the sender's clock; and it,
            or else the message's time, is the arrival, unless `all_at_once` (an import).
        size: bytes on the wire, where known; else the size of its JSON counts.
    """

    received_at: datetime
    source: Source
    new_id: Callable[[], str]
    origin: Origin = Origin.LIVE
    by_message: bool = False
    all_at_once: bool = False
    size: int = 0


def parse_message(raw: JsonValue, arrival: Arrival) -> Message:
    """Read one message from its wire form; raises `MessageRejectedError`.

    ``raw`` must hold JSON values only (see `as_json`).
    """
    try:
        wire = WireMessage.model_validate(raw)
    except ValidationError as error:
        raise _rejection(error) from error
    user_id = _identifier(wire.user_id, "userId")
    anonymous_id = _identifier(wire.anonymous_id, "anonymousId")
    if user_id is None and anonymous_id is None:
        raise MessageRejectedError(
            code="missing-id", field="userId", reason="a userId or an anonymousId is required"
        )
    original, timestamp, received_at = _timestamps(wire, arrival)
    data = (wire.traits if wire.type not in _NAMED else wire.properties) or {}
    context = wire.context or {}
    return Message(
        message_id=_message_id(wire.message_id, arrival),
        type=wire.type,
        name=_name(wire),
        user_id=user_id,
        anonymous_id=anonymous_id,
        target_id=_target(wire),
        timestamp=timestamp,
        received_at=received_at,
        original_timestamp=original,
        source=arrival.source,
        origin=arrival.origin,
        data=cast("Object", data),
        context=cast("Object", context),  # JSON by the caller's word; looking again is slow
        body=_body(wire.type, data, context, arrival.size),
    )


def as_json(value: object) -> JsonValue:
    """Turn the host's Python values into plain JSON values; raises `MessageRejectedError`."""
    try:
        return decode(encode(value))
    except JsonError as error:
        raise MessageRejectedError(
            code="not-json",
            field="message",
            reason=f"the message cannot be written as JSON: {error}",
        ) from error


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
        whole = {"sentAt": sent_at, **item} if sent_at is not None else dict(item)
        if isinstance(context, dict):
            own = whole.get("context")
            whole["context"] = {**context, **own} if isinstance(own, dict) else context
        yield whole


def read_body(message_type: MessageType, body: bytes) -> tuple[Object, Object]:
    """The data and context of a stored body."""
    stored = decode(body)
    if not isinstance(stored, dict):
        return {}, {}
    data = stored.get(_data_key(message_type))
    context = stored.get("context")
    return (data if isinstance(data, dict) else {}, context if isinstance(context, dict) else {})


def _data_key(message_type: MessageType) -> str:
    return "properties" if message_type in _NAMED else "traits"


def stored_body(
    message_type: MessageType, data: Mapping[str, object], context: Mapping[str, object]
) -> bytes:
    """Data and context as the store keeps them; raises `JsonError`."""
    key = _data_key(message_type)
    return encode({key: data, "context": context} if context else {key: data})


def _body(
    message_type: MessageType, data: Mapping[str, object], context: Mapping[str, object], size: int
) -> bytes:
    try:
        body = stored_body(message_type, data, context)
    except JsonError as error:
        raise MessageRejectedError(
            code="not-json", field="properties", reason=f"the properties are no JSON: {error}"
        ) from error
    if max(len(body), size) > MAX_MESSAGE_BYTES:
        raise MessageRejectedError(
            code="message-too-large",
            field="properties",
            reason=f"the message has {max(len(body), size)} bytes; {MAX_MESSAGE_BYTES} are allowed",
        )
    return body


def _identifier(value: str | None, field: str) -> str | None:
    if value is None:
        return None
    trimmed = value.strip()
    if trimmed.casefold() in JUNK_IDS:
        if not trimmed:
            return None
        raise MessageRejectedError(
            code="junk-id",
            field=field,
            reason=f"{field} {value!r} names nobody; send a real id, or none",
        )
    if "\0" in value:
        raise MessageRejectedError(
            code="bad-character", field=field, reason=f"{field} contains a NUL character"
        )
    if len(value) > MAX_ID_BYTES // 4 and len(value.encode("utf-8", "replace")) > MAX_ID_BYTES:
        raise MessageRejectedError(
            code="id-too-long", field=field, reason=f"{field} is over {MAX_ID_BYTES} bytes"
        )
    return value


def _message_id(value: str | None, arrival: Arrival) -> str:
    if not value:
        return arrival.new_id()
    if "\0" in value:
        raise MessageRejectedError(
            code="bad-character", field="messageId", reason="messageId contains a NUL character"
        )
    if len(value) > MAX_MESSAGE_ID_CHARACTERS:
        raise MessageRejectedError(
            code="message-id-too-long",
            field="messageId",
            reason=f"messageId is over {MAX_MESSAGE_ID_CHARACTERS} characters",
        )
    return value


def _name(wire: WireMessage) -> str:
    if wire.type is MessageType.TRACK:
        name = wire.event
        if not name or not name.strip():
            raise MessageRejectedError(
                code="missing-event", field="event", reason="a track message needs an event name"
            )
    elif wire.type in _NAMED:
        name = wire.name or _page_name(wire)
    else:
        return ""
    if "\0" in name:
        raise MessageRejectedError(
            code="bad-character", field="event", reason="the name contains a NUL character"
        )
    if len(name) > MAX_NAME_BYTES // 4 and len(name.encode("utf-8", "replace")) > MAX_NAME_BYTES:
        raise MessageRejectedError(
            code="name-too-long", field="event", reason=f"the name is over {MAX_NAME_BYTES} bytes"
        )
    return name


def _page_name(wire: WireMessage) -> str:
    """Browser clients may name a page in its properties only (Segment spec, Page)."""
    name = (wire.properties or {}).get("name")
    return name if isinstance(name, str) else ""


def _target(wire: WireMessage) -> str | None:
    if wire.type is MessageType.ALIAS:
        if wire.user_id is None:
            raise MessageRejectedError(
                code="missing-id", field="userId", reason="an alias needs the userId that survives"
            )
        return _required(wire.previous_id, "previousId")
    if wire.type is MessageType.GROUP:
        return _required(wire.group_id, "groupId")
    return None


def _required(value: str | None, field: str) -> str:
    checked = _identifier(value, field)
    if checked is None:
        raise MessageRejectedError(
            code="missing-id", field=field, reason=f"{field} is required here"
        )
    return checked


def _timestamps(wire: WireMessage, arrival: Arrival) -> tuple[datetime | None, datetime, datetime]:
    """The original time, the corrected one, and the arrival.

    Corrected is received - (sent - original) where all three are there, else what was sent, else the
    arrival; and never after the arrival.
    """
    said = _instant(wire.timestamp, "timestamp")
    original = _instant(wire.original_timestamp, "originalTimestamp") or said
    sent_at = _instant(wire.sent_at, "sentAt")
    received_at: datetime = arrival.received_at
    arrived: datetime | None = received_at
    if arrival.by_message:
        arrived = _instant(wire.received_at, "receivedAt")
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


def _instant(value: str | float | None, field: str) -> datetime | None:
    if value is None or value == "":
        return None
    instant = parse_instant(value)
    if instant is None:
        raise MessageRejectedError(
            code="bad-timestamp",
            field=field,
            reason=f"{field} {value!r} is no time; send ISO 8601, or Unix seconds or milliseconds",
        )
    return instant


_CODES = {"type": "unknown-type", "event": "bad-event", "name": "bad-event"}


def _rejection(error: ValidationError) -> MessageRejectedError:
    """Say of pydantic's first finding which field is at fault and what is accepted there."""
    finding = error.errors(include_url=False, include_input=False)[0]
    if not finding["loc"]:
        return MessageRejectedError(
            code="not-an-object", field="message", reason="a message is a JSON object"
        )
    field = str(finding["loc"][0])
    if field == "type" and finding["type"] == "missing":
        return MessageRejectedError(
            code="missing-type", field=field, reason="type is missing; " + _TYPES
        )
    reason = _TYPES if field == "type" else f"{field}: {finding['msg']}"
    code = _CODES.get(field) or ("bad-timestamp" if field in _TIMES else "bad-field")
    return MessageRejectedError(code=code, field=field, reason=reason)


_TYPES = f"type is one of {', '.join(MessageType)}"
_TIMES = frozenset({"timestamp", "originalTimestamp", "sentAt"})
