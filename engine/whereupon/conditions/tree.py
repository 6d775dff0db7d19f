"""The one place that knows the ``jsonlogic`` package: its parser, with the whole standard registered.

The package parses JSON to a tree of operators from a registry, and ships 14 operators of the 36
that the standard and this library have. Here a copy of its registry is extended: every operator
becomes a `Call`, which keeps its name and its operands and leaves their meaning to `compiling`.

Two things of the reference (``json-logic-js``) that the package's parser does not do are done
before it: an object without exactly one key is a plain value, and anything may stand at the root.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from jsonlogic import JSONLogicExpression, Operator
from jsonlogic.evaluation import EvaluationContext
from jsonlogic.operators import operator_registry
from jsonlogic.registry import OperatorRegistry
from jsonlogic.typing import OperatorArgument

from whereupon.conditions.operators import is_call
from whereupon.conditions.values import JsonValue

Node: TypeAlias = OperatorArgument
"""A `Call`, a plain value, or a list of nodes."""

OBJECT = "@object"
_ROOT = "@root"


@dataclass
class Call(Operator):
    """An operator and its operands, of any number: the reference takes what it is given."""

    operands: list[Node]

    @classmethod
    def from_expression(cls, operator: str, arguments: list[Node]) -> "Call":
        """Keep the operands as they are; `spelling` has already said what is odd about them."""
        return cls(operator=operator, operands=arguments)

    def evaluate(self, context: EvaluationContext) -> NoReturn:
        """Refuse: trees are compiled, never walked for an answer."""
        raise NotImplementedError


def registry_of(names: Iterable[str]) -> OperatorRegistry:
    """The package's registry with these operators registered, or replaced, as calls."""
    extend: dict[str, type[Operator]] = dict.fromkeys((*names, OBJECT, _ROOT), Call)
    return operator_registry.copy(extend=extend, force=True)


def parse_tree(logic: JsonValue, *, registry: OperatorRegistry) -> Node:
    """Parse JSONLogic whose operators are all in ``registry`` and whose depth has been bounded."""
    expression = JSONLogicExpression.from_json({_ROOT: [_quoted(logic)]})
    root = expression.as_operator_tree(registry)
    return root.operands[0] if isinstance(root, Call) else root


def object_of(call: Call) -> JsonValue:
    """The plain object that a call to `OBJECT` stands for."""
    text = call.operands[0]
    value: JsonValue = json.loads(text) if isinstance(text, str) else None
    return value


def _quoted(logic: JsonValue) -> JsonValue:
    if isinstance(logic, list):
        return [_quoted(item) for item in logic]
    if not isinstance(logic, dict):
        return logic
    if not is_call(logic):
        return {OBJECT: [json.dumps(logic)]}
    return {name: _quoted(operands) for name, operands in logic.items()}
