"""The adapter of the ``jsonlogic`` package: its parser, with the whole standard registered.

The package parses JSON to a tree of operators from a registry, and brings 14 of the operators that the
standard and this library have. Here a copy of its registry is extended: every operator becomes a `Call`,
which keeps its name and its operands. What they mean is left to `compiler`.

Two things of the reference (``json-logic-js``) that the package's parser does not do are done
before it: an object without exactly one key is a plain value, and anything may stand at the root.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from jsonlogic import JSONLogicExpression, JSONLogicSyntaxError, Operator
from jsonlogic.evaluation import EvaluationContext
from jsonlogic.json_schema.types import AnyType, StringType
from jsonlogic.operators import operator_registry
from jsonlogic.operators.operators import BinaryOperator, Minus, Multiply, Plus
from jsonlogic.registry import OperatorRegistry, UnknownOperator
from jsonlogic.resolving import DotReferenceParser
from jsonlogic.typechecking import TypecheckContext, get_type
from jsonlogic.typing import OperatorArgument
from jsonlogic.utils import UNSET

from whereupon.conditions.jsonlogic.expressions import is_call
from whereupon.conditions.jsonlogic.standard import STANDARD, TYPED
from whereupon.conditions.values import JsonValue

Node: TypeAlias = OperatorArgument
"""A `Call`, a plain value, or a list of nodes."""

OBJECT = "@object"
_ROOT = "@root"


@dataclass
class Call(Operator):
    """An operator and its operands, of any number, as in the reference."""

    operands: list[Node]

    @classmethod
    def from_expression(cls, operator: str, arguments: list[Node]) -> "Call":
        """Keep the operands as they are; `validation` has found their faults already."""
        return cls(operator=operator, operands=arguments)

    def typecheck(self, context: TypecheckContext) -> AnyType:  # noqa: ARG002 - the package's signature
        """Find nothing: the result may have any type."""
        return AnyType()

    def evaluate(self, context: EvaluationContext) -> NoReturn:
        """Not supported: trees are compiled, not interpreted."""
        raise NotImplementedError


def registry_of(names: Iterable[str]) -> OperatorRegistry:
    """The package's registry with these operators registered, or replaced, as calls."""
    extend: dict[str, type[Operator]] = dict.fromkeys((*names, OBJECT, _ROOT), Call)
    return operator_registry.copy(extend=extend, force=True)


def type_fault(logic: JsonValue, schema: dict[str, JsonValue]) -> str | None:
    """Why the types of the operands do not fit the operator at the top of the logic.

    Args:
        logic: one call. A text that reads as a number must be a number, and a list has at most one item.
        schema: the JSON Schema of the data. A value without a type there may be anything.
    """
    registry = operator_registry.copy(
        extend={name: Call for name in (*STANDARD, OBJECT) if name not in {"var", *TYPED}},
        force=True,
    )
    quoted = _quoted(logic)
    if not isinstance(quoted, dict):
        return None
    context = TypecheckContext(
        schema,
        {
            "reference_parser": DotReferenceParser(),
            "diagnostics": {"unresolvable_variable": None, "argument_type": None},
        },
    )
    try:
        root = JSONLogicExpression.from_json(quoted).as_operator_tree(registry)
    except (JSONLogicSyntaxError, UnknownOperator):  # which the reader has told of
        return None
    if not isinstance(root, BinaryOperator | Plus | Minus | Multiply):
        return None
    types = [get_type(each, context) for each in _typed_operands(root)]
    if any(isinstance(each, AnyType | StringType) for each in types):
        return None
    root.typecheck(context)
    return next((each.message for each in context.diagnostics if each.operator is root), None)


def _typed_operands(root: BinaryOperator | Plus | Minus | Multiply) -> list[Node]:
    if isinstance(root, Plus | Multiply):
        return root.arguments
    return [root.left] if root.right is UNSET else [root.left, root.right]


def parse_tree(logic: JsonValue, *, registry: OperatorRegistry) -> Node:
    """Parse JSONLogic whose operators are all in ``registry`` and whose depth is bounded."""
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
