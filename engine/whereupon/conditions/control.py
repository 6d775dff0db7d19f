"""The operators of JSONLogic that decide what to evaluate: choices, conjunctions and loops over lists.

Each takes its operands as closures and gives a closure. In a loop the item takes the data's place.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from whereupon.conditions.condition import Evaluator, History
from whereupon.conditions.jsonlogic.coercion import is_truthy
from whereupon.conditions.scope import Closure, Scope
from whereupon.conditions.values import UNDEFINED, JsonValue

Builder: TypeAlias = Callable[[list[Closure]], Closure]


def constant(value: JsonValue) -> Closure:
    """A closure that gives this value."""

    def give(data: JsonValue, scope: Scope) -> JsonValue:  # noqa: ARG001 - a Closure
        return value

    return give


def as_test(evaluate: Evaluator) -> Evaluator:
    """The same closure, giving true or false as JSONLogic understands its value."""

    def test(data: JsonValue, history: History) -> JsonValue:
        return is_truthy(evaluate(data, history))

    return test


def _choice(operands: list[Closure]) -> Closure:
    """``if``: pairs of a condition and a value, then a value for else; without one, null."""
    pairs = tuple(zip(operands[0::2], operands[1::2], strict=False))
    otherwise = operands[-1] if len(operands) % 2 else constant(None)

    def choose(data: JsonValue, scope: Scope) -> JsonValue:
        for condition, value in pairs:
            if is_truthy(condition(data, scope)):
                return value(data, scope)
        return otherwise(data, scope)

    return choose


def _conjunction(operands: list[Closure]) -> Closure:
    """``and``: the first value that is false, else the last; of nothing, undefined."""

    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        value = UNDEFINED
        for operand in operands:
            value = operand(data, scope)
            if value is not True and not is_truthy(value):
                return value
        return value

    return evaluate


def _disjunction(operands: list[Closure]) -> Closure:
    """``or``: the first value that is true, else the last; of nothing, undefined."""

    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        value = UNDEFINED
        for operand in operands:
            value = operand(data, scope)
            if value is True or is_truthy(value):
                return value
        return value

    return evaluate


def _mapped(operands: list[Closure]) -> Closure:
    source, each = _loop(operands)

    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        items = _items(source(data, scope), scope)
        return [each(item, scope) for item in items]

    return evaluate


def _filtered(operands: list[Closure]) -> Closure:
    source, each = _loop(operands)

    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        items = _items(source(data, scope), scope)
        return [item for item in items if is_truthy(each(item, scope))]

    return evaluate


def _reduced(operands: list[Closure]) -> Closure:
    source, each = _loop(operands)
    initial = operands[2] if len(operands) > 2 else constant(None)  # noqa: PLR2004 - the third

    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        items = _items(source(data, scope), scope)
        result = initial(data, scope)
        for item in items:
            result = each({"current": item, "accumulator": result}, scope)
        return result

    return evaluate


def _all(operands: list[Closure]) -> Closure:
    """``all``: of no items, false, unlike Python's."""
    source, each = _loop(operands)

    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        items = _items(source(data, scope), scope)
        return bool(items) and all(is_truthy(each(item, scope)) for item in items)

    return evaluate


def _some(operands: list[Closure]) -> Closure:
    source, each = _loop(operands)

    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        items = _items(source(data, scope), scope)
        return any(is_truthy(each(item, scope)) for item in items)

    return evaluate


def _none(operands: list[Closure]) -> Closure:
    some = _some(operands)

    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        return not some(data, scope)

    return evaluate


def _items(value: JsonValue, scope: Scope) -> list[JsonValue]:
    """What a loop goes through: nothing, where the value is no list."""
    if not isinstance(value, list):
        return []
    scope.spend(len(value))
    return value


def _loop(operands: list[Closure]) -> tuple[Closure, Closure]:
    source, each, *_ = (*operands, constant(UNDEFINED), constant(UNDEFINED))
    return source, each


CONTROL: Final[Mapping[str, Builder]] = MappingProxyType(
    {
        "if": _choice,
        "?:": _choice,
        "and": _conjunction,
        "or": _disjunction,
        "map": _mapped,
        "filter": _filtered,
        "reduce": _reduced,
        "all": _all,
        "some": _some,
        "none": _none,
    }
)
