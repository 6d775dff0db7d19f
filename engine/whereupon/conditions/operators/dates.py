"""Operators on dates: ``before``, ``after``, ``within``.

A date without an offset is on a clock: the operand names the timezone beside it (``[OPERAND, ZONE]``),
and is in UTC without one.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from whereupon.conditions.jsonlogic.coercion import as_double, as_text
from whereupon.conditions.operators.operands import DURATION, INSTANT
from whereupon.conditions.operators.operator import (
    Addition,
    Operator,
    TimedTest,
    Turns,
    call,
    phrase,
)
from whereupon.conditions.prefilter import ALL_PASS, DAY, Passing, Texts, TextTest
from whereupon.conditions.scalars import Test
from whereupon.conditions.sentence import value_words
from whereupon.conditions.values import JsonValue
from whereupon.messages.times import (
    MICROSECOND,
    ZERO,
    earlier,
    format_instant,
    later,
    parse_duration,
    parse_local,
)

_MARGIN: Final = timedelta(days=2)
"""The day that a text begins with differs by less from the instant that it says, whatever its offset."""


def instant_of(value: JsonValue, zone: tzinfo = UTC) -> datetime | None:
    """The instant that a value says; without an offset, in the zone. None if it says none."""
    return parse_local(as_double(value) if type(value) is int else value, zone)


def _on_clock(operand: JsonValue) -> tuple[JsonValue, tzinfo]:
    """The operand by itself, and its timezone."""
    if not isinstance(operand, list):
        return operand, UTC
    bare, zone = operand
    return bare, ZoneInfo(as_text(zone))


def _limit(operand: JsonValue) -> datetime | None:
    return instant_of(_on_clock(operand)[0])


def _compared(holds: Callable[[datetime, datetime], bool], operand: JsonValue) -> Test:
    limit, zone = _limit(operand), _on_clock(operand)[1]

    def test(value: JsonValue) -> bool:
        instant = instant_of(value, zone)
        return instant is not None and limit is not None and holds(instant, limit)

    return test


def _before(operand: JsonValue) -> Test:
    return _compared(lambda instant, limit: instant < limit, operand)


def _after(operand: JsonValue) -> Test:
    return _compared(lambda instant, limit: instant > limit, operand)


def _within(operand: JsonValue) -> TimedTest:
    distance, zone = _distance(operand)

    def test(value: JsonValue, timestamp: datetime, _data: JsonValue) -> bool:
        instant = instant_of(value, zone)
        return instant is not None and abs(instant - timestamp) <= distance

    return test


def _within_turns(operand: JsonValue) -> Turns:
    distance, zone = _distance(operand)

    def turns(value: JsonValue, after: datetime, _data: JsonValue) -> list[datetime]:
        instant = instant_of(value, zone)
        if instant is None:
            return []
        behind = later(later(instant, distance), MICROSECOND)
        return [each for each in (earlier(instant, distance), behind) if each > after]

    return turns


def _distance(operand: JsonValue) -> tuple[timedelta, tzinfo]:
    text, zone = _on_clock(operand)
    return parse_duration(as_text(text)) or ZERO, zone


def _earlier_days(operand: JsonValue, wanted: bool) -> Passing:
    limit = _limit(operand)
    # A text that looks like a day may be none, and is then on neither side of the limit.
    if limit is None or not wanted:
        return ALL_PASS
    return _days(TextTest.UP_TO, later(limit, _MARGIN))


def _later_days(operand: JsonValue, wanted: bool) -> Passing:
    limit = _limit(operand)
    if limit is None or not wanted:
        return ALL_PASS
    return _days(TextTest.SINCE, earlier(limit, _MARGIN))


def _days(test: TextTest, instant: datetime) -> Passing:
    return Passing(None, Texts(test, frozenset((format_instant(instant)[:DAY],))))


BEFORE: Final = Addition(
    name="@before",
    test=_before,
    timed_test=None,
    turns=None,
    index=None,
    prefilter=_earlier_days,
    source=None,
)
AFTER: Final = Addition(
    name="@after",
    test=_after,
    timed_test=None,
    turns=None,
    index=None,
    prefilter=_later_days,
    source=None,
)
WITHIN: Final = Addition(
    name="@within",
    test=None,
    timed_test=_within,
    turns=_within_turns,
    index=None,
    prefilter=None,
    source=None,
)

ROWS: Final = (
    Operator(
        name="before",
        operand=INSTANT,
        hint="It is a time before this.",
        example="2026-01-31",
        words=phrase("is before"),
        logic=call(BEFORE),
        addition=BEFORE,
        plan=None,
    ),
    Operator(
        name="after",
        operand=INSTANT,
        hint="It is a time after this.",
        example="2026-01-31",
        words=phrase("is after"),
        logic=call(AFTER),
        addition=AFTER,
        plan=None,
    ),
    Operator(
        name="within",
        operand=DURATION,
        hint="It is a time no further than this from the message's own, before or after it.",
        example="30d",
        words=lambda operand: f"is within {value_words(operand)} of the message",
        logic=call(WITHIN),
        addition=WITHIN,
        plan=None,
    ),
)
