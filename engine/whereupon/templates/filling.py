"""Templates that only fill in texts, without Liquid's machinery: most of those that people write.

``Hi {{ person.first_name | default: 'friend' }}!`` is such a one. Whatever is not as simple, in the
template (`plain`) or in the data, is left to Liquid, which also says what is missing: the two never
differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import JsonValue

_MOST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a value goes: its path in the data, and the text that stands for none."""

    path: tuple[str, ...]
    default: str | None


Piece: TypeAlias = str | Slot


def fill(pieces: Sequence[Piece] | None, data: Mapping[str, JsonValue]) -> str | None:
    """The pieces with the data's values; None where Liquid has to judge."""
    if pieces is None:
        return None
    written = [piece if isinstance(piece, str) else _text(piece, data) for piece in pieces]
    texts = [text for text in written if text is not None]
    if len(texts) < len(written) or sum(map(len, texts)) > _MOST:
        return None
    return "".join(texts)


def _text(slot: Slot, data: Mapping[str, JsonValue]) -> str | None:
    value: object = data
    for name in slot.path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    if isinstance(value, str):
        return value or slot.default or ""
    if value is None:
        return slot.default
    return str(value) if type(value) is int and slot.default is None else None
