"""From what a sender hands over to single messages, opened: their texts, and the fields of each.

A message is a Python value or a JSON text, alone, in a list, or in a ``batch`` body of the Segment spec;
whatever the way, the same is made of it. What is wrong with one message is that one's fault alone: where
a body cannot be read as a whole, it is taken apart by its brackets, and each piece is read by itself.

Limits are counted here, so that they hold for every way in: the size of a message is that of its value
as compact JSON, however it was spaced and escaped.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import msgspec
from pydantic import JsonValue

from whereupon.errors import MessageRejectedError
from whereupon.messages.codec import DeepJsonError, JsonError, decode, decode_leniently, encode
from whereupon.messages.repairs import (
    MAX_NESTING,
    Remark,
    UnwritableError,
    Written,
    write,
    write_mended,
)

MAX_MESSAGE_BYTES = 32 * 1024
MAX_BATCH_BYTES = 500 * 1024
MAX_BATCH_MESSAGES = 2_500
MAX_TEXT_BYTES = MAX_BATCH_BYTES + MAX_MESSAGE_BYTES
"""A batch at its limit, and what its wrapping and spaces may add."""

NOWHERE = msgspec.Raw()
"""What stands for a field that is not there."""

_MARK = b"\xef\xbb\xbf"
_MOST_LENT = 8 * MAX_BATCH_BYTES
"""Of what a batch body says for its messages, which each of them repeats."""
_MOST_BATCHES = 3
"""Batch bodies within one another, each of which is to be read anew."""
_MOST_LARGER = 5
"""Compact JSON is at most that much larger than another text of the same value (``1e15``)."""

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
    """One message: its text, the fields of it, and what was mended.

    Attributes:
        lent: how much of the text its batch says for it.
    """

    envelope: Envelope
    text: bytes
    remarks: tuple[Remark, ...] = ()
    lent: int = 0


Item: TypeAlias = Opened | MessageRejectedError
"""A message, or why it cannot be one."""

_READER = msgspec.json.Decoder(Envelope)
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])


def open_all(batch: Iterable[object]) -> Iterator[Item]:
    """Each message of a batch, up to the limits of one; what is beyond them is refused once, and not read.

    Args:
        batch: values and JSON texts as bytes; one dict or one text alone is a batch of one.
    """
    if isinstance(batch, str):
        batch = batch.encode("utf-8", "surrogatepass")
    alone = isinstance(batch, dict | bytes | bytearray | memoryview)
    size = lent = 0
    for count, item in enumerate(_items([batch] if alone else batch)):
        if isinstance(item, Opened):
            size += len(item.text) - item.lent
            lent += item.lent
        if count >= MAX_BATCH_MESSAGES or size > MAX_BATCH_BYTES or lent > _MOST_LENT:
            yield _batch_too_large()
            return
        yield item


def open_one(raw: object) -> Opened:
    """The one message that a value or a JSON text is; raises `MessageRejectedError`."""
    if isinstance(raw, bytes):
        text = _trimmed(raw)
        return _sized(_open_text(text, _read(text)))
    return _sized(_open_value(raw))


def _items(batch: Iterable[object]) -> Iterator[Item]:
    for raw in batch:
        if not isinstance(raw, bytes | bytearray | memoryview):
            yield from _in_value(raw, _NOTHING, 0)
            continue
        text = bytes(raw)
        if len(text) > MAX_TEXT_BYTES:
            yield _batch_too_large() if b'"batch"' in text else _too_large(len(text))
        else:
            yield from _in_text(_trimmed(text), _NOTHING, 0)


def _trimmed(text: bytes) -> bytes:
    return text.removeprefix(_MARK).strip()


# --- values -----------------------------------------------------------------------------------------


def _in_value(raw: object, lent: "_Lent", depth: int) -> Iterator[Item]:
    if not isinstance(raw, dict) or not isinstance(batch := raw.get("batch"), list | tuple):
        try:
            yield _lend(_sized(_open_value(raw)), lent)
        except MessageRejectedError as error:
            yield error
    elif depth >= _MOST_BATCHES:
        yield _too_deep()
    else:
        own = _lent_by(raw, lent)
        for item in batch:
            yield from _in_value(item, own, depth + 1)


def _open_value(raw: object) -> Opened:
    if not isinstance(raw, dict | Mapping) and not _may_be_object(raw):
        raise _not_an_object()
    written = as_text(raw)
    if _is_deep(written.text):
        raise _too_deep()
    try:
        return Opened(_READER.decode(written.text), *written)
    except msgspec.DecodeError as error:
        raise _not_an_object() from error


def _may_be_object(raw: object) -> bool:
    """Whether a host's value may become an object; what JSON has a form of its own for does not."""
    return raw is not None and not isinstance(raw, list | tuple | bool | int | float | str)


