"""From a tree of operators to nested closures: the evaluator of whatever `generating` leaves to it.

A closure takes the data and the person's history, and gives a value; nothing is looked up by name
while it runs. An operator is found in one of the tables: `control`, `standard`, `additions`.
"""

from collections.abc import Mapping
from typing import Final, TypeVar, cast

import whereupon.conditions.additions as additions
import whereupon.conditions.shortcuts as shortcuts
from whereupon.conditions.condition import Evaluator, Performed
from whereupon.conditions.control import CONTROL, constant
from whereupon.conditions.jsonlogic.coercion import is_plain
from whereupon.conditions.jsonlogic.expressions import STANDARD
from whereupon.conditions.jsonlogic.standard import MANY, ONE, THREE, TWO, Many, One, Three, Two
from whereupon.conditions.jsonlogic.tree import (
    OBJECT,
    Call,
    Node,
    object_of,
    parse_tree,
    registry_of,
)
from whereupon.conditions.paths import look_up, missing, missing_some
from whereupon.conditions.scope import Closure, Scope, scoped
from whereupon.conditions.values import UNDEFINED, JsonValue

_REGISTRY: Final = registry_of((*STANDARD, *additions.NAMES))
_Values = TypeVar("_Values", tuple[JsonValue, JsonValue], tuple[JsonValue, ...], list[JsonValue])
_LACKING: Final = constant(UNDEFINED)


def evaluator_of(logic: JsonValue, *, questions: Mapping[str, Performed]) -> Evaluator:
    """The evaluator of logic whose operators are standard or our own; raises `SpentError` for too much."""
    tree = parse_tree(logic, registry=_REGISTRY)
    return scoped(compile_tree(tree, questions=questions))


def compile_tree(node: Node, *, questions: Mapping[str, Performed]) -> Closure:
    """The closure of a tree. ``questions`` are what ``@performed`` asks, by the question's JSON."""
    if isinstance(node, list):
        return _listed([compile_tree(item, questions=questions) for item in node])
    if not isinstance(node, Call):
        return constant(cast("JsonValue", node))
    if node.operator == OBJECT:
        return constant(object_of(node))
    if node.operator == additions.PERFORMED:
        return additions.asking(questions[_question(node)])
    quick = _quick(node)
    if quick is not None:
        return quick
    operands = [compile_tree(operand, questions=questions) for operand in node.operands]
    return _general(node.operator, operands)


def _quick(call: Call) -> Closure | None:
    """A closure that has its operands built in, where they are plain enough."""
    own_path = _fixed_path(call)
    if own_path is not None:
        return shortcuts.reader(own_path)
    if len(call.operands) != 2:  # noqa: PLR2004 - a variable and a fixed value
        return None
    first, second = call.operands
    path = _fixed_path(first)
    if path is not None:
        return _beside(call.operator, path, second, required=False)
    required = _required_path(first) if call.operator == "and" else None
    if required is None or not isinstance(second, Call) or len(second.operands) != 2:  # noqa: PLR2004
        return None
    left, right = second.operands
    if _fixed_path(left) != required or isinstance(right, Call):
        return None
    return _beside(second.operator, required, right, required=True)


def _beside(operator: str, path: str, fixed: Node, *, required: bool) -> Closure | None:
    """A closure for a variable beside a fixed value; nothing holds for null where it is required."""
    read = shortcuts.reader(path)
    if isinstance(fixed, str | int | float) and is_plain(fixed):
        quick = shortcuts.shortcut(operator, path, fixed, required=required)
        if quick is not None:
            return quick
    if operator in additions.NAMES:
        return additions.addition(operator, read, cast("JsonValue", fixed))
    if fixed is None and operator in {"==", "!="} and not required:
        return shortcuts.presence(read, wanted=operator == "!=")
    return None


def _required_path(node: Node) -> str | None:
    """The path of ``{"!=": [variable, null]}``."""
    if not isinstance(node, Call) or node.operator != "!=" or len(node.operands) != 2:  # noqa: PLR2004
        return None
    return _fixed_path(node.operands[0]) if node.operands[1] is None else None


def _fixed_path(node: Node) -> str | None:
    """The path of a ``var`` that is written out and has no default."""
    if not isinstance(node, Call) or node.operator != "var" or len(node.operands) != 1:
        return None
    path = node.operands[0]
    return path if isinstance(path, str) and path else None


def _question(call: Call) -> str:
    """The JSON of what ``@performed`` asks, as the tree has quoted it."""
    quoted = call.operands[0]
    return str(quoted.operands[0]) if isinstance(quoted, Call) else ""


def _general(name: str, operands: list[Closure]) -> Closure:
    if name in CONTROL:
        return CONTROL[name](operands)
    first, second, third, *_ = (*operands, _LACKING, _LACKING, _LACKING)
    if name in ONE:
        return _one(ONE[name], first)
    if name in TWO:
        return _two(TWO[name], first, second)
    if name in THREE:
        return _three(THREE[name], first, second, third)
    if name in MANY:
        return _many(MANY[name], operands)
    return _reading(name, operands)


def _one(apply: One, first: Closure) -> Closure:
    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        scope.spend(1)
        return apply(first(data, scope))

    return evaluate


def _two(apply: Two, first: Closure, second: Closure) -> Closure:
    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        return apply(*_weighed((first(data, scope), second(data, scope)), scope))

    return evaluate


def _three(apply: Three, first: Closure, second: Closure, third: Closure) -> Closure:
    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        values = (first(data, scope), second(data, scope), third(data, scope))
        return apply(*_weighed(values, scope))

    return evaluate


def _many(apply: Many, operands: list[Closure]) -> Closure:
    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        return apply(_weighed([operand(data, scope) for operand in operands], scope))

    return evaluate


def _weighed(values: _Values, scope: Scope) -> _Values:
    """The operands, counted before anything is made of them."""
    scope.spend(1 + len(values))
    for value in values:
        scope.weigh(value)
    return values


def _listed(items: list[Closure]) -> Closure:
    """A list in a rule is made anew each time, so that it is equal to no other, as in JavaScript."""

    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        scope.spend(len(items))
        return [item(data, scope) for item in items]

    return evaluate


def _reading(name: str, operands: list[Closure]) -> Closure:
    """``var``, ``missing`` and ``missing_some``, which look at the data itself."""

    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        values = _weighed([operand(data, scope) for operand in operands], scope)
        if name == "missing":
            return list(missing(data, values))
        first, second, *_ = (*values, UNDEFINED, UNDEFINED)
        read = look_up if name == "var" else missing_some
        return read(data, first, second)

    return evaluate
