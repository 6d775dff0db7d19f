"""Which templates are plain enough to be filled in without Liquid (see `filling`)."""

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

from whereupon.templates.filling import Piece, Slot

_ROOTS = frozenset({"event", "properties", "context", "person", "timestamp", "type"})


def plain_pieces(template: BoundTemplate) -> tuple[Piece, ...] | None:
    """The texts and slots that make up a template; None if it is not that simple."""
    pieces = [_piece(node) for node in template.nodes]
    return None if None in pieces else tuple(piece for piece in pieces if piece is not None)


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
    match expression.filters or []:
        case []:
            return Slot(names, None)
        case [Filter(name="default", args=[PositionalArgument(value=StringLiteral(value=text))])]:
            return Slot(names, text)
        case _:
            return None
