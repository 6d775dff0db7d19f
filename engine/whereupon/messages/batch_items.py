"""Division of what a sender passes into single messages.

Messages come alone, in a list, or in a ``batch`` body of the Segment spec. A fault in one message does not
affect the others: if a body cannot be read as a whole, it is divided by its brackets, and each element is
read by itself. The limits are counted here, so they hold for every way in.
"""

from collections.abc import Iterable, Iterator
from typing import cast

from whereupon.errors import MessageRejectedError
from whereupon.messages.batch_fields import (
    NOTHING,
    Inherited,
    inheritable_fields,
    inherited_from,
    inherited_from_members,
    with_inherited,
)
from whereupon.messages.envelope import (
    ABSENT,
    BatchItem,
    Opened,
    open_text,
    read,
    read_body,
    sized,
    trimmed,
)
from whereupon.messages.json_scan import batch_members, elements
from whereupon.messages.size_limits import (
    MAX_BATCH_BYTES,
    MAX_BATCH_MESSAGES,
    MAX_TEXT_BYTES,
    batch_too_large,
    too_deep,
    too_large,
)
from whereupon.messages.usual_form import (
    UsualEnvelope,
    UsualRun,
    open_value,
    usual_envelope,
    usual_envelopes,
)

_MOST_INHERITED = 8 * MAX_BATCH_BYTES
"""Bytes that the messages of a batch may inherit together; each message repeats the fields of its body."""

_MOST_BATCHES = 3
"""Levels of batch bodies within one another. The text of each level is read again."""

_MOST_IN_RUN = 100
"""Items of a batch that are opened together."""

_TEXTS = (bytes, bytearray, memoryview)
_ALONE = (dict, *_TEXTS)


class _Taken:
    """How much of a batch was taken: its messages, their own bytes, and those that they inherit."""

    __slots__ = ("inherited", "messages", "own")

    def __init__(self) -> None:
        self.messages = self.own = self.inherited = 0

    def admits(self, item: BatchItem) -> bool:
        """Whether one more item is within the limits; it is counted if so."""
        self.messages = messages = self.messages + 1
        if item.__class__ is Opened:
            of_body = item.inherited
            self.own = own = self.own + len(item.text) - of_body
            self.inherited = inherited = self.inherited + of_body
            if own > MAX_BATCH_BYTES or inherited > _MOST_INHERITED:
                return False
        return messages <= MAX_BATCH_MESSAGES

    def admits_run(self, run: UsualRun) -> bool:
        """Whether all of these are within the limits; they are counted if so."""
        messages, own = self.messages + len(run.texts), self.own + sum(map(len, run.texts))
        if messages > MAX_BATCH_MESSAGES or own > MAX_BATCH_BYTES:
            return False
        self.messages, self.own = messages, own
        return True


def open_all(batch: Iterable[object]) -> Iterator[BatchItem]:
    """Each message of a batch, up to the limits; the rest is rejected once, and is not read.

    Args:
        batch: values and JSON texts as bytes; one dict or one text alone is a batch of one.
    """
    if isinstance(batch, str):
        batch = batch.encode("utf-8", "surrogatepass")
    alone = isinstance(batch, _ALONE)
    taken = _Taken()
    for raw in [batch] if alone else batch:
        for item in _items(raw):
            if not taken.admits(item):
                yield batch_too_large()
                return
            yield item


def open_runs(batch: Iterable[object]) -> Iterator[UsualRun | list[BatchItem]]:
    """The items of `open_all` in runs: texts of the usual form that come one after another are opened for less."""
    if not isinstance(batch, list) or len(batch) == 1:
        yield list(open_all(batch))
        return
    taken = _Taken()
    for first in range(0, len(batch), _MOST_IN_RUN):
        raws = batch[first : first + _MOST_IN_RUN]
        texts = [raw.strip() for raw in raws if isinstance(raw, bytes)]
        usual = usual_envelopes(texts)
        if len(texts) == len(raws) and all(usual):
            run = UsualRun(cast("list[UsualEnvelope]", usual), texts)
            if taken.admits_run(run):
                yield run
                continue
        items: list[BatchItem] = []
        for item in _decoded_items(raws, zip(usual, texts, strict=True)):
            if not taken.admits(item):
                yield [*items, batch_too_large()]
                return
            items.append(item)
        yield items


def _decoded_items(
    raws: Iterable[object], decoded: Iterator[tuple[UsualEnvelope | None, bytes]]
) -> Iterator[BatchItem]:
    """The items of values, of which the texts are decoded as far as they have the usual form."""
    for raw in raws:
        envelope, text = next(decoded) if isinstance(raw, bytes) else (None, b"")
        if envelope is None:
            yield from _odd_items(raw)
        else:
            yield Opened(envelope, text)


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


def _in_texts(texts: Iterable[bytes], inherited: Inherited, depth: int) -> Iterator[BatchItem]:
    for text in texts:
        usual = usual_envelope(text)
        if usual is None:
            yield from _in_odd_text(text, inherited, depth)
        else:
            try:
                yield with_inherited(Opened(usual, text), inherited)
            except MessageRejectedError as error:
                yield error


def _in_odd_text(text: bytes, inherited: Inherited, depth: int) -> Iterator[BatchItem]:
    body = read_body(text)
    envelope = read(text) if body is None else body
    is_odd = body is None and (envelope is None or envelope.batch is not ABSENT)
    members = batch_members(text) if is_odd else None
    if body is None and members is None:
        try:
            yield with_inherited(sized(open_text(text, envelope)), inherited)
        except MessageRejectedError as error:
            yield error
    elif depth >= _MOST_BATCHES:
        yield too_deep()
    elif body is not None:
        own = inherited_from(inheritable_fields(body), inherited)
        yield from _in_texts(map(bytes, body.batch), own, depth + 1)
    elif members is not None:
        own = inherited_from_members(members, inherited)
        yield from _in_texts(elements(members["batch"]), own, depth + 1)
