"""The wire form of messages: which are accepted, how they are read, and every rejection.

The rules are those of the Segment spec's common fields. The limits and the junk ids are those that hosted
products use. Every rejection has a stable code and a sentence that names the field. A field that a message
does not need, such as a second id or the time of sending, is left out if it cannot be read, and a remark
says so. Nothing else is guessed or changed.

A message of the usual form comes with its properties and traits decoded (`usual_form`). Those of any other stay
text until they are accessed (`body_data`), as the context does. An id or a name that was found valid is not
checked again (`ValidTexts`).
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, TypeAlias

import msgspec

from whereupon.errors import MessageRejectedError
from whereupon.messages.arrival import Arrival, Validated, ValidTexts, as_valid
from whereupon.messages.codec import decode
from whereupon.messages.envelope import Envelope, Members, Opened, is_empty_list
from whereupon.messages.model import NAMED, Message, MessageType
from whereupon.messages.repairs import Remark
from whereupon.messages.size_limits import MAX_MESSAGE_ID_CHARACTERS
from whereupon.messages.timestamps import omission, timestamps
from whereupon.messages.usual_form import open_one

MAX_NAME_BYTES = 100
MAX_ID_BYTES = 150

JUNK_IDS = frozenset(
    (
        *("", "null", "undefined", "none", "nil", "nan", "0", "true", "false", "anonymous"),
        *("guest", "distinct_id", "id", "email", "user", "not_authenticated", "[object object]"),
        *("00000000-0000-0000-0000-000000000000", "00000000000000000000000000000000"),
    )
)

WITHOUT_PERSON = frozenset(
    (
        *("Report Delivery Event", "Report Content Event"),
        *("Object Created or Updated", "Delete Object", "Object Deleted"),
    )
)
"""Events that need neither id: a delivery or content has a person already, and an object has none of its own."""

_TYPES: dict[object, MessageType] = {type_.value: type_ for type_ in MessageType}
_TRACK, _IDENTIFY = MessageType.TRACK, MessageType.IDENTIFY
_from_iso = datetime.fromisoformat
_LONGEST_JUNK = max(map(len, JUNK_IDS))

Row: TypeAlias = tuple[Envelope, bytes, tuple[Remark, ...]]
"""Of an opened message: its fields, its text and its repairs."""

NO_ENVELOPE: Final = Envelope()
"""Stands in a row for what could not be opened, or is not of the usual form; `usual_messages` ends there."""


def parse_message(raw: object, arrival: Arrival) -> Message:
    """Read one message from JSON text or from a Python value; raises `MessageRejectedError`.

    Unknown fields are accepted, and are kept in the body. A null field counts as absent.
    """
    return message_in(open_one(raw), arrival)


def message_in(opened: Opened, arrival: Arrival) -> Message:
    """Read an opened message; raises `MessageRejectedError`."""
    row = (opened.envelope, opened.text, opened.remarks)
    usual = usual_messages((row,), arrival)
    return usual[0] if usual else checked_message(opened, arrival)


def usual_messages(rows: Iterable[Row], arrival: Arrival) -> list[Message]:
    """The messages of opened ones, up to the first that needs `checked_message`: to be rejected, or for a remark.

    It is one function, and written for speed; `checked_message` makes the same messages of the same fields. The row
    that ends it is taken, too, so an iterator goes on behind it.
    """
    made: list[Message] = []
    add, ids, names = made.append, arrival.valid.ids, arrival.valid.names
    received_at, source, origin = arrival.received_at, arrival.source, arrival.origin
    says_arrival = arrival.by_message and not arrival.all_at_once
    omissions: list[Remark] = []
    data: msgspec.Raw | Members | None
    legible = None
    for envelope, text, remarks in rows:
        type_, message_id = envelope.type, envelope.message_id
        user, device = envelope.user_id, envelope.anonymous_id
        written, sent_at = envelope.timestamp, envelope.sent_at
        needs_no_correction = envelope.original_timestamp is envelope.received_at is None
        try:
            user = user if user is None or user in ids else _identifier(user, "userId", ids)
            device = (
                device
                if device is None or device in ids
                else _identifier(device, "anonymousId", ids)
            )
            if type_ is _TRACK:  # so it is a `UsualEnvelope`, as with any `MessageType`
                name = names.get(envelope.event) or _name(envelope, type_, names)
                target_id, data = None, envelope.properties or None
            elif type_.__class__ is MessageType:
                name, target_id, data = _by_type(envelope, type_, user, arrival.valid)
            else:
                break
            if needs_no_correction and (sent_at is None or sent_at is legible):
                happened = None if written is None else _from_iso(written)
                moment = happened or received_at
                is_past = moment <= received_at
                arrived = received_at if is_past or not says_arrival else moment
                timestamp = moment if is_past else arrived
            else:
                happened, timestamp, arrived = timestamps(envelope, arrival, omissions)
                legible = sent_at  # the same object in all messages of a body
        except (MessageRejectedError, ValueError, TypeError):
            break
        if (
            (happened is not None and happened.tzinfo is not UTC)
            or (user is None and device is None)
            or (message_id is not None and ("\0" in message_id or message_id.strip() != message_id))
            or omissions
        ):
            break
        arrival.received_at = received_at = arrived
        add(
            Message(
                message_id or arrival.new_id(),
                type_,
                name,
                user,
                device,
                target_id,
                timestamp,
                arrived,
                happened,
                source,
                origin,
                text,
                0,
                remarks,
                data,  # type: ignore[arg-type]  # decoded, as of a `UsualEnvelope`
            )
        )
    return made


def checked_message(opened: Opened, arrival: Arrival) -> Message:
    """Read any opened message; raises `MessageRejectedError`."""
    envelope, remarks = opened.envelope, opened.remarks
    type_ = envelope.type
    if type_.__class__ is not MessageType:
        type_ = (_TYPES.get(type_) if type_.__class__ is str else None) or _odd_type(type_)
    omissions: list[Remark] = []
    user_id, anonymous_id = _ids(envelope, type_, arrival.valid.ids, omissions)
    name, target_id, data = _by_type(envelope, type_, user_id, arrival.valid)
    _object(envelope.context, "context")
    original, timestamp, received_at = timestamps(envelope, arrival, omissions)
    message_id = _message_id(envelope.message_id) or arrival.new_id()
    arrival.received_at = received_at
    return Message(
        message_id,
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
        opened.text,
        0,
        (*remarks, *omissions) if omissions else remarks,
        data,
    )


def _rejection(*, code: str, field: str, reason: str) -> MessageRejectedError:
    return MessageRejectedError(code=code, field=field, reason=reason)


def _odd_type(value: object) -> MessageType:
    """A type that is spelt in another case."""
    known = _TYPES.get(value.strip().casefold()) if isinstance(value, str) else None
    if known is not None:
        return known
    there_are = f"type must be one of {', '.join(MessageType)}"
    if value is None:
        raise _rejection(code="missing-type", field="type", reason=f"type is missing; {there_are}")
    raise _rejection(code="unknown-type", field="type", reason=there_are)


def _object(part: msgspec.Raw | Members | None, field: str) -> Members | None:
    """The object of a field, if it is decoded and not empty. Rejects text that is not an object."""
    if not isinstance(part, msgspec.Raw):
        return part or None
    text = bytes(part)
    if text[:1] != b"{" and text not in {b"", b"null"} and not is_empty_list(text):
        raise _rejection(code="bad-field", field=field, reason=f"{field} must be an object")
    return None


def _by_type(
    envelope: Envelope, type_: MessageType, user_id: str | None, valid: Validated
) -> tuple[str, str | None, Members | None]:
    """What depends on the type of a message: its name, its target, and its properties or traits if they are decoded."""
    if type_ in NAMED:
        name = _name(envelope, type_, valid.names)
        return name, None, _object(envelope.properties, "properties")
    traits = _object(envelope.traits, "traits")
    return "", _target(envelope, type_, user_id, valid.ids), traits


def _ids(
    envelope: Envelope, type_: MessageType, valid: ValidTexts, omissions: list[Remark]
) -> tuple[str | None, str | None]:
    """The user id and the anonymous id; an invalid one is left out if the other is valid."""
    user_id = anonymous_id = None
    faults: list[MessageRejectedError] = []
    if (value := envelope.user_id) is not None:
        user_id = valid.get(value) if value.__class__ is str else None
        user_id = user_id or _identifier_or_fault(value, "userId", valid, faults)
    if faults and type_ is MessageType.ALIAS:
        raise faults[0]
    if (value := envelope.anonymous_id) is not None:
        anonymous_id = valid.get(value) if value.__class__ is str else None
        anonymous_id = anonymous_id or _identifier_or_fault(value, "anonymousId", valid, faults)
    if user_id is None and anonymous_id is None and not _needs_no_id(envelope.event):
        reason = "a userId or an anonymousId is required"
        raise (*faults, _rejection(code="missing-id", field="userId", reason=reason))[0]
    omissions += [omission(fault) for fault in faults]
    return user_id, anonymous_id


def _needs_no_id(event: object) -> bool:
    return isinstance(event, str) and event in WITHOUT_PERSON


def _identifier_or_fault(
    value: object, field: str, valid: ValidTexts, faults: list[MessageRejectedError]
) -> str | None:
    try:
        return _identifier(value, field, valid)
    except MessageRejectedError as fault:
        faults.append(fault)
        return None


def _text(value: object, field: str) -> str | None:
    """The text of an id; the digits of a number."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _rejection(
            code="bad-field", field=field, reason=f"{field} must be a text or a number"
        )
    return digits_of(value)