def as_text(value: object) -> Written:
    """The host's Python values as JSON text; raises `MessageRejectedError`."""
    try:
        text, remarks = write(value)
    except DeepJsonError as error:
        raise _too_deep() from error
    except UnwritableError as error:
        field = error.path or "message"
        raise MessageRejectedError(code="not-json", field=field, reason=str(error)) from error
    except JsonError as error:
        reason = "the message cannot be written as JSON"
        raise MessageRejectedError(code="not-json", field="message", reason=reason) from error
    return Written(bytes(memoryview(text)), remarks)  # what the writer returns keeps 4 KB of memory


# --- texts ------------------------------------------------------------------------------------------


def _in_text(text: bytes, lent: "_Lent", depth: int) -> Iterator[Item]:
    envelope = _read(text)
    pieces = _pieces(text) if envelope is None else None
    if pieces is None and (envelope is None or not envelope.is_batch):
        try:
            yield _lend(_sized(_open_text(text, envelope)), lent)
        except MessageRejectedError as error:
            yield error
    elif depth >= _MOST_BATCHES:
        yield _too_deep()
    elif envelope is not None:
        own = _lent_by(_said_in(envelope), lent)
        for raw in _ITEMS.decode(envelope.batch):
            yield from _in_text(bytes(raw), own, depth + 1)
    elif pieces is not None:
        own = _lent_by_pieces(pieces, lent)
        for item in _parts(pieces["batch"]):
            yield from _in_text(item, own, depth + 1)


def _said_in(envelope: Envelope) -> Object:
    context = decode(bytes(envelope.context) or b"null")
    return {"sentAt": envelope.sent_at, "receivedAt": envelope.received_at, "context": context}


def _read(text: bytes) -> Envelope | None:
    """The fields of a JSON text; None where it is no object, or no strict JSON."""
    try:
        if not text.isascii():
            text.decode()
        return _READER.decode(text)
    except (ValueError, RecursionError):  # the reader's own errors are ValueErrors, too
        return None


def _open_text(text: bytes, envelope: Envelope | None) -> Opened:
    if _is_deep(text):
        raise _too_deep()
    if envelope is not None and not _may_overflow(text):
        return Opened(envelope, text)
    try:
        value = decode_leniently(text)
    except DeepJsonError as error:
        raise _too_deep() from error
    except JsonError as error:
        reason = f"the message is no JSON: {error}"
        raise MessageRejectedError(code="bad-json", field="message", reason=reason) from error
    if not isinstance(value, dict):
        raise _not_an_object()
    mended, remarks = write_mended(value)
    if envelope is not None and not remarks:
        return Opened(envelope, text)
    return Opened(_READER.decode(mended), mended, remarks)


def _may_overflow(text: bytes) -> bool:
    """Whether a number in it may be beyond the doubles (``1e400``), which no reader tells by itself."""
    flat = text.translate(_FLAT, b"+")
    place = flat.find(b"0e000")
    while place >= 0:
        before = flat[max(0, place - _LOOK_BACK) : place].rstrip(b"0.-")
        if before[-1:] in _BEFORE_NUMBERS:
            return True
        place = flat.find(b"0e000", place + 1)
    return _LONG_NUMBER in flat


