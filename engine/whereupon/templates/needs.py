"""What a template needs: the variables without which it cannot be written."""

from collections.abc import Iterator, Sequence

from liquid import Expression, Node, RenderContext
from liquid.builtin.expressions import FilteredExpression, LoopExpression, Path


def needed_below(
    node: Node, context: RenderContext, allowed: frozenset[tuple[str | int, ...]]
) -> Iterator[tuple[str | int, ...]]:
    """The variables that must be there below a node, but for those that are ``allowed`` to miss."""
    conditions: set[tuple[str | int, ...]] = set()
    for expression in node.expressions():
        if isinstance(expression, FilteredExpression):
            yield from set(_written_paths(expression)) - allowed
        elif isinstance(expression, LoopExpression):
            yield from set(_paths_in(expression)) - allowed
        else:
            conditions.update(_paths_in(expression))
    for child in node.children(context, include_partials=False):
        yield from needed_below(child, context, allowed | conditions)


def _written_paths(expression: FilteredExpression) -> Iterator[tuple[str | int, ...]]:
    defaulted = any(f.name == "default" for f in expression.filters or ())
    inner = expression.children()[1:] if defaulted else expression.children()
    for part in inner:
        yield from _paths_in(part)


def _paths_in(expression: Expression) -> Iterator[tuple[str | int, ...]]:
    if isinstance(expression, Path):
        yield plain_path(expression.path)
    for child in expression.children():
        yield from _paths_in(child)


def plain_path(segments: Sequence[object]) -> tuple[str | int, ...]:
    """A variable's path; what is looked up by another variable's value is ``*``."""
    return tuple(s if isinstance(s, str | int) else "*" for s in segments)
