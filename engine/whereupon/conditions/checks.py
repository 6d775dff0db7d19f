"""What is wrong with the value that an operator of the short form is given, and what to write."""

from typing import TypeAlias

from whereupon.conditions.patterns import pattern_fault
from whereupon.conditions.values import JsonValue
from whereupon.messages.times import parse_duration, parse_instant

Fault: TypeAlias = tuple[str, str]
"""A code and a sentence."""

NULL: Fault = (
    "null-comparison",
    "nothing compares with null; write {exists: false} for a value that is missing or null",
)


def one_value(value: JsonValue) -> Fault | None:
    """For ``eq ne contains``: a text, a number or a boolean."""
    if value is None:
        return NULL
    if isinstance(value, list):
        return "wrong-type", "this compares with one value; write {in: [...]} for one of several"
    if isinstance(value, dict):
        return "wrong-type", "this compares with a text, a number, true or false; not a mapping"
    return None


def bound(value: JsonValue) -> Fault | None:
    """For ``gt gte lt lte``: a number, or a text that has one in it, such as ``"1.20.3"``."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return None
    if isinstance(value, str) and any(char.isdecimal() for char in value):
        return None
    return "bad-number", "this compares with a number; write one, such as 20 or 9.99"


def several_values(value: JsonValue) -> Fault | None:
    """For ``in not_in`` and a bare list: at least one text, number or boolean."""
    if not isinstance(value, list):
        return "wrong-type", "this takes a list; write [a, b], or eq or ne for one value"
    if not value:
        return "empty-condition", "this list is empty, so that nothing is in it; write its values"
    return next((fault for item in value if (fault := one_value(item))), None)


def text(value: JsonValue) -> Fault | None:
    """For ``starts_with ends_with``: a text that is not empty, or a number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
        return "wrong-type", "this takes a text that is not empty, in quotes where YAML needs them"
    return None


def pattern(value: JsonValue) -> Fault | None:
    """For ``matches``: a regular expression, searched anywhere in the text."""
    if not isinstance(value, str) or not value:
        return "wrong-type", "this takes a regular expression as a text, such as '^A[0-9]+$'"
    fault = pattern_fault(value)
    return ("bad-regex", f"this regular expression cannot be used: {fault}") if fault else None


def yes_or_no(value: JsonValue) -> Fault | None:
    """For ``exists``."""
    return (
        None if isinstance(value, bool) else ("wrong-type", "write exists: true or exists: false")
    )


def instant(value: JsonValue) -> Fault | None:
    """For ``before after``: ISO 8601 text; bare digits would be a date to some, Unix time to others."""
    if isinstance(value, str) and "-" in value and parse_instant(value) is not None:
        return None
    return "bad-instant", "write a date or an instant, such as 2024-06-30 or 2024-06-30T18:00:00Z"


def duration(value: JsonValue) -> Fault | None:
    """For ``within``."""
    if isinstance(value, str) and parse_duration(value) is not None:
        return None
    return "bad-duration", "write a whole number and a unit: 90s, 15m, 2h or 7d"
