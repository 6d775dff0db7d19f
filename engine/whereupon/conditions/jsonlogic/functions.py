"""The standard operators on numbers, texts and lists, as functions of values.

Arithmetic is on IEEE doubles: division by zero is infinite, nonsense is NaN. A text's positions and
length count 16-bit units, of which an emoji has two.
"""

import math

from whereupon.conditions.jsonlogic.coercion import (
    LONGEST,
    NAN,
    as_number,
    as_text,
    concatenated,
    leading_number,
    paired,
    strictly_equal,
    units,
)
from whereupon.conditions.values import UNDEFINED, JsonValue


def total(terms: list[JsonValue]) -> JsonValue:
    """``+``: the sum of the numbers that the operands begin with; one operand becomes a number."""
    result = 0.0
    for term in terms:
        result += leading_number(term)
    return result


def product(factors: list[JsonValue]) -> JsonValue:
    """``*``: one operand stays as it is; without operands null, where the reference throws."""
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
    """``/``: division by zero gives an infinity, whose sign is that of both operands together."""
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
    """``max``: minus infinity without operands; NaN if an operand is NaN; zero is above minus zero."""
    numbers = [as_number(value) for value in values]
    if any(map(math.isnan, numbers)):
        return NAN
    return max(numbers, key=_ordered, default=-math.inf)


def least(values: list[JsonValue]) -> JsonValue:
    """``min``: infinity without operands; NaN if an operand is NaN; minus zero is below zero."""
    numbers = [as_number(value) for value in values]
    if any(map(math.isnan, numbers)):
        return NAN
    return min(numbers, key=_ordered, default=math.inf)


def _ordered(number: float) -> tuple[float, float]:
    return number, math.copysign(1.0, number)


def is_in(needle: JsonValue, haystack: JsonValue) -> JsonValue:
    """``in``: a strictly equal item of a list, or a part of a text; false for anything else."""
    if isinstance(haystack, str):
        return haystack != "" and units(as_text(needle)) in units(haystack)
    if isinstance(haystack, list):
        return any(strictly_equal(needle, item) for item in haystack)
    return False


def cat(values: list[JsonValue]) -> JsonValue:
    """``cat``: the texts of the operands, one after another; null is empty."""
    return concatenated(values)


def merge(values: list[JsonValue]) -> JsonValue:
    """``merge``: one list of the items of all lists, and of the other operands."""
    merged: list[JsonValue] = []
    for value in values:
        merged.extend(value if isinstance(value, list) else [value])
    return merged[:LONGEST]


def substr(source: JsonValue, start: JsonValue, length: JsonValue) -> JsonValue:
    """``substr``: from ``start``, or from the end if that is negative; a negative ``length`` cuts the end."""
    text = units(as_text(source))
    size = len(text)
    wanted = _whole(as_number(start), size)
    first = max(0, size + wanted) if wanted < 0 else wanted
    last = size if length is UNDEFINED else first + _kept(text[first:], length)
    return paired(text[first:last])


def unit_length(text: str) -> int:
    """JavaScript's ``text.length``."""
    return len(units(text))


def unit_at(text: str, index: int) -> str | None:
    """JavaScript's ``text[index]``; None beyond the end."""
    return units(text)[index : index + 1] or None


def _kept(rest: str, length: JsonValue) -> int:
    """How many units of the rest remain.

    The reference adds a negative length to a number. If the length is a text or a list, the sum is not
    a number, and nothing remains.
    """
    number = as_number(length)
    if number >= 0 or math.isnan(number):
        return _whole(number, len(rest))
    return max(0, _whole(len(rest) + number, len(rest))) if isinstance(length, int | float) else 0


def _whole(number: float, size: int) -> int:
    """Round towards zero, and limit to the ends of a text of ``size`` units."""
    if math.isnan(number):
        return 0
    return int(max(-size - 1, min(size + 1, number)))
