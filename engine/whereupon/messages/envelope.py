"""One message, opened: its JSON text, its fields, and the repairs.

A message comes as a Python value or as JSON text. Both give the same result.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
from pydantic import JsonValue

from whereupon.errors import MessageRejectedError
from whereupon.messages.codec import (
    DeepJsonError,
    JsonError,
    decode,
    decode_leniently,
    decode_member,
    encode,
)
from whereupon.messages.json_scan import is_deep, may_overflow
from whereupon.messages.repairs import Remark, UnwritableError, Written, write, write_repaired
from whereupon.messages.size_limits import MAX_MESSAGE_BYTES, check_size, not_an_object, too_deep

ABSENT = msgspec.Raw()
"""The value of a field that a message does not have."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MOST_LARGER = 5
"""Compact JSON is at most five times as long as another text of the same value (``1e15``)."""

Members = dict[str, JsonValue]


class Envelope(msgspec.Struct, rename="camel", gc=False):
    """The fields of a message's wire form; the larger ones stay JSON text.

    Every other field may hold any JSON value, so that a rejection can name the field.
    """

    type: Any = None  # any JSON value: the rejection of a wrong one names the field
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
    properties: msgspec.Raw = ABSENT
    traits: msgspec.Raw = ABSENT
    context: msgspec.Raw = ABSENT
    batch: msgspec.Raw = ABSENT


class Body(Envelope, rename="camel", kw_only=True, gc=False):
    """The fields of a batch body, and its messages as text."""

    batch: list[msgspec.Raw]  # type: ignore[assignment]  # text in the other form


class Opened(msgspec.Struct, gc=False):
    """One message: its fields, its JSON text, and the repairs.

    Attributes:
        inherited: bytes of the text that come from the batch body.
    """

    envelope: Envelope
    text: bytes
    remarks: tuple[Remark, ...] = ()
    inherited: int = 0


BatchItem: TypeAlias = Opened | MessageRejectedError
"""A message, or its rejection."""

_READER = msgspec.json.Decoder(Envelope)
_BODY_READER = msgspec.json.Decoder(Body)


def trimmed(text: bytes) -> bytes:
    """A text without its byte order mark and the spaces around it."""
    return text.removeprefix(_BYTE_ORDER_MARK).strip()


def written_object(raw: object) -> Written:
    """A Python value that is a message, as JSON text; raises `MessageRejectedError`."""
    if not isinstance(raw, dict | Mapping) and not _may_be_object(raw):
        raise not_an_object()
    return as_text(raw)


def open_written(written: Written) -> Opened:
    """Open a message that came as a Python value, from its text; raises `MessageRejectedError`."""
    if is_deep(written.text):
        raise too_deep()
    try:
        return Opened(_READER.decode(written.text), *written)
    except msgspec.DecodeError as error:
        raise not_an_object() from error


def _may_be_object(raw: object) -> bool:
    """Whether a value that is no mapping may be written as an object, as a model or a dataclass is."""
    return raw is not None and not isinstance(raw, list | tuple | bool | int | float | str)


def as_text(value: object) -> Written:
    """A Python value as JSON text; raises `MessageRejectedError`."""
    try:
        text, remarks = write(value)
    except DeepJsonError as error:
        raise too_deep() from error
    except UnwritableError as error:
        field = error.path or "message"
        raise MessageRejectedError(code="not-json", field=field, reason=str(error)) from error
    except JsonError as error:
        reason = "the message cannot be written as JSON"
        raise MessageRejectedError(code="not-json", field="message", reason=reason) from error
    return Written(bytes(memoryview(text)), remarks)  # the writer's own result occupies 4 KB


def read(text: bytes) -> Envelope | None:
    """The fields of a JSON text; None if it is not strict JSON, or not an object."""
    try:
        if not text.isascii():
            text.decode()
        return _READER.decode(text)
    except (ValueError, RecursionError):  # the reader's own errors are ValueErrors, too
        return None


def read_body(text: bytes) -> Body | None:
    """The fields of a JSON text; None if it is not strict JSON, or no batch body."""
    if b'"batch"' not in text and rb"\u" not in text:  # the only other way to write a letter
        return None
    try:
        if not text.isascii():
            text.decode()
        return _BODY_READER.decode(text)
    except (ValueError, RecursionError):
        return None


def open_text(text: bytes, envelope: Envelope | None) -> Opened:
    """Open a message that is given as JSON text; raises `MessageRejectedError`.

    Args:
        envelope: its fields, if the text is a strict JSON object.
    """
    if is_deep(text):
        raise too_deep()
    if envelope is not None and not may_overflow(text):
        return Opened(envelope, text)
    try:
        value = decode_leniently(text)
    except DeepJsonError as error:
        raise too_deep() from error
    except JsonError as error:
        reason = f"the message is not JSON: {error}"
        raise MessageRejectedError(code="bad-json", field="message", reason=reason) from error
    if not isinstance(value, dict):
        raise not_an_object()
    repaired, remarks = write_repaired(value)
    if envelope is not None and not remarks:
        return Opened(envelope, text)
    return Opened(_READER.decode(repaired), repaired, remarks)


def sized(opened: Opened) -> Opened:
    """The message, unless it is too large; the exact size is computed only if it may be over the limit."""
    text = opened.text
    if len(text) * _MOST_LARGER > MAX_MESSAGE_BYTES:
        check_size(len(encode(decode(text))))
    return opened


def own_object(
    part: msgspec.Raw | msgspec.Struct | Members | None, message: bytes, field: str
) -> Members | None:
    """The object of a field, empty if the field is absent; None if the field is not an object.

    An empty list counts as an empty object, since PHP has only one kind of array.

    Args:
        part: as it was read.
        message: the text that has the field, which says what members a struct was read of.
    """
    if isinstance(part, msgspec.Struct):
        read_again = decode_member(message, field)
        return read_again if isinstance(read_again, dict) else {}
    if not isinstance(part, msgspec.Raw):
        return part or {}
    text = bytes(part)
    if text[:1] == b"{":
        return object_in(text)
    return {} if text in {b"", b"null"} or is_empty_list(text) else None


def object_in(text: bytes) -> Members:
    """The object that a JSON text holds; an empty one if the text holds another value."""
    value = decode(text)
    return value if isinstance(value, dict) else {}


def is_empty_list(text: bytes) -> bool:
    """Whether a JSON text is an empty list."""
    return text[:1] == b"[" and text[-1:] == b"]" and not text[1:-1].strip()
