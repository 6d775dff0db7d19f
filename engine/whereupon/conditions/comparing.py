"""JavaScript's equality and order over JSON values (ECMA-262, section 7.2). Nothing is raised.

Lists and objects are equal to themselves only, as objects are in JavaScript; beside a number, a
text or a boolean they count as their text.
"""

from whereupon.conditions.coercion import EXACT, as_double, as_number, as_text, units
from whereupon.conditions.values import UNDEFINED, JsonValue


def strictly_equal(left: JsonValue, right: JsonValue) -> bool:
    """``left === right``: the same type and the same value; ``true`` is no number."""
    if isinstance(left, str):
        return isinstance(right, str) and left == right
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float):
        return isinstance(right, int | float) and _rounded(left) == _rounded(right)
    return left is right


def loosely_equal(left: JsonValue, right: JsonValue) -> bool:
    """``left == right``: null only equals null; numbers, texts and booleans meet as numbers."""
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
    """``left < right``: two texts by their 16-bit units, all else as numbers."""
    left, right = _primitive(left), _primitive(right)
    if isinstance(left, str) and isinstance(right, str):
        return units(left) < units(right)
    return as_number(left) < as_number(right)


def is_at_most(left: JsonValue, right: JsonValue) -> bool:
    """``left <= right``; not the opposite of ``right < left``, since NaN is neither."""
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
