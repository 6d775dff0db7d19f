"""Messages of the usual form, as most are: decoded in one go, properties and all.

The types on this page say what is usual: every field has the type that the Segment spec gives it, values nest a few
levels only, and there is no field that official clients and collectors do not send. Every value is decoded, so a
number beyond the doubles, half a character or a byte that is not UTF-8 is found. The text of such a message needs
neither a repair nor a further check. With a field that nobody knows, which is not decoded, the whole text is checked
for these. A message that differs in anything else is opened the exact way (`envelope`), which gives the same answer.
"""

from collections.abc import Callable, Iterable, Sequence
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
_FourLevels: TypeAlias = _Single | list[_ThreeLevels] | dict[str, _ThreeLevels]
_Object: TypeAlias = dict[str, _FourLevels]

_MessageId: TypeAlias = Annotated[
    str, msgspec.Meta(min_length=1, max_length=MAX_MESSAGE_ID_CHARACTERS)
]


class _Library(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The client in a context (Segment spec, Common fields)."""

    name: _Single = None
    version: _Single = None


class _Page(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The page that a browser shows, in a context."""

    path: _Single = None
    referrer: _Single = None
    search: _Single = None
    title: _Single = None
    url: _Single = None


class UsualContext(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    """A context as official clients send it. It is decoded to be checked, and a struct takes less than a dict."""

    library: _Library | None = None
    locale: _Single = None
    ip: _Single = None
    user_agent: _Single = None
    page: _Page | None = None
    timezone: _Single = None
    campaign: _FourLevels = None
    app: _FourLevels = None
    device: _FourLevels = None
    network: _FourLevels = None
    os: _FourLevels = None
    screen: _FourLevels = None
    traits: _FourLevels = None
    referrer: _FourLevels = None
    user_agent_data: _FourLevels = None


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
    context: UsualContext | None = None  # type: ignore[assignment]  # text in the other form
    batch: None = None  # type: ignore[assignment]  # a batch body is not a message
    integrations: _Object | None = None
    write_key: str | None = None
    metadata: _Object | None = msgspec.field(default=None, name="_metadata")


class _Collected(UsualEnvelope, rename="camel", forbid_unknown_fields=True, gc=False):
    """The same with what collectors add."""

    channel: str | None = None
    category: str | None = None
    version: _Single = None
    project_id: _Single = None
    rudder_id: _Single = None
    request_ip: _Single = msgspec.field(default=None, name="request_ip")
    session_id: _Single = msgspec.field(default=None, name="session_id")


class _AnyContext(_Collected, rename="camel", forbid_unknown_fields=True, gc=False):
    """The same with a context of any members."""

    context: _Object | None = None  # type: ignore[assignment]  # a struct in the other form


class _WithUnknown(_AnyContext, rename="camel", forbid_unknown_fields=False, gc=False):
    """The same beside fields that nobody knows, which are skipped."""


_decode_with_unknown = msgspec.json.Decoder(_WithUnknown).decode


def _checked_with_unknown(text: bytes) -> UsualEnvelope:
    """The fields of a text that may have unknown ones; raises ValueError. The checks are those of the exact way."""
    found = _decode_with_unknown(text)
    if not text.isascii():
        text.decode()
    if is_deep(text) or may_overflow(text):
        raise ValueError
    return found


_WAYS: tuple[Callable[[bytes], UsualEnvelope], ...] = (
    msgspec.json.Decoder(UsualEnvelope).decode,
    msgspec.json.Decoder(_Collected).decode,
    msgspec.json.Decoder(_AnyContext).decode,
    _checked_with_unknown,
)
"""How a text may be decoded. Each way takes more texts than the one before it, and more instructions."""
_REFUSED = (ValueError, RecursionError)  # the reader's own errors are ValueErrors, too


def usual_envelope(text: bytes) -> UsualEnvelope | None:
    """The fields of a JSON text without spaces around it, if it is a message of the usual form."""
    return _decoded(text, 0)[0] if len(text) <= MOST_BYTES else None


def _decoded(text: bytes, first: int) -> tuple[UsualEnvelope | None, int]:
    """The fields of a text by the first way that takes it, from one on, and which that was; the first if none does."""
    for way in range(first, len(_WAYS)):
        try:
            return _WAYS[way](text), way
        except _REFUSED:
            pass
    return None, 0


def usual_envelopes(texts: Iterable[bytes]) -> list[UsualEnvelope | None]:
    """`usual_envelope` of each text.

    What one text needs, such as an unknown field, the next ones probably need, too, and are decoded once.
    """
    found: list[UsualEnvelope | None] = []
    add, rest, text, way = found.append, iter(texts), b"", 0
    while True:
        decode = _WAYS[way]
        try:  # once for many texts
            for text in rest:
                add(decode(text) if len(text) <= MOST_BYTES else None)
        except _REFUSED:
            envelope, way = _decoded(text, way + 1)
            add(envelope)
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
