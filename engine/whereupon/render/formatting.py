"""Small texts for people: safe names and values, durations and dates in words."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from unicodedata import category

from pydantic import JsonValue

from whereupon.insight import headline_of

_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
_UNPRINTABLE = frozenset({"Cc", "Cs", "Co", "Cn"})
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
_LONGEST_NAME = 48


def clean(text: str) -> str:
    """A text of others on one line, without characters that control a terminal or reorder the line."""
    if text.isprintable():
        return text
    return "".join(_safe(letter) for letter in text)


def _safe(letter: str) -> str:
    if letter.isspace():
        return " "
    if letter in _REORDERING or category(letter) in _UNPRINTABLE:
        return "\N{REPLACEMENT CHARACTER}"
    return letter


def named(name: str) -> str:
    """A safe id; one that is too long for a line is cut in the middle."""
    whole = clean(name)
    if len(whole) <= _LONGEST_NAME:
        return whole
    return f"{whole[: _LONGEST_NAME - 9]}…{whole[-8:]}"


def in_words(duration: timedelta) -> str:
    """The two largest units of a duration: ``3 days 10 hours``."""
    rest = max(int(duration.total_seconds()), 0)
    parts = []
    for name, length in _UNITS:
        count, rest = divmod(rest, length)
        if count:
            parts.append(counted(count, name))
        elif parts:
            break
    return " ".join(parts[:2]) or "less than a second"


def counted(count: int, noun: str, plural: str = "") -> str:
    """A number with its noun: ``1 person``, ``1,200 people``."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def day_of(instant: datetime) -> str:
    """A date in English, independent of the locale: ``Thursday 12 March 2026``."""
    day = _DAYS[instant.weekday()]
    return f"{day} {instant.day} {_MONTHS[instant.month - 1]} {instant.year}"


def listed(names: Iterable[str], more: int = 0) -> str:
    """Names with commas between them: ``mia, noah and 9,998 more``."""
    shown = ", ".join(map(named, names))
    return f"{shown} and {more:,} more" if more > 0 else shown


def headline(content: Mapping[str, JsonValue]) -> str:
    """The most important text of a delivery, made safe."""
    return clean(headline_of(content))


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
