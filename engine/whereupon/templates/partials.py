"""Partials: templates that other templates render by name (``{% render 'footer' %}``).

A partial sees the data and the parameters that it is rendered with, never the variables of the template that
renders it. Its name is written out, so which partials a template uses is known when the template is read.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

from liquid import TokenStream
from liquid.ast import Node, Partial
from liquid.builtin.expressions import Identifier, StringLiteral
from liquid.builtin.tags.render_tag import RenderNode, RenderTag
from liquid.exceptions import LiquidSyntaxError

Partials: TypeAlias = tuple[tuple[str, str], ...]
"""Names and sources, in order of names."""

DEEPEST: Final = 10
"""How deep partials may render partials."""


class PartialNode(RenderNode):
    """A place at which a partial is rendered."""

    def partial_scope(self) -> Partial | None:
        """The names that the partial sees beside the data; in a loop `forloop` is one of them."""
        scope = super().partial_scope()
        if scope is None or not self.loop:
            return scope
        in_scope = [*scope.in_scope, Identifier("forloop", token=self.token)]
        return Partial(name=scope.name, scope=scope.scope, in_scope=in_scope, key=scope.key)


class PartialTag(RenderTag):
    """The tag `render`, which names its partial in quotes."""

    node_class = PartialNode

    def parse(self, stream: TokenStream) -> Node:
        """The node; a name that is no text is an error, because it would be known at rendering only."""
        token = stream.current
        node = super().parse(stream)
        if not isinstance(node, RenderNode) or not isinstance(node.name, StringLiteral):
            message = "write the name of the partial in quotes, such as {% render 'footer' %}"
            raise LiquidSyntaxError(message, token=token)
        return node


class Rendered(NamedTuple):
    """One place at which a template renders a partial.

    Attributes:
        line: of the place, from 1.
    """

    name: str
    line: int


def rendered_in(source: str, nodes: Iterator[Node]) -> Iterator[Rendered]:
    """The places at which the nodes of a template render a partial."""
    for node in nodes:
        if isinstance(node, RenderNode):
            yield Rendered(name_of(node), source.count("\n", 0, node.token.start_index) + 1)


def name_of(node: RenderNode) -> str:
    """The name of the partial that a node renders."""
    return str(getattr(node.name, "value", ""))
