"""Interpolation: the fast path for templates that only insert values, without Liquid.

Most templates are like ``Hi {{ person.first_name | default: 'friend' }}!``. A template or data that are less
simple are left to Liquid, which also names what is missing. Both ways give the same text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import JsonValue

LIQUID_PROPERTIES = frozenset({"size", "first", "last"})
"""Keys that Liquid computes if an object does not have them."""
_MOST = 64 * 1024
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", '"': "&#34;"})
"""The escapes of Liquid for data in markup."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A place for a value.

    Attributes:
        root, names: the path of the value in the data: a variable, and the keys from there.
        default: what stands for a missing value.
    """

    root: str
    names: tuple[str, ...]
    default: str | None


Piece: TypeAlias = str | Placeholder


@dataclass(frozen=True, slots=True)
class Layout:
    """A template that only inserts values.

    Attributes:
        texts: its pieces, with an empty text for each placeholder.
        placeholders: each with its place among the pieces.
    """

    texts: tuple[str, ...]
    placeholders: tuple[tuple[int, Placeholder], ...]

    @classmethod
    def of(cls, pieces: Sequence[Piece]) -> "Layout":
        """The template of these pieces."""
        return cls(
            tuple(piece if isinstance(piece, str) else "" for piece in pieces),
            tuple((i, each) for i, each in enumerate(pieces) if isinstance(each, Placeholder)),
        )


def interpolate(
    layout: Layout | None, data: Mapping[str, JsonValue], *, is_markup: bool = False
) -> str | None:
    """The text of a template with the values of the data, escaped in markup; None if Liquid is needed."""
    if layout is None:
        return None
    texts = [*layout.texts]
    for place, placeholder in layout.placeholders:
        text = _text(placeholder, data, is_markup)
        if text is None:
            return None
        texts[place] = text
    whole = "".join(texts)
    return whole if len(whole) <= _MOST else None


def _text(placeholder: Placeholder, data: Mapping[str, JsonValue], is_markup: bool) -> str | None:
    value: object = data.get(placeholder.root)
    for name in placeholder.names:
        if type(value) is not dict and not isinstance(value, Mapping):  # the exact type costs less
            return None
        value = value.get(name)
        if value is None and name in LIQUID_PROPERTIES:
            return None
    if type(value) is int:
        return str(value) if placeholder.default is None else None
    if isinstance(value, str):
        return (value.translate(_ESCAPES) if is_markup else value) or placeholder.default or ""
    return placeholder.default if value is None else None
