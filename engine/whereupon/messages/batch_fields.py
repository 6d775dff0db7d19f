"""Fields that a ``batch`` body says for those of its messages that do not say them themselves."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from pydantic import JsonValue

from whereupon.errors import MessageRejectedError
from whereupon.messages.codec import JsonError, decode, decode_leniently, encode
from whereupon.messages.envelope import Envelope, Object, Opened, as_text, object_in, own_object
from whereupon.messages.json_scan import is_deep
from whereupon.messages.limits import MAX_MESSAGE_BYTES, check_size, too_deep, too_large
from whereupon.messages.repairs import Remark


class Inherited(NamedTuple):
    """What messages inherit from the bodies around them.

    Attributes:
        fault: why none of the messages can be read, if these fields cannot be.
    """

    sent_at: JsonValue = None
    received_at: JsonValue = None
    context: Object | None = None
    remarks: tuple[Remark, ...] = ()
    fault: MessageRejectedError | None = None


NOTHING = Inherited()
_NAMES = ("sentAt", "receivedAt", "context")
_LONGEST_HINT = 100
"""Bytes; a longer time is left to the field alone and not put into the text."""


def said_in(envelope: Envelope) -> Object:
    """The fields of a batch body that its messages inherit."""
    context = decode(bytes(envelope.context) or b"null")
    return {"sentAt": envelope.sent_at, "receivedAt": envelope.received_at, "context": context}


def inherited_from(body: Mapping[str, object], outer: Inherited) -> Inherited:
    """What the messages of a body inherit: its own fields, and then those of the body around it."""
    said = {name: body[name] for name in _NAMES if body.get(name) is not None}
    if not said:
        return outer
    try:
        text, remarks = as_text(said)
    except MessageRejectedError as error:
        return outer._replace(fault=error)
    if is_deep(text):
        return outer._replace(fault=too_deep())
    if len(text) > MAX_MESSAGE_BYTES:
        return outer._replace(fault=too_large(len(text)))
    plain = decode(text)
    own = plain if isinstance(plain, dict) else {}
    context = own.get("context")
    if isinstance(context, dict):
        context = {**(outer.context or {}), **context}
    return Inherited(
        own.get("sentAt", outer.sent_at),
        own.get("receivedAt", outer.received_at),
        context if isinstance(context, dict) else outer.context,
        outer.remarks + remarks,
        outer.fault,
    )


def inherited_from_pieces(pieces: Mapping[str, bytes], outer: Inherited) -> Inherited:
    """The same for a body that is not strict JSON, by its members unread."""
    said: dict[str, object] = {}
    for name in _NAMES:
        piece = pieces.get(name, b"null")
        if is_deep(piece):
            return outer._replace(fault=too_deep())
        try:
            said[name] = decode_leniently(piece)
        except JsonError as error:
            reason = f"{name} is no JSON: {error}"
            fault = MessageRejectedError(code="bad-json", field=name, reason=reason)
            return outer._replace(fault=fault)
    return inherited_from(said, outer)


def with_inherited(opened: Opened, inherited: Inherited) -> Opened:
    """The message with the fields that it inherits; its own fields win."""
    if inherited is NOTHING:
        return opened
    if inherited.fault is not None:
        raise inherited.fault
    envelope, text, remarks, _ = opened
    own = own_object(envelope.context)
    if inherited.context is not None and own is not None:
        context = {**inherited.context, **own}
        text = encode({**object_in(text), "context": context})
        check_size(len(text))
        envelope.context = msgspec.Raw(encode(context))
        remarks += inherited.remarks
    hints: Object = {}
    if inherited.sent_at is not None and envelope.sent_at is None:
        envelope.sent_at = hints["sentAt"] = inherited.sent_at
    if inherited.received_at is not None and envelope.received_at is None:
        envelope.received_at = hints["receivedAt"] = inherited.received_at
    whole = _with_hints(text, hints)
    return Opened(envelope, whole, remarks, max(0, len(whole) - len(opened.text)))


def _with_hints(text: bytes, hints: Object) -> bytes:
    """A message with further members, which come before its own of that name."""
    short = {name: hint for name, hint in hints.items() if len(encode(hint)) <= _LONGEST_HINT}
    if not short:
        return text
    before = text[:-1].rstrip()
    return before + (b"" if before.endswith(b"{") else b",") + encode(short)[1:]
