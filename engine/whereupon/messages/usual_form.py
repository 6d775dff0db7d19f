"""Messages of the usual form, as most are: decoded in one go, properties and all.

The types on this page say what is usual: every field has the type that the Segment spec gives it, values nest a few
levels only, and there is no field that official clients do not send. Every value is decoded, so a number beyond the
doubles, half a character or a byte that is not UTF-8 is found. The text of such a message needs neither a repair nor a
further check. A message that differs in anything is opened the exact way (`envelope`), which gives the same answer.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeAlias

import msgspec

from whereupon.messages.codec import MOST_DIGITS
from whereupon.messages.envelope import (
    Envelope,
    Opened,
    open_text,
    open_written,
    read,
    sized,
    trimmed,
    written_object,
)
from whereupon.messages.model import MessageType
from whereupon.messages.size_limits import MAX_MESSAGE_ID_CHARACTERS

MOST_BYTES = MOST_DIGITS
"""A text of no more bytes is surely not too large, and none of its numbers has too many digits."""

_Single: TypeAlias = str | int | float | bool | None
_OneLevel: TypeAlias = _Single | list[_Single] | dict[str, _Single]
_TwoLevels: TypeAlias = _Single | list[_OneLevel] | dict[str, _OneLevel]
_Object: TypeAlias = dict[str, _Single | list[_TwoLevels] | dict[str, _TwoLevels]]

_MessageId: TypeAlias = Annotated[
    str, msgspec.Meta(min_length=1, max_length=MAX_MESSAGE_ID_CHARACTERS)
]


class UsualEnvelope(Envelope, rename="camel", forbid_unknown_fields=True, gc=False):
    """The fields of a message of the usual form; its objects are decoded, and deep or odd ones are refused."""

    type: MessageType | None = None
    event: str | None = None
    name: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    message_id: _MessageId | None = None
    timestamp: str | None = None
    original_timestamp: str | None = None
    sent_at: str | None = None
    received_at: str | None = None
    previous_id: str | None = None
    group_id: str | None = None
    properties: _Object | None = None  # type: ignore[assignment]  # text in the other form
    traits: _Object | None = None  # type: ignore[assignment]  # text in the other form
    context: _Object | None = None  # type: ignore[assignment]  # text in the other form
    batch: None = None  # type: ignore[assignment]  # a batch body is not a message
    integrations: _Object | None = None
    channel: str | None = None
    category: str | None = None
    write_key: str | None = None
    metadata: _Object | None = msgspec.field(default=None, name="_metadata")


_decode = msgspec.json.Decoder(UsualEnvelope).decode


def usual_envelope(text: bytes) -> UsualEnvelope | None:
    """The fields of a JSON text without spaces around it, if it is a message of the usual form."""
    if len(text) > MOST_BYTES:
        return None
    try:
        return _decode(text)
    except (ValueError, RecursionError):  # the reader's own errors are ValueErrors, too
        return None


def usual_envelopes(texts: Iterable[bytes]) -> list[UsualEnvelope | None]:
    """`usual_envelope` of each text."""
    found: list[UsualEnvelope | None] = []
    add, rest = found.append, iter(texts)
    while True:
        try:  # once for many texts
            for text in rest:
                add(_decode(text) if len(text) <= MOST_BYTES else None)
        except (ValueError, RecursionError):
            add(None)
        else:
            return found


@dataclass(slots=True)
class UsualRun:
    """Texts of the usual form that come one after another, with their fields."""

    envelopes: Sequence[UsualEnvelope]
    texts: Sequence[bytes]

    def __iter__(self) -> Iterator[Opened]:
        return map(Opened, self.envelopes, self.texts)


def open_one(raw: object) -> Opened:
    """Open one message, given as a value or as JSON text; raises `MessageRejectedError`."""
    if not isinstance(raw, bytes):
        return open_value(raw)
    text = trimmed(raw)
    usual = usual_envelope(text)
    return sized(open_text(text, read(text))) if usual is None else Opened(usual, text)


def open_value(raw: object) -> Opened:
    """Open a message that is given as a Python value; raises `MessageRejectedError`."""
    written = written_object(raw)
    usual = usual_envelope(written.text)
    return sized(open_written(written)) if usual is None else Opened(usual, *written)
