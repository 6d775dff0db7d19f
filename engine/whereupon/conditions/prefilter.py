"""Prefilters: tests of persons' attributes that a store makes itself, so that it returns fewer persons.

A prefilter is made of a condition (`pushdown`). Every person for whom the condition holds passes it, and
other persons may. The engine then evaluates the condition for each person who passed. So a store may
let a person pass when it is not sure; it must not keep back a person for whom `passes` is true.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias, assert_never

from whereupon.conditions.jsonlogic.coercion import as_double
from whereupon.conditions.paths import follow
from whereupon.conditions.values import UNDEFINED, JsonValue

DAY: Final = len("2026-01-31")
MOST_SPANS: Final = 20
_HAIR: Final = 1e-9


class Kind(StrEnum):
    """The type of a value. A missing value is null; a list or an object is other."""

    NULL = "null"
    TRUE = "true"
    FALSE = "false"
    NUMBER = "number"
    TEXT = "text"
    OTHER = "other"


class TextTest(StrEnum):
    """How a text is compared with those of a prefilter.

    ``since`` and ``up_to`` compare the day (ISO 8601) that a text begins with. A text that begins with
    none passes.
    """

    ONE_OF = "one-of"
    NONE_OF = "none-of"
    STARTS_WITH = "starts-with"
    ENDS_WITH = "ends-with"
    CONTAINS = "contains"
    SINCE = "since"
    UP_TO = "up-to"


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts that pass.

    Attributes:
        options: texts without NUL and without unpaired surrogates; exactly one, unless the test is
            ``one-of`` or ``none-of``.
    """

    test: TextTest
    options: frozenset[str]

    @property
    def one(self) -> str:
        """The only option."""
        (text,) = self.options
        return text


@dataclass(frozen=True, slots=True)
class Span:
    """An interval of numbers, both ends included; None for no end."""

    least: float | None
    most: float | None


@dataclass(frozen=True, slots=True)
class Values:
    """The values of one attribute that pass.

    Attributes:
        path: keys of objects, outermost first. None is ``length``; each has a letter, and consists of
            printable characters other than ``"`` and the backslash.
        kinds: the kinds of which every value passes.
        spans: further numbers that pass.
        texts: further texts that pass.
    """

    path: tuple[str, ...]
    kinds: frozenset[Kind]
    spans: tuple[Span, ...] = ()
    texts: Texts | None = None


@dataclass(frozen=True, slots=True)
class AllOf:
    """A person passes who passes each part; without parts, everybody."""

    parts: tuple["Prefilter", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """A person passes who passes one of the parts; without parts, nobody."""

    parts: tuple["Prefilter", ...]


class Passing(NamedTuple):
    """The numbers and the texts of one attribute that pass; None if all of them do."""

    numbers: tuple[Span, ...] | None
    texts: Texts | None


ALL_PASS: Final = Passing(None, None)

Prefilter: TypeAlias = Values | AllOf | AnyOf

EVERYBODY: Final = AllOf(())
NOBODY: Final = AnyOf(())


def passes(prefilter: Prefilter, attributes: Mapping[str, JsonValue]) -> bool:
    """Whether a person with these attributes passes."""
    match prefilter:
        case AllOf(parts):
            return all(passes(part, attributes) for part in parts)
        case AnyOf(parts):
            return any(passes(part, attributes) for part in parts)
        case Values(path):
            whole: JsonValue = attributes  # type: ignore[assignment]  # read as an object is
            return _holds(prefilter, follow(whole, path, None))
        case _:
            assert_never(prefilter)


def span(least: float | None, most: float | None) -> Span:
    """An interval that is a little wider than it has to be: stores round decimal numbers differently."""
    low = None if least is None or math.isinf(least) else least - abs(least) * _HAIR - _HAIR
    high = None if most is None or math.isinf(most) else most + abs(most) * _HAIR + _HAIR
    return Span(low, high)


def points(numbers: Sequence[float]) -> tuple[Span, ...]:
    """These numbers; if they are many, all numbers between them too."""
    if len(numbers) > MOST_SPANS:
        return (span(min(numbers), max(numbers)),)
    return tuple(span(number, number) for number in numbers)


def kind_of(value: JsonValue) -> Kind:
    """The kind of a value."""
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
    match texts.test:
        case TextTest.ONE_OF:
            return text in texts.options
        case TextTest.NONE_OF:
            return text not in texts.options
        case TextTest.STARTS_WITH:
            return text.startswith(texts.one)
        case TextTest.ENDS_WITH:
            return text.endswith(texts.one)
        case TextTest.CONTAINS:
            return texts.one in text
        case TextTest.SINCE:
            return not begins_with_a_day(text) or text[:DAY] >= texts.one
        case TextTest.UP_TO:
            return not begins_with_a_day(text) or text[:DAY] <= texts.one
        case _:
            assert_never(texts.test)


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
