"""The kinds of operand that operators of the short form take: what is wrong with one, and its JSON Schema.

A check says what to write instead. A schema says as much of the same as JSON Schema can.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from whereupon.conditions.operators.patterns import pattern_fault
from whereupon.conditions.validation import PATH_PATTERN, TEMPLATE_PATTERN, Fault
from whereupon.conditions.values import JsonValue
from whereupon.messages.times import ZERO, format_local, parse_duration, parse_instant, parse_local

Schema: TypeAlias = dict[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operand:
    """A kind of operand.

    Attributes:
        check: what is wrong with an operand; None if nothing is.
        schema: its JSON Schema.
        on_clock: the operand with a timezone, for dates without an offset; None if no clock matters.
        of_person: whether the person's clock stands beside it (`Clock.beside`), which its days go by.
    """

    check: Callable[[JsonValue], Fault | None]
    schema: Schema
    on_clock: Callable[[str, str], JsonValue] | None
    of_person: bool = False


_DAYS: Final = re.compile(r"^[+-]?\d{1,5}d$", re.ASCII)
_NULL: Final[Fault] = (
    "null-comparison",
    "nothing compares with null; write {exists: false} for a value that is missing or null",
)
FILLED_IN: Final[JsonValue] = {
    "type": "string",
    "anyOf": [{"pattern": TEMPLATE_PATTERN}, {"pattern": PATH_PATTERN}],
}
"""The schema of texts that look as if they were filled in, which no operand is."""
READS_AS: Final = (
    "A number is met by texts that read as it, too; true and false by their words, in any case."
)
"""What editors say of equality."""


def _one_value(value: JsonValue) -> Fault | None:
    if value is None:
        return _NULL
    if isinstance(value, list):
        return "wrong-type", "this compares with one value; write {in: [...]} for one of several"
    if isinstance(value, dict):
        return "wrong-type", "this compares with a text, a number, true or false; not a mapping"
    return None


def _bound(value: JsonValue) -> Fault | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return None
    if isinstance(value, str) and any(char.isdecimal() for char in value):
        return None
    return "bad-number", "this compares with a number; write one, such as 20 or 9.99"


def _several_values(value: JsonValue) -> Fault | None:
    if not isinstance(value, list):
        return "wrong-type", "this takes a list; write [a, b], or eq or ne for one value"
    if not value:
        return "empty-condition", "this list is empty: nothing is in it; write its values"
    return next((fault for item in value if (fault := _one_value(item))), None)


def _text(value: JsonValue) -> Fault | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
        return "wrong-type", "this takes a text that is not empty, in quotes where YAML needs them"
    return None


def _pattern(value: JsonValue) -> Fault | None:
    if not isinstance(value, str) or not value:
        return "wrong-type", "this takes a regular expression as a text, such as '^A[0-9]+$'"
    fault = pattern_fault(value)
    return ("bad-regex", f"this regular expression cannot be used: {fault}") if fault else None


def _flag(value: JsonValue) -> Fault | None:
    if isinstance(value, bool):
        return None
    return "wrong-type", "write exists: true or exists: false"


def _instant(value: JsonValue) -> Fault | None:
    if isinstance(value, str) and "-" in value and parse_instant(value) is not None:
        return None
    return "bad-instant", "write a date or an instant, such as 2024-06-30 or 2024-06-30T18:00:00Z"


def _duration(value: JsonValue) -> Fault | None:
    if isinstance(value, str) and parse_duration(value) is not None:
        return None
    return "bad-duration", "write a whole number and a unit: 90s, 15m, 2h or 7d"


def _span(value: JsonValue) -> Fault | None:
    if isinstance(value, str) and parse_duration(value) == ZERO:
        return "bad-duration", "this span is empty; write one such as 7d, or {on_day: 0d} for today"
    return _duration(value)


def _days(value: JsonValue) -> Fault | None:
    if isinstance(value, str) and _DAYS.fullmatch(value) is not None:
        return None
    return (
        "bad-duration",
        "write a number of days from today: 0d is today, +3d, or -1d for yesterday",
    )


def _instant_on_clock(text: str, zone: str) -> JsonValue:
    clock = ZoneInfo(zone)
    instant = parse_local(text, clock)
    return text if instant is None else [format_local(instant, clock), zone]


ONE_VALUE: Final = Operand(
    check=_one_value,
    schema={"type": ["string", "number", "boolean"], "not": FILLED_IN},
    on_clock=None,
)
"""A text, a number or a boolean."""
SEVERAL_VALUES: Final = Operand(
    check=_several_values,
    schema={"type": "array", "items": ONE_VALUE.schema, "minItems": 1},
    on_clock=None,
)
"""A list of at least one text, number or boolean."""
BOUND: Final = Operand(
    check=_bound,
    schema={
        "anyOf": [{"type": "number"}, {"type": "string", "pattern": r"\d"}],
        "not": FILLED_IN,
    },
    on_clock=None,
)
"""A number, or a text with a digit in it, such as ``"1.20.3"``."""
TEXT: Final = Operand(
    check=_text,
    schema={"type": ["string", "number"], "minLength": 1, "not": FILLED_IN},
    on_clock=None,
)
"""A text that is not empty, or a number."""
PATTERN: Final = Operand(
    check=_pattern,
    schema={"type": "string", "minLength": 1, "not": FILLED_IN},
    on_clock=None,
)
"""A regular expression (see `patterns`)."""
FLAG: Final = Operand(check=_flag, schema={"type": "boolean"}, on_clock=None)
INSTANT: Final = Operand(
    check=_instant,
    schema={"type": "string", "pattern": "-", "not": FILLED_IN},
    on_clock=_instant_on_clock,
)
"""A date or an instant (ISO 8601). Bare digits are refused: some read a date in them, others Unix time."""
DURATION: Final = Operand(
    check=_duration,
    schema={"type": "string", "pattern": r"^(\d{1,9}[smhd])+$"},
    on_clock=lambda text, zone: [text, zone],
)
"""A whole number and a unit, such as ``7d``."""
SPAN: Final = Operand(check=_span, schema=DURATION.schema, on_clock=None, of_person=True)
"""A whole number and a unit from now, such as ``7d``; dates without an offset are on the person's clock."""
DAYS: Final = Operand(
    check=_days,
    schema={"type": "string", "pattern": _DAYS.pattern},
    on_clock=None,
    of_person=True,
)
"""Calendar days from today on the person's clock: ``+3d``, ``0d``, ``-1d``."""
