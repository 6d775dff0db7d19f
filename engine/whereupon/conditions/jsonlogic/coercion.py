"""JavaScript's conversions, equality and order of JSON values (ECMA-262, sections 7.1 and 7.2).

Every function is total: it takes any JSON, and never raises. Numbers are IEEE doubles, as in JavaScript:
an integer beyond 2**53 is rounded to the nearest double, and an integer beyond the doubles is infinite.
Lists and objects are equal to themselves only, as objects are in JavaScript; beside a number, a text or a
boolean they count as their text.
"""

import math
import re
import sys
from typing import Final

from whereupon.conditions.values import UNDEFINED, JsonValue

NAN: Final = math.nan
EXACT: Final = 2**53
"""Every integer up to here is a double, so Python and JavaScript compare it alike."""
LONGEST: Final = 1_000_000
"""The largest text or list that an evaluation makes, so that no rule exhausts the memory."""

SPACE: Final = "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_DECIMAL = r"[+-]?(?:Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
_WHOLE = re.compile(_DECIMAL)
_RADIX = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_NATIVE_16_BITS = f"utf-16-{sys.byteorder[0]}e"
_BEYOND_16_BITS = "\U00010000"
_PLAIN_DIGITS = 21
_PLAIN_ZEROS = -6


def is_truthy(value: JsonValue) -> bool:
    """JSONLogic's truth: null, false, 0, NaN, ``""`` and ``[]`` are false; an empty object is true."""
    if isinstance(value, float):
        return value == value and value != 0.0  # noqa: PLR0124 - NaN is what differs from itself
    return bool(value) or isinstance(value, dict)


def is_plain(value: object) -> bool:
    """Whether a value is a text, or a number that Python and JavaScript compare alike."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return -EXACT < value < EXACT
    return isinstance(value, str)


def as_double(number: float) -> float:
    """The double nearest to a number of any size."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def as_number(value: JsonValue) -> float:
    """JavaScript's ``Number(value)``: null is 0, a list or an object goes through its text."""
    if isinstance(value, float):
        return value
    if isinstance(value, int):
        return as_double(value)
    if value is None:
        return 0.0
    if value is UNDEFINED or isinstance(value, dict):
        return NAN
    return _number_from_text(value if isinstance(value, str) else as_text(value))


def leading_number(value: JsonValue) -> float:
    """JavaScript's ``parseFloat(value)``: the number that the text of ``value`` begins with."""
    if type(value) is int or type(value) is float:
        return as_double(value) + 0.0  # minus zero is written "0", and so read back as plain zero
    found = _WHOLE.match(as_text(value).lstrip(SPACE))
    return float(found[0]) if found else NAN


def as_text(value: JsonValue) -> str:
    """JavaScript's ``String(value)``."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, list):
        return _list_text(value)
    if value is None:
        return "null"
    return "undefined" if value is UNDEFINED else "[object Object]"


def concatenated(values: list[JsonValue]) -> str:
    """JavaScript's ``values.join("")``; null and undefined are empty."""
    return paired("".join(map(_item_text, values))[:LONGEST])


def paired(text: str) -> str:
    """Join the halves of surrogate pairs, which JavaScript's strings of 16-bit units never separate."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def units(text: str) -> str:
    """The text as JavaScript counts and orders it: one character for each 16-bit unit."""
    if text.isascii() or max(text) < _BEYOND_16_BITS:
        return text
    return "".join(map(chr, memoryview(text.encode(_NATIVE_16_BITS, "surrogatepass")).cast("H")))


def number_text(number: float) -> str:
    """Write a number as JavaScript does: ``1``, ``0.1``, ``1e+21``, ``NaN``, ``-Infinity``."""
    double = as_double(number)
    if not math.isfinite(double):
        return "NaN" if double != double else "Infinity" if double > 0 else "-Infinity"  # noqa: PLR0124 - NaN
    if double == int(double) and abs(double) < EXACT:
        return str(int(double))
    sign = "-" if double < 0 else ""
    mantissa, _, exponent = repr(abs(double)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    return sign + _placed(whole + fraction, len(whole) + int(exponent or 0))


def _placed(digits: str, point: int) -> str:
    """Put the decimal point of ``digits`` after ``point`` of them, or write an exponent."""
    leading = len(digits) - len(digits.lstrip("0"))
    digits, point = digits.strip("0"), point - leading
    if len(digits) <= point <= _PLAIN_DIGITS:
        return digits.ljust(point, "0")
    if 0 < point <= _PLAIN_DIGITS:
        return f"{digits[:point]}.{digits[point:]}"
    if _PLAIN_ZEROS < point <= 0:
        return "0." + "0" * -point + digits
    rest = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{rest}e{point - 1:+d}"


def _item_text(value: JsonValue) -> str:
    return "" if value is None or value is UNDEFINED else as_text(value)


def _list_text(values: list[JsonValue]) -> str:
    """JavaScript's text of a list: nested lists are flattened, and an empty list is an empty item.

    It is a loop, so that any depth is safe.
    """
    leaves: list[str] = []
    length = 0
    waiting: list[JsonValue] = [values]
    while waiting and length < LONGEST:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(reversed(item or [None]))
            continue
        leaves.append(_item_text(item))
        length += len(leaves[-1]) + 1
    return paired(",".join(leaves)[:LONGEST])


def _number_from_text(text: str) -> float:
    trimmed = text.strip(SPACE)
    if not trimmed:
        return 0.0
    if _WHOLE.fullmatch(trimmed):
        return float(trimmed)
    if _RADIX.fullmatch(trimmed):
        return as_double(int(trimmed, 0))
    return NAN


def strictly_equal(left: JsonValue, right: JsonValue) -> bool:
    """``left === right``: the same type and the same value; ``true`` is not a number."""
    if isinstance(left, str):
        return isinstance(right, str) and left == right
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float):
        return isinstance(right, int | float) and _rounded(left) == _rounded(right)
    return left is right


def loosely_equal(left: JsonValue, right: JsonValue) -> bool:
    """``left == right``: null equals null alone; numbers, texts and booleans compare as numbers."""
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    if _is_nothing(left) or _is_nothing(right):
        return _is_nothing(left) and _is_nothing(right)
    if isinstance(left, list | dict):
        if isinstance(right, list | dict):
            return left is right
        left = as_text(left)
    elif isinstance(right, list | dict):
        right = as_text(right)
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    return as_number(left) == as_number(right)


def is_less(left: JsonValue, right: JsonValue) -> bool:
    """``left < right``: two texts compare by their 16-bit units, anything else as numbers."""
    left, right = _primitive(left), _primitive(right)
    if isinstance(left, str) and isinstance(right, str):
        return units(left) < units(right)
    return as_number(left) < as_number(right)


def is_at_most(left: JsonValue, right: JsonValue) -> bool:
    """``left <= right``. It is not the opposite of ``right < left``: both are false for NaN."""
    left, right = _primitive(left), _primitive(right)
    if isinstance(left, str) and isinstance(right, str):
        return units(left) <= units(right)
    return as_number(left) <= as_number(right)


def _is_nothing(value: JsonValue) -> bool:
    return value is None or value is UNDEFINED


def _primitive(value: JsonValue) -> JsonValue:
    return as_text(value) if isinstance(value, list | dict) else value


def _rounded(number: float) -> float:
    return number if -EXACT <= number <= EXACT else as_double(number)
