"""One message, opened: its JSON text, its fields, and what was repaired.

A message comes as a Python value or as JSON text; both give the same.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from pydantic import JsonValue

from whereupon.errors import MessageRejectedError
from whereupon.messages.codec import DeepJsonError, JsonError, decode, decode_leniently, encode
from whereupon.messages.json_scan import is_deep, may_overflow
from whereupon.messages.limits import MAX_MESSAGE_BYTES, check_size, not_an_object, too_deep
from whereupon.messages.repairs import Remark, UnwritableError, Written, write, write_mended

NOWHERE = msgspec.Raw()
"""Stands for a field that is not there."""

_MARK = b"\xef\xbb\xbf"
_MOST_LARGER = 5
"""Compact JSON is at most that many times larger than another text of the same value (``1e15``)."""

Object = dict[str, JsonValue]


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
    properties: msgspec.Raw = NOWHERE
    traits: msgspec.Raw = NOWHERE
    context: msgspec.Raw = NOWHERE
    batch: msgspec.Raw = NOWHERE

    @property
    def is_batch(self) -> bool:
        """Whether it holds messages rather than being one."""
        return self.batch is not NOWHERE and bytes(self.batch)[:1] == b"["


class Opened(NamedTuple):
    """One message: its text, the fields of it, and what was repaired.

    Attributes:
        inherited: how many bytes of the text come from its batch.
    """

    envelope: Envelope
    text: bytes
    remarks: tuple[Remark, ...] = ()
    inherited: int = 0


_READER = msgspec.json.Decoder(Envelope)


def open_one(raw: object) -> Opened:
    """The one message that a value or a JSON text is; raises `MessageRejectedError`."""
    if isinstance(raw, bytes):
        text = trimmed(raw)
        return sized(open_text(text, read(text)))
    return sized(open_value(raw))


def trimmed(text: bytes) -> bytes:
    """A text without its byte order mark and the spaces around it."""
    return text.removeprefix(_MARK).strip()


def open_value(raw: object) -> Opened:
    """The message that a host's value is; raises `MessageRejectedError`."""
    if not isinstance(raw, dict | Mapping) and not _may_be_object(raw):
        raise not_an_object()
    written = as_text(raw)
    if is_deep(written.text):
        raise too_deep()
    try:
        return Opened(_READER.decode(written.text), *written)
    except msgspec.DecodeError as error:
        raise not_an_object() from error


def _may_be_object(raw: object) -> bool:
    """Whether a host's value may become an object; what JSON has a form of its own for does not."""
    return raw is not None and not isinstance(raw, list | tuple | bool | int | float | str)


def as_text(value: object) -> Written:
    """The host's Python values as JSON text; raises `MessageRejectedError`."""
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
    return Written(bytes(memoryview(text)), remarks)  # what the writer returns keeps 4 KB of memory


def read(text: bytes) -> Envelope | None:
    """The fields of a JSON text; None where it is no object, or no strict JSON."""
    try:
        if not text.isascii():
            text.decode()
        return _READER.decode(text)
    except (ValueError, RecursionError):  # the reader's own errors are ValueErrors, too
        return None


def open_text(text: bytes, envelope: Envelope | None) -> Opened:
    """The message that a JSON text is; raises `MessageRejectedError`.

    Args:
        envelope: its fields, if it is a strict JSON object.
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
        reason = f"the message is no JSON: {error}"
        raise MessageRejectedError(code="bad-json", field="message", reason=reason) from error
    if not isinstance(value, dict):
        raise not_an_object()
    mended, remarks = write_mended(value)
    if envelope is not None and not remarks:
        return Opened(envelope, text)
    return Opened(_READER.decode(mended), mended, remarks)


def sized(opened: Opened) -> Opened:
    """The message, unless it is too large; its exact size counts only where it may be."""
    text = opened.text
    if len(text) * _MOST_LARGER > MAX_MESSAGE_BYTES:
        check_size(len(encode(decode(text))))
    return opened


def own_object(part: msgspec.Raw) -> Object | None:
    """The object that a field holds, empty where it is missing; None where it holds something else.

    An empty list is an empty object: PHP has one kind of array.
    """
    text = bytes(part)
    if text[:1] == b"{":
        return object_in(text)
    return {} if text in {b"", b"null"} or is_empty_list(text) else None


def object_in(text: bytes) -> Object:
    """The object that a JSON text is; an empty one if it is something else."""
    value = decode(text)
    return value if isinstance(value, dict) else {}


def is_empty_list(text: bytes) -> bool:
    """Whether a JSON text is a list of nothing."""
    return text[:1] == b"[" and text[-1:] == b"]" and not text[1:-1].strip()
