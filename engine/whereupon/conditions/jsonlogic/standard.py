"""The standard operators: how many operands each uses, and what most of them make of their operands.

`ONE` to `MANY` hold the operators whose operands are all evaluated first. Operands that the reference
ignores (a fourth one of ``<``) are ignored; a missing operand is undefined.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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


def _differs(left: JsonValue, right: JsonValue) -> bool:
    return not loosely_equal(left, right)


def _strictly_differs(left: JsonValue, right: JsonValue) -> bool:
    return not strictly_equal(left, right)


def _is_greater(left: JsonValue, right: JsonValue) -> bool:
    return is_less(right, left)


def _is_at_least(left: JsonValue, right: JsonValue) -> bool:
    return is_at_most(right, left)


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
        **dict.fromkeys(("if", "?:", "and", "or"), (1, None)),
        **dict.fromkeys(("!", "!!"), (1, 1)),
        **dict.fromkeys(("==", "===", "!=", "!==", ">", ">="), (2, 2)),
        **dict.fromkeys(("<", "<="), (2, 3)),
        **dict.fromkeys(("max", "min", "+"), (0, None)),
        "-": (1, 2),
        "*": (1, None),
        **dict.fromkeys(("/", "%", "map"), (2, 2)),
        "reduce": (3, 3),
        **dict.fromkeys(("filter", "all", "none", "some"), (2, 2)),
        "merge": (0, None),
        "in": (2, 2),
        "cat": (0, None),
        "substr": (2, 3),
        "log": (1, 1),
    }
)
"""The operators of the reference implementation, each with the fewest and the most operands it uses."""

LOOPS: Final = ("map", "filter", "all", "none", "some", "reduce")
"""The operators whose second operand reads an item of a list, not the data."""
READERS: Final = ("var", "missing", "missing_some")
"""The operators whose operands are paths."""
TYPED: Final = (">", ">=", "<", "<=", "+", "-", "*", "/", "%")
"""The operators that need numbers."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A standard operator that compares two values.

    Attributes:
        holds: whether it is true of two values.
        words: the operator between two values in a sentence.
        short_form: the name of the operator of the short form that compares so.
        mirrored: the comparison with its sides exchanged; None if there is none.
        is_order: it compares by order, and counts null as 0.
    """

    holds: Two
    words: str
    short_form: str
    mirrored: str | None
    is_order: bool = False


COMPARISONS: Final[Mapping[str, Comparison]] = MappingProxyType(
    {
        "==": Comparison(loosely_equal, "is", "eq", "=="),
        "===": Comparison(strictly_equal, "is exactly", "eq", "==="),
        "!=": Comparison(_differs, "is not", "ne", "!="),
        "!==": Comparison(_strictly_differs, "is not exactly", "ne", "!=="),
        ">": Comparison(_is_greater, "is greater than", "gt", "<", is_order=True),
        ">=": Comparison(_is_at_least, "is at least", "gte", "<=", is_order=True),
        "<": Comparison(is_less, "is less than", "lt", ">", is_order=True),
        "<=": Comparison(is_at_most, "is at most", "lte", ">=", is_order=True),
        "in": Comparison(is_in, "is in", "in", None),
    }
)

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
        **{name: COMPARISONS[name].holds for name in COMPARISONS if name not in {"<", "<="}},
        "-": difference,
        "/": quotient,
        "%": remainder,
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