_FLAT = bytes.maketrans(b"123456789E", b"000000000e")
_LONG_NUMBER = b"0" * 309
_LOOK_BACK = 64
"""Bytes before an exponent in which a number begins, or else is looked at slowly."""
_BEFORE_NUMBERS = (b":", b",", b"[", b" ", b"\n", b"\r", b"\t", b"")

# A string, which may be cut off, or a sign; no way of matching it can be tried twice.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.?+)*+"?+|[][{},]', re.DOTALL)
_STRING = re.compile(rb'"(?:[^"\\]++|\\.?+)*+"?+', re.DOTALL)
_MEMBER = re.compile(rb'\s*+("(?:[^"\\]++|\\.)*+")\s*+:(.*+)', re.DOTALL)


def _is_deep(text: bytes) -> bool:
    """Whether it nests more objects and lists than `MAX_NESTING`."""
    if _openings(text) <= MAX_NESTING:
        return False
    depth = 0
    for sign in _STRING.sub(b"", text):
        if sign in b"[{":
            depth += 1
            if depth > MAX_NESTING:
                return True
        elif sign in b"]}":
            depth -= 1
    return False


def _openings(text: bytes) -> int:
    """How many objects and lists begin at most; leaving out is ten times as fast as counting."""
    return 2 * len(text) - len(text.replace(b"{", b"")) - len(text.replace(b"[", b""))


def _pieces(text: bytes) -> dict[str, bytes] | None:
    """The members of a ``batch`` body, unread; None where it cannot be told to be one."""
    if text[:1] != b"{":
        return None
    pieces = {}
    try:
        for part in _parts(text):
            found = _MEMBER.fullmatch(part)
            if found is None:
                return None
            pieces[str(decode_leniently(found[1]))] = found[2].strip()
    except JsonError:
        return None
    return pieces if pieces.get("batch", b"")[:1] == b"[" else None


def _parts(text: bytes) -> Iterator[bytes]:
    """What stands between the commas of a list or an object, unread; raises `JsonError` if it has no end."""
    depth = begun = 0
    for token in _TOKEN.finditer(text):
        place = token.start()
        sign = text[place]
        if sign in b"[{":
            depth += 1
            begun = token.end() if depth == 1 else begun
        elif sign in b"]}":
            depth -= 1
            if depth == 0:
                last = text[begun:place].strip()
                if last:
                    yield last
                if text[token.end() :].strip():
                    break
                return
        elif sign in b"," and depth == 1:
            yield text[begun:place].strip()
            begun = token.end()
    message = "it has no end, or goes on behind it"
    raise JsonError(message)


# --- what a batch lends its messages ----------------------------------------------------------------


class _Lent(NamedTuple):
    """What a ``batch`` body says for those of its messages that do not say it themselves.

    Attributes:
        fault: why none of them can be read, since this cannot be.
    """

    sent_at: JsonValue = None
    received_at: JsonValue = None
    context: Object | None = None
    remarks: tuple[Remark, ...] = ()
    fault: MessageRejectedError | None = None


_NOTHING = _Lent()
_LENT = ("sentAt", "receivedAt", "context")
_LONGEST_HINT = 100


def _lent_by(body: Mapping[str, object], outer: _Lent) -> _Lent:
    """What a body lends, before what the body around it does."""
    said = {name: body[name] for name in _LENT if body.get(name) is not None}
    if not said:
        return outer
    try:
        text, remarks = as_text(said)
    except MessageRejectedError as error:
        return outer._replace(fault=error)
    if _is_deep(text):
        return outer._replace(fault=_too_deep())
    if len(text) > MAX_MESSAGE_BYTES:
        return outer._replace(fault=_too_large(len(text)))
    plain = decode(text)
    own = plain if isinstance(plain, dict) else {}
    context = own.get("context")
    if isinstance(context, dict):
        context = {**(outer.context or {}), **context}
    return _Lent(
        own.get("sentAt", outer.sent_at),
        own.get("receivedAt", outer.received_at),
        context if isinstance(context, dict) else outer.context,
        outer.remarks + remarks,
        outer.fault,
    )


