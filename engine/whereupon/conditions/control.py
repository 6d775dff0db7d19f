"""The operators of JSONLogic that decide what to evaluate: choices, conjunctions and loops over lists.

Each takes its operands as closures and gives a closure. In a loop the item takes the data's place.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from whereupon.conditions.coercion import is_truthy
from whereupon.conditions.condition import Evaluator, History
from whereupon.conditions.values import UNDEFINED, JsonValue

Builder: TypeAlias = Callable[[list[Evaluator]], Evaluator]


def constant(value: JsonValue) -> Evaluator:
    """A closure that gives this value."""

    def give(data: JsonValue, history: History) -> JsonValue:  # noqa: ARG001 - an Evaluator
        return value

    return give


def as_test(evaluate: Evaluator) -> Evaluator:
    """The same closure, giving true or false as JSONLogic understands its value."""

    def test(data: JsonValue, history: History) -> JsonValue:
        return is_truthy(evaluate(data, history))

    return test


def _choice(operands: list[Evaluator]) -> Evaluator:
    """``if``: pairs of a condition and a value, then a value for else; without one, null."""
    pairs = tuple(zip(operands[0::2], operands[1::2], strict=False))
    otherwise = operands[-1] if len(operands) % 2 else constant(None)

    def choose(data: JsonValue, history: History) -> JsonValue:
        for condition, value in pairs:
            if is_truthy(condition(data, history)):
                return value(data, history)
        return otherwise(data, history)

    return choose


def _conjunction(operands: list[Evaluator]) -> Evaluator:
    """``and``: the first value that is false, else the last; of nothing, undefined."""

    def evaluate(data: JsonValue, history: History) -> JsonValue:
        value = UNDEFINED
        for operand in operands:
            value = operand(data, history)
            if value is not True and not is_truthy(value):
                return value
        return value

    return evaluate


def _disjunction(operands: list[Evaluator]) -> Evaluator:
    """``or``: the first value that is true, else the last; of nothing, undefined."""

    def evaluate(data: JsonValue, history: History) -> JsonValue:
        value = UNDEFINED
        for operand in operands:
            value = operand(data, history)
            if value is True or is_truthy(value):
                return value
        return value

    return evaluate


def _mapped(operands: list[Evaluator]) -> Evaluator:
    source, each = _loop(operands)

    def evaluate(data: JsonValue, history: History) -> JsonValue:
        items = source(data, history)
        return [each(item, history) for item in items] if isinstance(items, list) else []

    return evaluate


def _filtered(operands: list[Evaluator]) -> Evaluator:
    source, each = _loop(operands)

    def evaluate(data: JsonValue, history: History) -> JsonValue:
        items = source(data, history)
        if not isinstance(items, list):
            return []
        return [item for item in items if is_truthy(each(item, history))]

    return evaluate


def _reduced(operands: list[Evaluator]) -> Evaluator:
    source, each = _loop(operands)
    initial = operands[2] if len(operands) > 2 else constant(None)  # noqa: PLR2004 - the third

    def evaluate(data: JsonValue, history: History) -> JsonValue:
        items = source(data, history)
        result = initial(data, history)
        for item in items if isinstance(items, list) else ():
            result = each({"current": item, "accumulator": result}, history)
        return result

    return evaluate


def _all(operands: list[Evaluator]) -> Evaluator:
    """``all``: of no items, false, unlike Python's."""
    source, each = _loop(operands)

    def evaluate(data: JsonValue, history: History) -> JsonValue:
        items = source(data, history)
        if not isinstance(items, list) or not items:
            return False
        return all(is_truthy(each(item, history)) for item in items)

    return evaluate


def _some(operands: list[Evaluator]) -> Evaluator:
    source, each = _loop(operands)

    def evaluate(data: JsonValue, history: History) -> JsonValue:
        items = source(data, history)
        if not isinstance(items, list):
            return False
        return any(is_truthy(each(item, history)) for item in items)

    return evaluate


def _none(operands: list[Evaluator]) -> Evaluator:
    some = _some(operands)

    def evaluate(data: JsonValue, history: History) -> JsonValue:
        return not some(data, history)

    return evaluate


def _loop(operands: list[Evaluator]) -> tuple[Evaluator, Evaluator]:
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
