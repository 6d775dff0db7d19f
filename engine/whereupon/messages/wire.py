"""The wire form of messages: what is accepted, how it is read, and every refusal.

Sources of the rules: the Segment spec's common fields; the limits and junk ids are those in
circulation among the hosted products. Every refusal has a stable code and a sentence naming the
field. A field that a message can do without, such as a second id or a hint about clocks, costs only
itself where it cannot be read, and a remark says so; nothing else is guessed or changed.

A message is read from its JSON text, and only the fields that every message needs: its properties,
traits and context stay text until they are asked for (`body_data`). An id or a name that was found sound once
is not looked at again (`Sound`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

import msgspec

from whereupon.errors import MessageRejectedError
from whereupon.messages.codec import decode
from whereupon.messages.envelope import NOWHERE, Envelope, Opened, is_empty_list, open_one
from whereupon.messages.model import NAMED, Message, MessageType, Origin, SenderClass
from whereupon.messages.repairs import MOST_QUOTED, Remark, quoted
from whereupon.messages.times import parse_instant

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

OF_NOBODY = frozenset(("Report Delivery Event", "Report Content Event"))
"""Events that need neither id: what they report of says whose it is."""

Sound: TypeAlias = dict[object, str]
"""Texts that were found sound, so that each is looked at once; forgotten when they are many."""

_TYPES: dict[object, MessageType] = {type_.value: type_ for type_ in MessageType}
_LONGEST_JUNK = max(map(len, JUNK_IDS))
_MOST_SOUND = 10_000


@dataclass(slots=True)
class Arrival:
    """How and when messages come in.

    Attributes:
        received_at: when, unless `by_message` says that the message itself tells; then not before.
        new_id: gives an id to a message that carries none.
        by_message: a stream: the message's own ``receivedAt``, or else its time, is the arrival, unless
            `all_at_once` (an import).
        ids, names: those that were found sound.
    """

    received_at: datetime
    source: SenderClass
    new_id: Callable[[], str]
    origin: Origin = Origin.LIVE
    by_message: bool = False
    all_at_once: bool = False
    ids: Sound = field(default_factory=dict)
    names: Sound = field(default_factory=dict)


def parse_message(raw: object, arrival: Arrival) -> Message:
    """Read one message from its JSON text or its value; raises `MessageRejectedError`.

    Unknown fields are normal, and are kept in the body; nulls are as good as absent.
    """
    return message_in(open_one(raw), arrival)


def message_in(opened: Opened, arrival: Arrival) -> Message:
    """The message that was opened; raises `MessageRejectedError`."""
    envelope, text, remarks, _ = opened
    said = envelope.type
    type_ = _TYPES.get(said) if said.__class__ is str else None
    if type_ is None:
        type_ = _odd_type(said)
    left_out = list[Remark]()
    user_id, anonymous_id = _ids(envelope, type_, arrival.ids, left_out)
    name, target_id = "", None
    if type_ in NAMED:
        name = _name(envelope, type_, arrival.names)
        _check_object(envelope.properties, "properties")
    else:
        _check_object(envelope.traits, "traits")
        target_id = _target(envelope, type_, user_id, arrival.ids)
    _check_object(envelope.context, "context")
    original, timestamp, received_at = _timestamps(envelope, arrival, left_out)
    return Message(
        _message_id(envelope.message_id) or arrival.new_id(),
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
        remarks=(*remarks, *left_out) if left_out else remarks,
    )


def _refusal(*, code: str, field: str, reason: str) -> MessageRejectedError:
    return MessageRejectedError(code=code, field=field, reason=reason)


def _odd_type(said: object) -> MessageType:
    """A type that is spelt in another case."""
    known = _TYPES.get(said.strip().casefold()) if isinstance(said, str) else None
    if known is not None:
        return known
    there_are = f"type is one of {', '.join(MessageType)}"
    if said is None:
        raise _refusal(code="missing-type", field="type", reason=f"type is missing; {there_are}")
    raise _refusal(code="unknown-type", field="type", reason=there_are)


def _check_object(part: msgspec.Raw, field: str) -> None:
    if part is NOWHERE:
        return
    text = bytes(part)
    if text[:1] != b"{" and text != b"null" and not is_empty_list(text):
        raise _refusal(code="bad-field", field=field, reason=f"{field} is an object")


def _ids(
    envelope: Envelope, type_: MessageType, sound: Sound, left_out: list[Remark]
) -> tuple[str | None, str | None]:
    """The user id and the anonymous id; one that cannot be used is left out where the other can."""
    user_id = anonymous_id = None
    faults: list[MessageRejectedError] = []
    if (value := envelope.user_id) is not None:
        user_id = sound.get(value) if value.__class__ is str else None
        user_id = user_id or _tried(value, "userId", sound, faults)
    if faults and type_ is MessageType.ALIAS:
        raise faults[0]
    if (value := envelope.anonymous_id) is not None:
        anonymous_id = sound.get(value) if value.__class__ is str else None
        anonymous_id = anonymous_id or _tried(value, "anonymousId", sound, faults)
    if user_id is None and anonymous_id is None and not _is_of_nobody(envelope.event):
        reason = "a userId or an anonymousId is required"
        raise (*faults, _refusal(code="missing-id", field="userId", reason=reason))[0]
    left_out += [_left_out(fault) for fault in faults]
    return user_id, anonymous_id


def _is_of_nobody(event: object) -> bool:
    return isinstance(event, str) and event in OF_NOBODY


def _tried(
    said: object, field: str, sound: Sound, faults: list[MessageRejectedError]
) -> str | None:
    try:
        return _identifier(said, field, sound)
    except MessageRejectedError as fault:
        faults.append(fault)
        return None


def _left_out(fault: MessageRejectedError) -> Remark:
    return Remark(fault.code, f"{fault.field} was left out: {fault.reason}")


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
    """An id, without the space around it; None where there is none."""
    value = _text(said, field)
    trimmed = value.strip() if value is not None else ""
    if not trimmed:
        return None
    if len(trimmed) <= _LONGEST_JUNK and (junk := trimmed.casefold()) in JUNK_IDS:
        reason = f"{field} {junk!r} names nobody; send a real id, or none"
        raise _refusal(code="junk-id", field=field, reason=reason)
    if len(trimmed) > MAX_ID_BYTES // 4 and _bytes(trimmed) > MAX_ID_BYTES:
        reason = f"{field} is over {MAX_ID_BYTES} bytes"
        raise _refusal(code="id-too-long", field=field, reason=reason)
    if "\0" in trimmed:
        raise _nul(field=field)
    return _remembered(trimmed, sound)


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
    trimmed = value.strip()
    if len(trimmed) > MAX_MESSAGE_ID_CHARACTERS:
        reason = f"messageId is over {MAX_MESSAGE_ID_CHARACTERS} characters"
        raise _refusal(code="message-id-too-long", field="messageId", reason=reason)
    if "\0" in trimmed:
        raise _nul(field="messageId")
    return trimmed


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


def _timestamps(
    envelope: Envelope, arrival: Arrival, left_out: list[Remark]
) -> tuple[datetime | None, datetime, datetime]:
    """The original time, the corrected one, and the arrival.

    ``timestamp`` is corrected by whoever wrote it. Where there is none, the corrected time is received -
    (sent - original) if all three are known, else the original, else the arrival; it is never after the
    arrival. What a collector before us received counts as received.
    """
    said = original = sent_at = arrived = None
    faults: list[MessageRejectedError] = []
    if envelope.timestamp is not None:
        said = _read_time(envelope.timestamp, "timestamp", faults)
    if envelope.original_timestamp is not None:
        original = _read_time(envelope.original_timestamp, "originalTimestamp", faults)
    if faults and said is None and original is None:
        raise faults[0]
    if envelope.sent_at is not None:
        sent_at = _read_time(envelope.sent_at, "sentAt", faults)
    if envelope.received_at is not None:
        arrived = _read_time(envelope.received_at, "receivedAt", faults)
    left_out += [_left_out(fault) for fault in faults]
    received_at, arrived = _arrived(arrival, arrived, said or original)
    timestamp = said or original or received_at
    if said is None and original is not None and sent_at is not None and arrived is not None:
        timestamp = _corrected(arrived, sent_at - original) or timestamp
    return original or said, min(timestamp, received_at), received_at


def _arrived(
    arrival: Arrival, said: datetime | None, happened: datetime | None
) -> tuple[datetime, datetime | None]:
    """When a message arrived here, and when it did wherever that is known to correct its clock."""
    received_at = arrival.received_at
    if not arrival.by_message:
        return received_at, min(said or received_at, received_at)
    if arrival.all_at_once:
        return received_at, said
    return max(said or happened or received_at, received_at), said


def _corrected(received_at: datetime, since: timedelta) -> datetime | None:
    try:
        return received_at - since
    except OverflowError:
        return None


def _read_time(value: object, field: str, faults: list[MessageRejectedError]) -> datetime | None:
    """A time; one that is none is the fault of a message that says no other."""
    instant = parse_instant(value)
    if instant is None and value != "":
        shown = f" {quoted(value, MOST_QUOTED)!r}" if isinstance(value, str) else ""
        reason = f"{field}{shown} is no time; send ISO 8601, or a Unix time"
        faults.append(_refusal(code="bad-timestamp", field=field, reason=reason))
    return instant
