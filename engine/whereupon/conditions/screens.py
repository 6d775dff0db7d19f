"""Screens: what a store tests of persons' attributes by itself, so that fewer have to be read.

A screen lets through everybody whom the condition that it was made of admits, and perhaps others
(`screening`). Whoever comes through is then asked properly, in Python. So a store may be coarse about a
screen, and let through anybody of whom it is not sure; it may not keep back anybody whom `lets_through`
would not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias, assert_never

from whereupon.conditions.coercion import as_double
from whereupon.conditions.values import UNDEFINED, JsonValue
from whereupon.conditions.variables import follow

DAY: Final = len("2026-01-31")


class Kind(StrEnum):
    """What a value is; one that is missing is null, and one that is neither text nor number other."""

    NULL = "null"
    TRUE = "true"
    FALSE = "false"
    NUMBER = "number"
    TEXT = "text"
    OTHER = "other"


class How(StrEnum):
    """How texts are told from one another.

    ``since`` and ``up_to`` are a day as ISO 8601 writes it, and of texts that do not begin with one they
    say nothing.
    """

    ONE_OF = "one-of"
    NONE_OF = "none-of"
    BEGINS = "begins"
    ENDS = "ends"
    HOLDS = "holds"
    SINCE = "since"
    UP_TO = "up-to"


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts that are let through.

    Attributes:
        given: without NUL and half characters; one text, but where the texts are one or none of them.
    """

    how: How
    given: frozenset[str]

    @property
    def one(self) -> str:
        """The text, where there is one."""
        (text,) = self.given
        return text


@dataclass(frozen=True, slots=True)
class Span:
    """The numbers between two, both included; None where there is no end."""

    least: float | None
    most: float | None


@dataclass(frozen=True, slots=True)
class Values:
    """The values of one attribute that are let through.

    Attributes:
        path: keys of objects, from the attributes inwards: not ``length``, with a letter in each, and
            all of printable characters but ``"`` and the backslash.
        kinds: those of which every value is let through.
        spans: the numbers that are besides.
        texts: the texts that are besides.
    """

    path: tuple[str, ...]
    kinds: frozenset[Kind]
    spans: tuple[Span, ...] = ()
    texts: Texts | None = None


@dataclass(frozen=True, slots=True)
class AllOf:
    """Who comes through each of these; everybody, where there are none."""

    parts: tuple["Screen", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Who comes through one of these; nobody, where there are none."""

    parts: tuple["Screen", ...]


Screen: TypeAlias = Values | AllOf | AnyOf

EVERYBODY: Final = AllOf(())
NOBODY: Final = AnyOf(())


def lets_through(screen: Screen, attributes: Mapping[str, JsonValue]) -> bool:
    """Whether somebody with these attributes comes through."""
    match screen:
        case AllOf(parts):
            return all(lets_through(part, attributes) for part in parts)
        case AnyOf(parts):
            return any(lets_through(part, attributes) for part in parts)
        case Values(path):
            whole: JsonValue = attributes  # type: ignore[assignment]  # read as an object is
            return _holds(screen, follow(whole, path, None))
        case _:
            assert_never(screen)


def kind_of(value: JsonValue) -> Kind:
    """What a value is."""
    if value is None or value is UNDEFINED:
        return Kind.NULL
    if isinstance(value, bool):
        return Kind.TRUE if value else Kind.FALSE
    if isinstance(value, int | float):
        return Kind.NUMBER
    return Kind.TEXT if isinstance(value, str) else Kind.OTHER


def _holds(values: Values, value: JsonValue) -> bool:
    if kind_of(value) in values.kinds:
        return True
    if isinstance(value, str):
        return values.texts is not None and _is_among(value, values.texts)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return any(_is_between(as_double(value), span) for span in values.spans)


def _is_between(number: float, span: Span) -> bool:
    return (span.least is None or span.least <= number) and (
        span.most is None or number <= span.most
    )


def _is_among(text: str, texts: Texts) -> bool:
    match texts.how:
        case How.ONE_OF:
            return text in texts.given
        case How.NONE_OF:
            return text not in texts.given
        case How.BEGINS:
            return text.startswith(texts.one)
        case How.ENDS:
            return text.endswith(texts.one)
        case How.HOLDS:
            return texts.one in text
        case How.SINCE:
            return not begins_with_a_day(text) or text[:DAY] >= texts.one
        case How.UP_TO:
            return not begins_with_a_day(text) or text[:DAY] <= texts.one
        case _:
            assert_never(texts.how)


def begins_with_a_day(text: str) -> bool:
    """Whether a text begins as ``2026-01-31`` does: four digits, two and two."""
    year, month, day = text[:4], text[5:7], text[8:DAY]
    digits = year + month + day
    return (
        len(digits) == DAY - 2
        and digits.isascii()
        and digits.isdigit()
        and text[4] == text[7] == "-"
    )
