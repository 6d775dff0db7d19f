"""Fields of a ``batch`` body that its messages inherit, unless they have such a field themselves."""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import msgspec
from pydantic import JsonValue

from whereupon.errors import MessageRejectedError
from whereupon.messages.codec import JsonError, decode, decode_leniently, encode
from whereupon.messages.envelope import Envelope, Members, Opened, as_text, object_in, own_object
from whereupon.messages.json_scan import is_deep
from whereupon.messages.repairs import Remark
from whereupon.messages.size_limits import MAX_MESSAGE_BYTES, check_size, too_deep, too_large

_Ends: TypeAlias = tuple[bytes, bytes, bytes, bytes]


class Inherited(NamedTuple):
    """The fields that a message inherits from the batch bodies around it.

    Attributes:
        fault: the rejection of every message of the body, if these fields cannot be read.
        ends: what a message's text ends with if it lacks nothing, the time of sending, that of receipt, or both. Members
            at its end win over those before them.
    """

    sent_at: JsonValue = None
    received_at: JsonValue = None
    context: Members | None = None
    remarks: tuple[Remark, ...] = ()
    fault: MessageRejectedError | None = None
    ends: _Ends = (b"", b"", b"", b"")


NOTHING = Inherited()
_NAMES = ("sentAt", "receivedAt", "context")
_LONGEST_HINT = 100
"""Bytes. A longer time is set in the envelope alone, and is not written into the text."""


def inheritable_fields(envelope: Envelope) -> Members:
    """The fields of a batch body that its messages inherit."""
    context = decode(bytes(envelope.context) or b"null")
    return {"sentAt": envelope.sent_at, "receivedAt": envelope.received_at, "context": context}


def inherited_from(body: Mapping[str, object], outer: Inherited) -> Inherited:
    """The fields that the messages of a body inherit: its own, then those of the body around it."""
    given = {name: body[name] for name in _NAMES if body.get(name) is not None}
    if not given:
        return outer
    try:
        text, remarks = as_text(given)
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
    sent_at = own.get("sentAt", outer.sent_at)
    received_at = own.get("receivedAt", outer.received_at)
    return Inherited(
        sent_at,
        received_at,
        context if isinstance(context, dict) else outer.context,
        outer.remarks + remarks,
        outer.fault,
        _ends(sent_at, received_at),
    )


def _ends(sent_at: JsonValue, received_at: JsonValue) -> _Ends:
    sent, received = _member("sentAt", sent_at), _member("receivedAt", received_at)
    return b"", _end(sent), _end(received), _end(sent + received)


def _end(members: bytes) -> bytes:
    return members + b"}" if members else b""


def _member(name: str, hint: JsonValue) -> bytes:
    """A time as a member behind others; empty if it is too long to be written into a text."""
    return b"," + encode({name: hint})[1:-1] if len(encode(hint)) <= _LONGEST_HINT else b""


def inherited_from_members(members: Mapping[str, bytes], outer: Inherited) -> Inherited:
    """The same for a body that is not strict JSON, from its members as text."""
    given: dict[str, object] = {}
    for name in _NAMES:
        member = members.get(name, b"null")
        if is_deep(member):
            return outer._replace(fault=too_deep())
        try:
            given[name] = decode_leniently(member)
        except JsonError as error:
            reason = f"{name} is not JSON: {error}"
            fault = MessageRejectedError(code="bad-json", field=name, reason=reason)
            return outer._replace(fault=fault)
    return inherited_from(given, outer)


def with_inherited(opened: Opened, inherited: Inherited) -> Opened:
    """The message with the fields that it inherits; its own fields win.

    Raises:
        MessageRejectedError: the fields of the body cannot be read, or make the message too large.
    """
    if inherited is NOTHING:
        return opened
    sent_at, received_at, shared, repairs, fault, ends = inherited
    if fault is not None:
        raise fault
    envelope, text, remarks = opened.envelope, opened.text, opened.remarks
    size, lacks = len(text), 0
    if shared is not None and (own := own_object(envelope.context, text, "context")) is not None:
        context = {**shared, **own}
        text = encode({**object_in(text), "context": context})
        check_size(len(text))
        envelope.context = msgspec.Raw(encode(context))
        remarks += repairs
    if sent_at is not None and envelope.sent_at is None:
        envelope.sent_at, lacks = sent_at, 1
    if received_at is not None and envelope.received_at is None:
        envelope.received_at, lacks = received_at, lacks + 2
    if end := ends[lacks]:
        before = text[:-1].rstrip()
        text = before + (end[1:] if before.endswith(b"{") else end)
    more = len(text) - size
    return Opened(envelope, text, remarks, more if more > 0 else 0)
