"""Messages of the usual form, as most are: decoded in one go, properties and all.

The types on this page say what is usual: every field has the type that the Segment spec gives it, values nest a few
levels only, and there is no field that official clients and collectors do not send. Every value is decoded, so a
number beyond the doubles, half a character or a byte that is not UTF-8 is found. The text of such a message needs
neither a repair nor a further check. With a field that nobody knows, which is not decoded, the whole text is checked
for these. A message that differs in anything else is opened the exact way (`envelope`), which gives the same answer.
"""

from collections.abc import Iterable, Sequence
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
from whereupon.messages.json_scan import is_deep, may_overflow
from whereupon.messages.model import MessageType
from whereupon.messages.size_limits import MAX_MESSAGE_ID_CHARACTERS

MOST_BYTES = MOST_DIGITS
"""A text of no more bytes is surely not too large, and none of its numbers has too many digits."""

_Single: TypeAlias = str | int | float | bool | None
_OneLevel: TypeAlias = _Single | list[_Single] | dict[str, _Single]
_TwoLevels: TypeAlias = _Single | list[_OneLevel] | dict[str, _OneLevel]
_ThreeLevels: TypeAlias = _Single | list[_TwoLevels] | dict[str, _TwoLevels]
_Object: TypeAlias = dict[str, _Single | list[_ThreeLevels] | dict[str, _ThreeLevels]]

_MessageId: TypeAlias = Annotated[
    str, msgspec.Meta(min_length=1, max_length=MAX_MESSAGE_ID_CHARACTERS)
]


class UsualEnvelope(Envelope, rename="camel", forbid_unknown_fields=True, gc=False):
    """The fields of a message of the usual form; its objects are decoded, and deep or odd ones are refused."""

    type: MessageType | None = None
    event: str | None = None
    name: str | None = None
    user_id: str | int | None = None
    anonymous_id: str | int | None = None
    message_id: _MessageId | None = None
    timestamp: str | int | None = None
    original_timestamp: str | int | None = None
    sent_at: str | int | None = None
    received_at: str | int | None = None
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
    version: _Single = None
    project_id: _Single = None
    rudder_id: _Single = None
    request_ip: _Single = msgspec.field(default=None, name="request_ip")
    session_id: _Single = msgspec.field(default=None, name="session_id")


class _WithUnknown(UsualEnvelope, rename="camel", forbid_unknown_fields=False, gc=False):
    """The same beside fields that nobody knows, which are skipped."""


_decode = msgspec.json.Decoder(UsualEnvelope).decode
_decode_with_unknown = msgspec.json.Decoder(_WithUnknown).decode


def usual_envelope(text: bytes) -> UsualEnvelope | None:
    """The fields of a JSON text without spaces around it, if it is a message of the usual form."""
    if len(text) > MOST_BYTES:
        return None
    try:
        return _decode(text)
    except (ValueError, RecursionError):  # the reader's own errors are ValueErrors, too
        return _envelope_with_unknown(text)


def _envelope_with_unknown(text: bytes) -> UsualEnvelope | None:
    """The same if there may be unknown fields; the checks are those of the exact way."""
    if len(text) > MOST_BYTES:
        return None
    try:
        found = _decode_with_unknown(text)
        if not text.isascii():
            text.decode()
    except (ValueError, RecursionError):
        return None
    return None if is_deep(text) or may_overflow(text) else found


def usual_envelopes(texts: Iterable[bytes]) -> list[UsualEnvelope | None]:
    """`usual_envelope` of each text.

    After one with an unknown field the next ones probably have it, too, and are decoded once.
    """
    found: list[UsualEnvelope | None] = []
    add, rest, text = found.append, iter(texts), b""
    while True:
        try:  # once for many texts
            for text in rest:
                add(_decode(text) if len(text) <= MOST_BYTES else None)
        except (ValueError, RecursionError):
            add(_envelope_with_unknown(text))
            if found[-1] is not None:
                for text in rest:
                    add(envelope := _envelope_with_unknown(text))
                    if envelope is None:
                        break
        else:
            return found


@dataclass(slots=True)
class UsualRun:
    """Texts of the usual form that come one after another, with their fields."""

    envelopes: Sequence[UsualEnvelope]
    texts: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, place: int) -> Opened:
        return Opened(self.envelopes[place], self.texts[place])


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
