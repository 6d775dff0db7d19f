"""Operators on texts: ``contains``, ``starts_with``, ``ends_with``, ``matches``.

They read texts, numbers and booleans as they are written. Lists and objects have no text here, but
``contains`` looks for an item of a list.
"""

from typing import Final

from whereupon.conditions.jsonlogic.coercion import as_text
from whereupon.conditions.operators.operands import ONE_VALUE, PATTERN, TEXT
from whereupon.conditions.operators.operator import Addition, Bind, Operator, call, phrase
from whereupon.conditions.operators.patterns import searching
from whereupon.conditions.prefilter import ALL_PASS, Passing, Texts, TextTest
from whereupon.conditions.scalars import Test, equals
from whereupon.conditions.values import JsonValue


def _has_text(value: JsonValue) -> bool:
    return isinstance(value, str | int | float)


def _contains(operand: JsonValue) -> Test:
    part = as_text(operand)

    def holds(value: JsonValue) -> bool:
        if isinstance(value, list):
            return any(equals(item, operand) for item in value)
        return isinstance(value, str) and part in value

    return holds


def _starts_with(operand: JsonValue) -> Test:
    return lambda value: _has_text(value) and as_text(value).startswith(as_text(operand))


def _ends_with(operand: JsonValue) -> Test:
    return lambda value: _has_text(value) and as_text(value).endswith(as_text(operand))


def _matches(operand: JsonValue) -> Test:
    is_found = searching(as_text(operand))
    return lambda value: _has_text(value) and is_found(as_text(value))


def _containing(operand: JsonValue, wanted: bool) -> Passing:
    return _texts(TextTest.CONTAINS, operand, wanted)


def _starting(operand: JsonValue, wanted: bool) -> Passing:
    return _texts(TextTest.STARTS_WITH, operand, wanted)


def _ending(operand: JsonValue, wanted: bool) -> Passing:
    return _texts(TextTest.ENDS_WITH, operand, wanted)


def _texts(test: TextTest, operand: JsonValue, wanted: bool) -> Passing:
    return Passing(None, Texts(test, frozenset((as_text(operand),)))) if wanted else ALL_PASS


def _starts_with_source(operand: JsonValue, value: str, bind: Bind) -> str | None:
    if not isinstance(operand, str):
        return None
    general = f"{value} is not None and {bind(_starts_with(operand))}({value})"
    return f"({value}.startswith({bind(operand)}) if type({value}) is str else {general})"


CONTAINS: Final = Addition(
    name="@contains",
    test=_contains,
    timed_test=None,
    turns=None,
    index=None,
    prefilter=_containing,
    source=None,
)
STARTS_WITH: Final = Addition(
    name="@starts_with",
    test=_starts_with,
    timed_test=None,
    turns=None,
    index=None,
    prefilter=_starting,
    source=_starts_with_source,
)
ENDS_WITH: Final = Addition(
    name="@ends_with",
    test=_ends_with,
    timed_test=None,
    turns=None,
    index=None,
    prefilter=_ending,
    source=None,
)
MATCHES: Final = Addition(
    name="@matches",
    test=_matches,
    timed_test=None,
    turns=None,
    index=None,
    prefilter=lambda operand, wanted: ALL_PASS,  # noqa: ARG005 - no store has RE2
    source=None,
)

ROWS: Final = (
    Operator(
        name="contains",
        operand=ONE_VALUE,
        hint="It is a text with this part, or a list with this item.",
        example="wool",
        words=phrase("contains"),
        logic=call(CONTAINS),
        addition=CONTAINS,
        plan=None,
    ),
    Operator(
        name="starts_with",
        operand=TEXT,
        hint="It is a text that starts with this.",
        example="wool",
        words=phrase("starts with"),
        logic=call(STARTS_WITH),
        addition=STARTS_WITH,
        plan=None,
    ),
    Operator(
        name="ends_with",
        operand=TEXT,
        hint="It is a text that ends with this.",
        example="socks",
        words=phrase("ends with"),
        logic=call(ENDS_WITH),
        addition=ENDS_WITH,
        plan=None,
    ),
    Operator(
        name="matches",
        operand=PATTERN,
        hint=(
            "It is a text in which this regular expression is found "
            "(RE2's: no look-arounds, no references back)."
        ),
        example="^(wool|silk) ",
        words=phrase("matches"),
        logic=call(MATCHES),
        addition=MATCHES,
        plan=None,
    ),
)
