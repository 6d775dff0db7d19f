"""The standard operators whose operands are all evaluated first, by how many operands they take.

What the reference ignores (a fourth operand of ``<``) is ignored; what it lacks is undefined.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from whereupon.conditions.jsonlogic.coercion import (
    is_at_most,
    is_less,
    is_truthy,
    loosely_equal,
    strictly_equal,
)
from whereupon.conditions.jsonlogic.functions import (
    cat,
    difference,
    greatest,
    is_in,
    least,
    merge,
    product,
    quotient,
    remainder,
    substr,
    total,
)
from whereupon.conditions.values import UNDEFINED, JsonValue

One: TypeAlias = Callable[[JsonValue], JsonValue]
Two: TypeAlias = Callable[[JsonValue, JsonValue], JsonValue]
Three: TypeAlias = Callable[[JsonValue, JsonValue, JsonValue], JsonValue]
Many: TypeAlias = Callable[[list[JsonValue]], JsonValue]


def _increasing(first: JsonValue, second: JsonValue, third: JsonValue) -> JsonValue:
    """``<``: with a third operand, strictly between."""
    return is_less(first, second) and (third is UNDEFINED or is_less(second, third))


def _not_decreasing(first: JsonValue, second: JsonValue, third: JsonValue) -> JsonValue:
    """``<=``: with a third operand, between or equal."""
    return is_at_most(first, second) and (third is UNDEFINED or is_at_most(second, third))


ONE: Final[Mapping[str, One]] = MappingProxyType(
    {
        "!": lambda value: not is_truthy(value),
        "!!": is_truthy,
        # The reference prints it; a condition writes nothing.
        "log": lambda value: value,
    }
)
TWO: Final[Mapping[str, Two]] = MappingProxyType(
    {
        "==": loosely_equal,
        "!=": lambda left, right: not loosely_equal(left, right),
        "===": strictly_equal,
        "!==": lambda left, right: not strictly_equal(left, right),
        ">": lambda left, right: is_less(right, left),
        ">=": lambda left, right: is_at_most(right, left),
        "-": difference,
        "/": quotient,
        "%": remainder,
        "in": is_in,
    }
)
THREE: Final[Mapping[str, Three]] = MappingProxyType(
    {"<": _increasing, "<=": _not_decreasing, "substr": substr}
)
MANY: Final[Mapping[str, Many]] = MappingProxyType(
    {
        "+": total,
        "*": product,
        "max": greatest,
        "min": least,
        "cat": cat,
        "merge": merge,
    }
)
