"""The syntax tree of a template: nodes, expressions, filters, and the variables that it requires."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from liquid import BoundTemplate, Expression, Node, RenderContext
from liquid.ast import ConditionalBlockNode
from liquid.builtin.expressions import (
    Filter,
    FilteredExpression,
    LoopExpression,
    Path,
    TernaryFilteredExpression,
)
from liquid.builtin.expressions.logical import ContainsExpression
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.builtin.tags.render_tag import RenderNode

from whereupon.templates.partials import name_of
from whereupon.templates.places import VariablePath


def nodes_of(template: BoundTemplate) -> Iterator[Node]:
    """Every node, at any depth."""
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
    """Ranges to the left of `contains`, which Liquid would search item by item."""
    for node in nodes_of(template):
        for part in _parts(node):
            if isinstance(part, ContainsExpression) and isinstance(part.left, RangeLiteral):
                yield part.left


def is_only_written(template: BoundTemplate, root: str) -> bool:
    """Whether every variable of a root is a name that is written as it is, and nothing is made of it."""
    context = RenderContext(template)
    waiting = [(node, False) for node in template.nodes]
    while waiting:
        node, is_kept = waiting.pop()
        mentioned = [e for e in node.expressions() if any(p[0] == root for p in _paths_in(e))]
        if mentioned and (is_kept or not isinstance(node, OutputNode)):
            return False
        if any(not _is_name_of(expression, root) for expression in mentioned):
            return False
        inner = node.children(context, include_partials=False)
        waiting += [(each, is_kept or isinstance(node, CaptureNode)) for each in inner]
    return True


def _is_name_of(expression: Expression, root: str) -> bool:
    """Whether an expression is ``root.NAME``, without a filter."""
    if not isinstance(expression, FilteredExpression) or expression.filters:
        return False
    match expression.left.path if isinstance(expression.left, Path) else ():
        case [first, str(name)]:
            return first == root and _NAME.fullmatch(name) is not None
    return False


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def width_of(node: Node, context: RenderContext) -> int:
    """The most values that a node evaluates itself, before the nodes below it."""
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


@lru_cache(maxsize=4096)
def required_by(template: BoundTemplate) -> frozenset[VariablePath]:
    """The variables that a template and its partials require."""
    context, none = RenderContext(template), frozenset[VariablePath]()
    return frozenset(p for node in template.nodes for p in _required_below(node, context, none))


def _required_below(
    node: Node, context: RenderContext, allowed: frozenset[VariablePath]
) -> Iterator[VariablePath]:
    """The variables that the nodes below require, except those that are ``allowed`` to be missing."""
    if isinstance(node, RenderNode):
        yield from _required_by_partial(node, context) - allowed
        return
    conditions: set[VariablePath] = set()
    for expression in node.expressions():
        if isinstance(expression, FilteredExpression):
            yield from set(_written_paths(expression)) - allowed
        elif isinstance(expression, LoopExpression):
            yield from set(_paths_in(expression)) - allowed
        else:
            conditions.update(_paths_in(expression))
    for child in node.children(context, include_partials=False):
        yield from _required_below(child, context, allowed | conditions)


def _required_by_partial(node: RenderNode, context: RenderContext) -> set[VariablePath]:
    """What a partial requires, with what its parameters are given in place of their names."""
    inner = required_by(context.env.get_template(name_of(node)))
    given = {argument.name: argument.value for argument in node.args}
    bound = None if node.var is None else str(node.alias or name_of(node))
    needed: set[VariablePath] = set()
    if node.var is not None and (node.loop or any(path[0] == bound for path in inner)):
        needed.update(_paths_in(node.var))
    for root, *rest in inner:
        if root in given:
            needed.update(path + tuple(rest) for path in _paths_in(given[str(root)]))
        elif root != bound:
            needed.add((root, *rest))
    return needed


def _written_paths(expression: FilteredExpression) -> Iterator[VariablePath]:
    defaulted = any(f.name == "default" for f in expression.filters or ())
    inner = expression.children()[1:] if defaulted else expression.children()
    for part in inner:
        yield from _paths_in(part)


def _paths_in(expression: Expression) -> Iterator[VariablePath]:
    if isinstance(expression, Path):
        yield variable_path(expression.path)
    for child in expression.children():
        yield from _paths_in(child)


def variable_path(segments: Sequence[object]) -> VariablePath:
    """The path of a variable; a key that another variable gives is ``*``."""
    return tuple(s if isinstance(s, str | int) else "*" for s in segments)
