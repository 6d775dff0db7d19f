"""Fields of a ``batch`` body that its messages inherit, unless they have such a field themselves."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from pydantic import JsonValue

from whereupon.errors import MessageRejectedError
from whereupon.messages.codec import JsonError, decode, decode_leniently, encode
from whereupon.messages.envelope import Envelope, Members, Opened, as_text, object_in, own_object
from whereupon.messages.json_scan import is_deep
from whereupon.messages.repairs import Remark
from whereupon.messages.size_limits import MAX_MESSAGE_BYTES, check_size, too_deep, too_large


class Inherited(NamedTuple):
    """The fields that a message inherits from the batch bodies around it.

    Attributes:
        fault: the rejection of every message of the body, if these fields cannot be read.
    """

    sent_at: JsonValue = None
    received_at: JsonValue = None
    context: Members | None = None
    remarks: tuple[Remark, ...] = ()
    fault: MessageRejectedError | None = None


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
    return Inherited(
        own.get("sentAt", outer.sent_at),
        own.get("receivedAt", outer.received_at),
        context if isinstance(context, dict) else outer.context,
        outer.remarks + remarks,
        outer.fault,
    )


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
    if inherited.fault is not None:
        raise inherited.fault
    envelope, text, remarks = opened.envelope, opened.text, opened.remarks
    own = own_object(envelope.context)
    if inherited.context is not None and own is not None:
        context = {**inherited.context, **own}
        text = encode({**object_in(text), "context": context})
        check_size(len(text))
        envelope.context = msgspec.Raw(encode(context))
        remarks += inherited.remarks
    hints: Members = {}
    if inherited.sent_at is not None and envelope.sent_at is None:
        envelope.sent_at = hints["sentAt"] = inherited.sent_at
    if inherited.received_at is not None and envelope.received_at is None:
        envelope.received_at = hints["receivedAt"] = inherited.received_at
    whole = _with_hints(text, hints)
    return Opened(envelope, whole, remarks, max(0, len(whole) - len(opened.text)))


def _with_hints(text: bytes, hints: Members) -> bytes:
    """The text of a message with further members at its end, where they win over those before them."""
    short = {name: hint for name, hint in hints.items() if len(encode(hint)) <= _LONGEST_HINT}
    if not short:
        return text
    before = text[:-1].rstrip()
    return before + (b"" if before.endswith(b"{") else b",") + encode(short)[1:]