def digits_of(number: float) -> str:
    """A number in place of an id, as text; 5.0 becomes ``5``."""
    whole = isinstance(number, float) and number.is_integer() and abs(number) < 2**53
    return str(int(number)) if whole else str(number)


def _identifier(value: object, field: str, valid: ValidTexts) -> str | None:
    """An id without the spaces around it; None if there is no id."""
    text = _text(value, field)
    trimmed = text.strip() if text is not None else ""
    if not trimmed:
        return None
    if len(trimmed) <= _LONGEST_JUNK and (junk := trimmed.casefold()) in JUNK_IDS:
        reason = f"{field} {junk!r} is a placeholder, not an id; send a real id, or none"
        raise _rejection(code="junk-id", field=field, reason=reason)
    if len(trimmed) > MAX_ID_BYTES // 4 and _bytes(trimmed) > MAX_ID_BYTES:
        reason = f"{field} is longer than {MAX_ID_BYTES} bytes"
        raise _rejection(code="id-too-long", field=field, reason=reason)
    if "\0" in trimmed:
        raise _nul(field=field)
    return as_valid(trimmed, valid)


def _nul(*, field: str) -> MessageRejectedError:
    return _rejection(code="bad-character", field=field, reason=f"{field} contains a NUL character")


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _message_id(value: object) -> str | None:
    text = value if isinstance(value, str) else _text(value, "messageId")
    if text is None:
        return None
    trimmed = text.strip()
    if len(trimmed) > MAX_MESSAGE_ID_CHARACTERS:
        reason = f"messageId is longer than {MAX_MESSAGE_ID_CHARACTERS} characters"
        raise _rejection(code="message-id-too-long", field="messageId", reason=reason)
    if "\0" in trimmed:
        raise _nul(field="messageId")
    return trimmed


