"""Templates that only fill in texts, without Liquid's machinery: most of those that people write.

``Hi {{ person.first_name | default: 'friend' }}!`` is such a one. Whatever is not as simple, in the
template or in the data, is left to Liquid, which also says what is missing: the two never differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from liquid import BoundTemplate, Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import (
    Filter,
    FilteredExpression,
    Path,
    PositionalArgument,
    StringLiteral,
)
from liquid.builtin.output import OutputNode
from pydantic import JsonValue

_ROOTS = frozenset({"event", "properties", "context", "person", "timestamp", "type"})
_LIQUIDS_OWN = frozenset({"size", "first", "last"})
_MOST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a value goes: its path in the data, and the text that stands for none."""

    path: tuple[str, ...]
    default: str | None


Piece: TypeAlias = str | Slot


def plain_pieces(template: BoundTemplate) -> tuple[Piece, ...] | None:
    """The texts and slots that make up a template; None if it is not that simple."""
    pieces = [_piece(node) for node in template.nodes]
    return None if None in pieces else tuple(piece for piece in pieces if piece is not None)


def fill(pieces: Sequence[Piece] | None, data: Mapping[str, JsonValue]) -> str | None:
    """The pieces with the data's values; None where Liquid has to judge."""
    if pieces is None:
        return None
    texts: list[str] = []
    for piece in pieces:
        text = piece if type(piece) is str else _text(piece, data)  # type: ignore[arg-type]  # a slot
        if text is None:
            return None
        texts.append(text)
    written = "".join(texts)
    return written if len(written) <= _MOST else None


def _text(slot: Slot, data: Mapping[str, JsonValue]) -> str | None:
    value: object = data
    for name in slot.path:
        if type(value) is not dict and not isinstance(value, Mapping):  # the exact type costs less
            return None
        value = value.get(name)
    if isinstance(value, str):
        return value or slot.default or ""
    if value is None:
        return slot.default
    return str(value) if type(value) is int and slot.default is None else None


def _piece(node: Node) -> Piece | None:
    if isinstance(node, ContentNode):
        return node.text
    if isinstance(node, OutputNode) and isinstance(node.expression, FilteredExpression):
        return _slot(node.expression)
    return None


def _slot(expression: FilteredExpression) -> Slot | None:
    path = expression.left.path if isinstance(expression.left, Path) else []
    names = tuple(name for name in path if isinstance(name, str))
    if len(names) < len(path) or not names or names[0] not in _ROOTS:
        return None
    if not _LIQUIDS_OWN.isdisjoint(names):
        return None
    match expression.filters or []:
        case []:
            return Slot(names, None)
        case [Filter(name="default", args=[PositionalArgument(value=StringLiteral(value=text))])]:
            return Slot(names, text)
        case _:
            return None
