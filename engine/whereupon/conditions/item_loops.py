"""The closures of `items`: tests of each item of a list, and what reads outside of the item."""

from collections.abc import Callable
from typing import Final

from whereupon.conditions.item_tests import OUTER
from whereupon.conditions.jsonlogic.coercion import is_truthy
from whereupon.conditions.jsonlogic.tree import Call, Node
from whereupon.conditions.operators import Addition
from whereupon.conditions.operators.equality import ONE_OF
from whereupon.conditions.operators.operands import INSTANT
from whereupon.conditions.paths import follow, parts_of
from whereupon.conditions.scope import Closure, Scope
from whereupon.conditions.values import JsonValue


def is_outer(node: Node) -> bool:
    """Whether a node reads outside of an item."""
    return isinstance(node, Call) and node.operator == OUTER


def outer_value(call: Call, default: Closure) -> Closure:
    """What stands at a path outside of the item."""
    parts = parts_of(str(call.operands[0]))

    def read(data: JsonValue, scope: Scope) -> JsonValue:
        value = follow(scope.root, parts, None)
        return default(data, scope) if value is None else value

    return read


def tested_beside(addition: Addition, read: Closure, wanted: Closure, zone: str | None) -> Closure:
    """An addition whose operand stands outside of the item; false if that is missing or cannot be one."""
    make_test = addition.test
    if make_test is None:
        return lambda data, scope: False  # noqa: ARG005 - a Closure

    def holds(data: JsonValue, scope: Scope) -> JsonValue:
        value, operand = read(data, scope), wanted(data, scope)
        is_list = isinstance(operand, list)
        if value is None or operand is None or isinstance(operand, dict):
            return False
        if is_list and addition is not ONE_OF:
            return False
        scope.spend(1)
        scope.weigh(value)
        scope.weigh(operand)
        if zone is not None and isinstance(operand, str) and INSTANT.on_clock is not None:
            operand = INSTANT.on_clock(operand, zone)
        return make_test(operand)(value)

    return holds


def item_test(operator: str, items: Closure, each: Closure, weight: int) -> Closure:
    """Whether the items of a list satisfy a condition; false if there is no list.

    Args:
        weight: the work of the condition of one item.
    """
    decide = _DECIDE[operator]

    def holds(data: JsonValue, scope: Scope) -> JsonValue:
        value = items(data, scope)
        if not isinstance(value, list):
            return False
        scope.spend(len(value) * weight)
        return decide(value, lambda item: is_truthy(each(item, scope)))

    return holds


def weight_of(node: Node) -> int:
    """The number of operators in a node."""
    if isinstance(node, list):
        return sum(map(weight_of, node))
    return 1 + sum(map(weight_of, node.operands)) if isinstance(node, Call) else 0


_DECIDE: Final[dict[str, Callable[[list[JsonValue], Callable[[JsonValue], bool]], bool]]] = {
    "@any_item": lambda items, holds: any(map(holds, items)),
    "@all_items": lambda items, holds: all(map(holds, items)),
    "@no_item": lambda items, holds: not any(map(holds, items)),
}