def _name(envelope: Envelope, type_: MessageType, valid: ValidTexts) -> str:
    """The name of a track, page or screen. The name of a page or screen may be empty."""
    if type_ is MessageType.TRACK:
        field, name = "event", envelope.event
    else:
        field, name = "name", envelope.name or _page_name(envelope.properties)
    known = valid.get(name) if name.__class__ is str else None
    if known is not None:
        return known
    if type_ is MessageType.TRACK and (
        name is None or (isinstance(name, str) and not name.strip())
    ):
        raise _rejection(
            code="missing-event", field=field, reason="a track message needs an event name"
        )
    if not isinstance(name, str):
        raise _rejection(code="bad-event", field=field, reason=f"{field} must be a text")
    if _bytes(name) > MAX_NAME_BYTES:
        raise _rejection(
            code="name-too-long",
            field=field,
            reason=f"{field} is longer than {MAX_NAME_BYTES} bytes",
        )
    if "\0" in name:
        raise _nul(field=field)
    return as_valid(name, valid) if name.strip() else name


def _page_name(properties: msgspec.Raw | Members | None) -> str:
    """The name of a page in its properties, where browser clients may write it (Segment spec, Page)."""
    read = (
        decode(bytes(properties) or b"null") if isinstance(properties, msgspec.Raw) else properties
    )
    name = read.get("name") if isinstance(read, dict) else None
    return name if isinstance(name, str) else ""


def _target(
    envelope: Envelope, type_: MessageType, user_id: str | None, valid: ValidTexts
) -> str | None:
    if type_ is MessageType.ALIAS:
        if user_id is None:
            raise _rejection(
                code="missing-id", field="userId", reason="an alias needs the userId that survives"
            )
        return _required(envelope.previous_id, "previousId", valid)
    if type_ is MessageType.GROUP:
        return _required(envelope.group_id, "groupId", valid)
    return None


def _required(value: object, field: str, valid: ValidTexts) -> str:
    identifier = _identifier(value, field, valid)
    if identifier is None:
        raise _rejection(code="missing-id", field=field, reason=f"{field} is required here")
    return identifier