def _lent_by_pieces(pieces: Mapping[str, bytes], outer: _Lent) -> _Lent:
    said: dict[str, object] = {}
    for name in _LENT:
        piece = pieces.get(name, b"null")
        if _is_deep(piece):
            return outer._replace(fault=_too_deep())
        try:
            said[name] = decode_leniently(piece)
        except JsonError as error:
            reason = f"{name} is no JSON: {error}"
            fault = MessageRejectedError(code="bad-json", field=name, reason=reason)
            return outer._replace(fault=fault)
    return _lent_by(said, outer)


def _lend(opened: Opened, lent: _Lent) -> Opened:
    """The message with what its batch says for it; its own fields win."""
    if lent is _NOTHING:
        return opened
    if lent.fault is not None:
        raise lent.fault
    envelope, text, remarks, _ = opened
    own = own_object(envelope.context)
    if lent.context is not None and own is not None:
        context = {**lent.context, **own}
        text = encode({**_object_in(text), "context": context})
        _check_size(len(text))
        envelope.context = msgspec.Raw(encode(context))
        remarks += lent.remarks
    hints: Object = {}
    if lent.sent_at is not None and envelope.sent_at is None:
        envelope.sent_at = hints["sentAt"] = lent.sent_at
    if lent.received_at is not None and envelope.received_at is None:
        envelope.received_at = hints["receivedAt"] = lent.received_at
    whole = _with_hints(text, hints)
    return Opened(envelope, whole, remarks, max(0, len(whole) - len(opened.text)))


def _with_hints(text: bytes, hints: Object) -> bytes:
    """A message with further members, which come before its own of that name."""
    short = {name: hint for name, hint in hints.items() if len(encode(hint)) <= _LONGEST_HINT}
    if not short:
        return text
    before = text[:-1].rstrip()
    return before + (b"" if before.endswith(b"{") else b",") + encode(short)[1:]


def own_object(part: msgspec.Raw) -> Object | None:
    """The object that a field holds, empty where it is missing; None where it holds something else.

    An empty list is an empty object: PHP has one kind of array.
    """
    text = bytes(part)
    if text[:1] == b"{":
        return _object_in(text)
    return {} if text in {b"", b"null"} or is_empty_list(text) else None


def _object_in(text: bytes) -> Object:
    value = decode(text)
    return value if isinstance(value, dict) else {}


def is_empty_list(text: bytes) -> bool:
    """Whether a JSON text is a list of nothing."""
    return text[:1] == b"[" and text[-1:] == b"]" and not text[1:-1].strip()


# --- limits and refusals ----------------------------------------------------------------------------


def _sized(opened: Opened) -> Opened:
    """The message, unless it is too large; its exact size counts only where it may be."""
    text = opened.text
    if len(text) * _MOST_LARGER > MAX_MESSAGE_BYTES:
        _check_size(len(encode(decode(text))))
    return opened


def _check_size(size: int) -> None:
    if size > MAX_MESSAGE_BYTES:
        raise _too_large(size)


def _too_large(size: int) -> MessageRejectedError:
    reason = f"the message has {size} bytes; {MAX_MESSAGE_BYTES} are allowed"
    return MessageRejectedError(code="message-too-large", field="message", reason=reason)


def _batch_too_large() -> MessageRejectedError:
    reason = (
        f"a batch has at most {MAX_BATCH_MESSAGES} messages and {MAX_BATCH_BYTES} bytes;"
        " send what is from here on again"
    )
    return MessageRejectedError(code="batch-too-large", field="batch", reason=reason)


def _too_deep() -> MessageRejectedError:
    reason = f"the message nests more than {MAX_NESTING} objects and lists in one another"
    return MessageRejectedError(code="too-deep", field="message", reason=reason)


def _not_an_object() -> MessageRejectedError:
    reason = "a message is a JSON object"
    return MessageRejectedError(code="not-an-object", field="message", reason=reason)
