"""The arithmetic of JSONLogic, on IEEE doubles: division by zero is infinite, nonsense is NaN."""

import math

from whereupon.conditions.coercion import NAN, as_number, leading_number
from whereupon.conditions.values import UNDEFINED, JsonValue


def total(terms: list[JsonValue]) -> JsonValue:
    """``+``: the sum of the numbers that the operands begin with; one operand becomes a number."""
    result = 0.0
    for term in terms:
        result += leading_number(term)
    return result


def product(factors: list[JsonValue]) -> JsonValue:
    """``*``: one operand stays as it is, as in the reference; none at all is null, where it throws."""
    if len(factors) < 2:  # noqa: PLR2004 - nothing to multiply
        return factors[0] if factors else None
    first, second, *more = factors
    result = leading_number(first) * leading_number(second)
    for factor in more:
        # A minus zero is written "0" between two multiplications, as parseFloat reads it.
        result = (result + 0.0) * leading_number(factor)
    return result


def difference(left: JsonValue, right: JsonValue) -> JsonValue:
    """``-``: with one operand, its opposite."""
    if right is UNDEFINED:
        return -as_number(left)
    return as_number(left) - as_number(right)


def quotient(left: JsonValue, right: JsonValue) -> JsonValue:
    """``/``: by zero, an infinity of the sign that the two zeros and numbers make."""
    dividend, divisor = as_number(left), as_number(right)
    if divisor != 0.0:
        return dividend / divisor
    if dividend == 0.0 or math.isnan(dividend):
        return NAN
    return math.copysign(math.inf, dividend) * math.copysign(1.0, divisor)


def remainder(left: JsonValue, right: JsonValue) -> JsonValue:
    """``%``: with the sign of the dividend, unlike Python's."""
    dividend, divisor = as_number(left), as_number(right)
    if math.isinf(dividend) or divisor == 0.0:
        return NAN
    return math.fmod(dividend, divisor)


def greatest(values: list[JsonValue]) -> JsonValue:
    """``max``: of nothing, minus infinity; NaN if any operand is; zero is above minus zero."""
    numbers = [as_number(value) for value in values]
    if any(map(math.isnan, numbers)):
        return NAN
    return max(numbers, key=_ordered, default=-math.inf)


def least(values: list[JsonValue]) -> JsonValue:
    """``min``: of nothing, infinity; NaN if any operand is; minus zero is below zero."""
    numbers = [as_number(value) for value in values]
    if any(map(math.isnan, numbers)):
        return NAN
    return min(numbers, key=_ordered, default=math.inf)


def _ordered(number: float) -> tuple[float, float]:
    return number, math.copysign(1.0, number)
