"""The operators of JSONLogic on texts and lists, and texts measured as JavaScript does.

A text's positions and length count 16-bit units, of which an emoji has two.
"""

import math

from whereupon.conditions.coercion import LONGEST, as_number, as_text, concatenated, paired, units
from whereupon.conditions.comparing import strictly_equal
from whereupon.conditions.values import UNDEFINED, JsonValue


def is_in(needle: JsonValue, haystack: JsonValue) -> JsonValue:
    """``in``: a strictly equal item of a list, or a part of a text; in anything else, nothing is."""
    if isinstance(haystack, str):
        return haystack != "" and units(as_text(needle)) in units(haystack)
    if isinstance(haystack, list):
        return any(strictly_equal(needle, item) for item in haystack)
    return False


def cat(values: list[JsonValue]) -> JsonValue:
    """``cat``: the texts of the operands one after the other; null is nothing."""
    return concatenated(values)


def merge(values: list[JsonValue]) -> JsonValue:
    """``merge``: one list of the items of lists and of everything else."""
    merged: list[JsonValue] = []
    for value in values:
        merged.extend(value if isinstance(value, list) else [value])
    return merged[:LONGEST]


def substr(source: JsonValue, start: JsonValue, length: JsonValue) -> JsonValue:
    """``substr``: from ``start``, or that far from the end; a negative ``length`` is left off the end."""
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

    The reference adds a negative length to a number: where it is a text or a list, that makes no
    number at all, and nothing remains.
    """
    number = as_number(length)
    if number >= 0 or math.isnan(number):
        return _whole(number, len(rest))
    return max(0, _whole(len(rest) + number, len(rest))) if isinstance(length, int | float) else 0


def _whole(number: float, size: int) -> int:
    """Towards zero; beyond the ends of a text of ``size`` units it makes no difference how far."""
    if math.isnan(number):
        return 0
    return int(max(-size - 1, min(size + 1, number)))
