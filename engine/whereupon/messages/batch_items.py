"""Division of what a sender passes into single messages.

Messages come alone, in a list, or in a ``batch`` body of the Segment spec. A fault in one message does not
affect the others: if a body cannot be read as a whole, it is divided by its brackets, and each element is
read by itself. The limits are counted here, so they hold for every way in.
"""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import msgspec

from whereupon.errors import MessageRejectedError
from whereupon.messages.batch_fields import (
    NOTHING,
    Inherited,
    inheritable_fields,
    inherited_from,
    inherited_from_members,
    with_inherited,
)
from whereupon.messages.envelope import Opened, open_text, read, sized, trimmed
from whereupon.messages.json_scan import batch_members, elements
from whereupon.messages.size_limits import (
    MAX_BATCH_BYTES,
    MAX_BATCH_MESSAGES,
    MAX_TEXT_BYTES,
    batch_too_large,
    too_deep,
    too_large,
)
from whereupon.messages.usual_form import open_value, usual_envelope

_MOST_INHERITED = 8 * MAX_BATCH_BYTES
"""Bytes that the messages of a batch may inherit together; each message repeats the fields of its body."""

_MOST_BATCHES = 3
"""Levels of batch bodies within one another. The text of each level is read again."""

BatchItem: TypeAlias = Opened | MessageRejectedError
"""A message, or its rejection."""

_TEXTS = (bytes, bytearray, memoryview)
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])


def open_all(batch: Iterable[object]) -> Iterator[BatchItem]:
    """Each message of a batch, up to the limits; the rest is rejected once, and is not read.

    Args:
        batch: values and JSON texts as bytes; one dict or one text alone is a batch of one.
    """
    if isinstance(batch, str):
        batch = batch.encode("utf-8", "surrogatepass")
    alone = isinstance(batch, dict | bytes | bytearray | memoryview)
    count = size = inherited = 0
    for raw in [batch] if alone else batch:
        for item in _items(raw):
            if item.__class__ is Opened:
                size += len(item.text) - item.inherited
                inherited += item.inherited
            if count >= MAX_BATCH_MESSAGES or size > MAX_BATCH_BYTES or inherited > _MOST_INHERITED:
                yield batch_too_large()
                return
            count += 1
            yield item


def _items(raw: object) -> Iterable[BatchItem]:
    if isinstance(raw, bytes):
        text = raw.strip()
        usual = usual_envelope(text)
        if usual is not None:
            return (Opened(usual, text),)
    return _odd_items(raw)


def _odd_items(raw: object) -> Iterator[BatchItem]:
    if not isinstance(raw, _TEXTS):
        yield from _in_value(raw, NOTHING, 0)
        return
    text = bytes(raw)
    if len(text) > MAX_TEXT_BYTES:
        yield batch_too_large() if b'"batch"' in text else too_large(len(text))
    else:
        yield from _in_odd_text(trimmed(text), NOTHING, 0)


def _in_value(raw: object, inherited: Inherited, depth: int) -> Iterator[BatchItem]:
    if not isinstance(raw, dict) or not isinstance(batch := raw.get("batch"), list | tuple):
        try:
            yield with_inherited(open_value(raw), inherited)
        except MessageRejectedError as error:
            yield error
    elif depth >= _MOST_BATCHES:
        yield too_deep()
    else:
        own = inherited_from(raw, inherited)
        for item in batch:
            yield from _in_value(item, own, depth + 1)


def _in_text(text: bytes, inherited: Inherited, depth: int) -> Iterator[BatchItem]:
    usual = usual_envelope(text)
    if usual is None:
        yield from _in_odd_text(text, inherited, depth)
        return
    try:
        yield with_inherited(Opened(usual, text), inherited)
    except MessageRejectedError as error:
        yield error


def _in_odd_text(text: bytes, inherited: Inherited, depth: int) -> Iterator[BatchItem]:
    envelope = read(text)
    members = batch_members(text) if envelope is None else None
    if members is None and (envelope is None or not envelope.is_batch):
        try:
            yield with_inherited(sized(open_text(text, envelope)), inherited)
        except MessageRejectedError as error:
            yield error
    elif depth >= _MOST_BATCHES:
        yield too_deep()
    elif envelope is not None:
        own = inherited_from(inheritable_fields(envelope), inherited)
        for raw in _ITEMS.decode(envelope.batch):
            yield from _in_text(bytes(raw), own, depth + 1)
    elif members is not None:
        own = inherited_from_members(members, inherited)
        for item in elements(members["batch"]):
            yield from _in_text(item, own, depth + 1)
