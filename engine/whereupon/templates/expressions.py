"""What stands in a template: its nodes, the expressions in them, and the filters of these."""

from collections.abc import Iterator

from liquid import BoundTemplate, Expression, Node, RenderContext
from liquid.ast import ConditionalBlockNode
from liquid.builtin.expressions import Filter, FilteredExpression, TernaryFilteredExpression
from liquid.builtin.expressions.logical import ContainsExpression
from liquid.builtin.expressions.primitive import RangeLiteral


def nodes_of(template: BoundTemplate) -> Iterator[Node]:
    """Every node, however deep."""
    context = RenderContext(template)
    waiting = list(reversed(template.nodes))
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(list(node.children(context, include_partials=False))))


def filters_of(template: BoundTemplate) -> Iterator[Filter]:
    """Every filter that is called."""
    for node in nodes_of(template):
        for expression in node.expressions():
            yield from _filters_in(expression)


def searched_ranges_of(template: BoundTemplate) -> Iterator[RangeLiteral]:
    """Ranges that `contains` is asked of, which Liquid would go through one by one."""
    for node in nodes_of(template):
        for part in _parts(node):
            if isinstance(part, ContainsExpression) and isinstance(part.left, RangeLiteral):
                yield part.left


def width_of(node: Node, context: RenderContext) -> int:
    """How many values the node may evaluate by itself, before anything below it is rendered."""
    children = node.children(context, include_partials=False)
    chained = (each for each in children if isinstance(each, ConditionalBlockNode))
    return sum(1 for each in (node, *chained) for _ in _parts(each))


def _filters_in(expression: Expression) -> Iterator[Filter]:
    if isinstance(expression, TernaryFilteredExpression):
        yield from expression.left.filters or ()
        yield from expression.filters or ()
        yield from expression.tail_filters or ()
    elif isinstance(expression, FilteredExpression):
        yield from expression.filters or ()


def _parts(node: Node) -> Iterator[Expression]:
    waiting = list(node.expressions())
    while waiting:
        part = waiting.pop()
        yield part
        waiting.extend(part.children())
