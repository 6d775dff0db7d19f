"""The standard operators: how many operands each uses, and what most of them make of their operands.

`ONE` to `MANY` hold the operators whose operands are all evaluated first. Operands that the reference
ignores (a fourth one of ``<``) are ignored; a missing operand is undefined.
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


STANDARD: Final[Mapping[str, tuple[int, int | None]]] = MappingProxyType(
    {
        "var": (0, 2),
        "missing": (0, None),
        "missing_some": (2, 2),
        "if": (1, None),
        "?:": (1, None),
        "and": (1, None),
        "or": (1, None),
        "!": (1, 1),
        "!!": (1, 1),
        "==": (2, 2),
        "===": (2, 2),
        "!=": (2, 2),
        "!==": (2, 2),
        ">": (2, 2),
        ">=": (2, 2),
        "<": (2, 3),
        "<=": (2, 3),
        "max": (0, None),
        "min": (0, None),
        "+": (0, None),
        "-": (1, 2),
        "*": (1, None),
        "/": (2, 2),
        "%": (2, 2),
        "map": (2, 2),
        "reduce": (3, 3),
        "filter": (2, 2),
        "all": (2, 2),
        "none": (2, 2),
        "some": (2, 2),
        "merge": (0, None),
        "in": (2, 2),
        "cat": (0, None),
        "substr": (2, 3),
        "log": (1, 1),
    }
)
"""The operators of the reference implementation, each with the fewest and the most operands it uses."""

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
