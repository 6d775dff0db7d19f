"""Templates that only fill in texts, without Liquid's machinery: most of those that people write.

``Hi {{ person.first_name | default: 'friend' }}!`` is such a one. Whatever is not as simple, in the
template (`plain`) or in the data, is left to Liquid, which also says what is missing: the two never
differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import JsonValue

LIQUIDS_OWN = frozenset({"size", "first", "last"})
"""Where an object has no such key, Liquid has an answer of its own."""
_MOST = 64 * 1024
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", '"': "&#34;"})
"""As Liquid escapes data in markup."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a value goes: its path in the data, and the text that stands for none."""

    path: tuple[str, ...]
    default: str | None


Piece: TypeAlias = str | Slot


def fill(
    pieces: Sequence[Piece] | None, data: Mapping[str, JsonValue], *, is_markup: bool = False
) -> str | None:
    """The pieces with the data's values, escaped in markup; None where Liquid has to judge."""
    if pieces is None:
        return None
    texts: list[str] = []
    length = 0
    for piece in pieces:
        text = piece if type(piece) is str else _text(piece, data, is_markup)  # type: ignore[arg-type]  # a slot
        if text is None:
            return None
        length += len(text)
        if length > _MOST:
            return None
        texts.append(text)
    return "".join(texts)


def _text(slot: Slot, data: Mapping[str, JsonValue], is_markup: bool) -> str | None:
    value: object = data
    for name in slot.path:
        if type(value) is not dict and not isinstance(value, Mapping):  # the exact type costs less
            return None
        value = value.get(name)
        if value is None and name in LIQUIDS_OWN:
            return None
    if isinstance(value, str):
        return (value.translate(_ESCAPES) if is_markup else value) or slot.default or ""
    if value is None:
        return slot.default
    return str(value) if type(value) is int and slot.default is None else None
