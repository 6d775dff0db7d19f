"""Operators on dates beside now: ``in_next``, ``in_last``, ``not_in_last``, ``on_day``, ``anniversary``.

Now is the message's time, or the time at which the condition is asked. None of them is symmetric. Days, and
dates without an offset, are on the person's clock, which stands beside the operand (`Clock.beside`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import MAXYEAR, MINYEAR, date, datetime, timedelta, tzinfo
from typing import Final, TypeAlias

from whereupon.conditions.clocks import Clock, beside
from whereupon.conditions.day_changes import day_changes
from whereupon.conditions.jsonlogic.coercion import as_text
from whereupon.conditions.operators.dates import instant_of
from whereupon.conditions.operators.operands import DAYS, SPAN, Operand
from whereupon.conditions.operators.operator import (
    Addition,
    Operator,
    TimedTest,
    Turns,
    Words,
    call,
    phrase,
)
from whereupon.conditions.values import JsonValue
from whereupon.messages.times import ZERO, earlier, later, parse_duration

_Holds: TypeAlias = Callable[[timedelta, timedelta], bool]
"""Whether a value that is so far ahead of now satisfies a span."""


def _zone(clock: Clock, data: JsonValue) -> tzinfo:
    """The timezone of the person in the data."""
    person = data.get("person") if isinstance(data, Mapping) else None
    return clock.zone_of(person if isinstance(person, Mapping) else {})


# --- spans ----------------------------------------------------------------------------------------


def _in_next(ahead: timedelta, span: timedelta) -> bool:
    return ZERO < ahead <= span


def _in_last(ahead: timedelta, span: timedelta) -> bool:
    return ZERO <= -ahead < span


def _not_in_last(ahead: timedelta, span: timedelta) -> bool:
    return not _in_last(ahead, span)


def _span(operand: JsonValue) -> tuple[timedelta, Clock]:
    text, clock = beside(operand)
    return parse_duration(as_text(text)) or ZERO, clock


def _spanned(name: str, holds: _Holds, *, is_ahead: bool) -> Addition:
    """The addition of a span from now, ahead or behind."""

    def timed_test(operand: JsonValue) -> TimedTest:
        span, clock = _span(operand)

        def test(value: JsonValue, now: datetime, data: JsonValue) -> bool:
            instant = instant_of(value, _zone(clock, data))
            return instant is not None and holds(instant - now, span)

        return test

    def turns_of(operand: JsonValue) -> Turns:
        span, clock = _span(operand)

        def turns(value: JsonValue, after: datetime, data: JsonValue) -> Iterable[datetime]:
            instant = instant_of(value, _zone(clock, data))
            if instant is None:
                return ()
            ends = (
                (earlier(instant, span), instant) if is_ahead else (instant, later(instant, span))
            )
            return [each for each in ends if each > after]

        return turns

    return _timed(f"@{name}", timed_test, turns_of)


# --- days -----------------------------------------------------------------------------------------


def _days(operand: JsonValue) -> tuple[timedelta, Clock]:
    text, clock = beside(operand)
    return timedelta(days=int(as_text(text)[:-1])), clock


def _day_of(instant: datetime, zone: tzinfo, days: timedelta = ZERO) -> date | None:
    """The day that a clock shows at an instant, or so many days later; None beyond the calendar."""
    try:
        return instant.astimezone(zone).date() + days
    except OverflowError:
        return None


def _on_day(operand: JsonValue) -> TimedTest:
    days, clock = _days(operand)

    def test(value: JsonValue, now: datetime, data: JsonValue) -> bool:
        zone = _zone(clock, data)
        instant = instant_of(value, zone)
        meant = _day_of(now, zone, days)
        return instant is not None and meant is not None and _day_of(instant, zone) == meant

    return test


def _on_day_turns(operand: JsonValue) -> Turns:
    days, clock = _days(operand)

    def turns(value: JsonValue, after: datetime, data: JsonValue) -> Iterable[datetime]:
        zone = _zone(clock, data)
        instant = instant_of(value, zone)
        day = None if instant is None else _day_of(instant, zone, -days)
        return () if day is None else [each for each in day_changes(day, zone) if each > after]

    return turns


def _anniversary(operand: JsonValue) -> TimedTest:
    days, clock = _days(operand)

    def test(value: JsonValue, now: datetime, data: JsonValue) -> bool:
        zone = _zone(clock, data)
        instant = instant_of(value, zone)
        day = None if instant is None else _day_of(instant, zone)
        meant = _day_of(now, zone, days)
        return day is not None and meant is not None and _in_year(day, meant.year) == meant

    return test


def _in_year(day: date, year: int) -> date:
    """The anniversary in a year; 29 February is the 28th in common years."""
    try:
        return day.replace(year=year)
    except ValueError:
        return date(year, 2, 28)


def _anniversary_turns(operand: JsonValue) -> Turns:
    days, clock = _days(operand)

    def turns(value: JsonValue, after: datetime, data: JsonValue) -> Iterator[datetime]:
        zone = _zone(clock, data)
        instant = instant_of(value, zone)
        day = None if instant is None else _day_of(instant, zone)
        today = _day_of(after, zone, days)
        if day is None or today is None:
            return
        for year in range(max(MINYEAR, today.year - 1), MAXYEAR + 1):
            meant = _in_year(day, year)
            if date.min + abs(days) < meant < date.max - abs(days):
                yield from (each for each in day_changes(meant - days, zone) if each > after)

    return turns


# --- the rows -------------------------------------------------------------------------------------


def _timed(
    name: str,
    timed_test: Callable[[JsonValue], TimedTest],
    turns: Callable[[JsonValue], Turns],
) -> Addition:
    return Addition(
        name=name,
        test=None,
        timed_test=timed_test,
        turns=turns,
        index=None,
        prefilter=None,
        source=None,
    )


def _row(operand: Operand, addition: Addition, hint: str, example: str, words: Words) -> Operator:
    return Operator(
        name=addition.name.removeprefix("@"),
        operand=operand,
        hint=hint,
        example=example,
        words=words,
        logic=call(addition),
        addition=addition,
        plan=None,
    )


def _from_today(operand: JsonValue) -> str:
    """The day that an offset means, in words."""
    days = int(as_text(operand)[:-1])
    named = {-1: "yesterday", 0: "today", 1: "tomorrow"}.get(days)
    return named or (f"in {days} days" if days > 0 else f"{-days} days ago")


ROWS: Final = (
    _row(
        SPAN,
        _spanned("in_next", _in_next, is_ahead=True),
        "It is a time ahead of now, and no further ahead than this.",
        "7d",
        phrase("is in the next"),
    ),
    _row(
        SPAN,
        _spanned("in_last", _in_last, is_ahead=False),
        "It is now, or a time that has passed by less than this.",
        "30d",
        phrase("is in the last"),
    ),
    _row(
        SPAN,
        _spanned("not_in_last", _not_in_last, is_ahead=False),
        "It is a time that has passed by this or more, or that is ahead of now.",
        "60d",
        phrase("is not in the last"),
    ),
    _row(
        DAYS,
        _timed("@on_day", _on_day, _on_day_turns),
        "Its calendar day on the person's clock is so many days from today: 0d is today, -1d yesterday.",
        "+3d",
        lambda operand: f"is {_from_today(operand)}",
    ),
    _row(
        DAYS,
        _timed("@anniversary", _anniversary, _anniversary_turns),
        (
            "So many days from today, on the person's clock, are its month and day in some year; "
            "29 February is the 28th in common years."
        ),
        "0d",
        lambda operand: f"has its anniversary {_from_today(operand)}",
    ),
)
