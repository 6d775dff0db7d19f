"""Operators that compare by order: ``gt``, ``gte``, ``lt``, ``lte``, ``between``.

Beside a number values compare as numbers; two texts that are none compare by their 16-bit units.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from whereupon.conditions.jsonlogic.coercion import as_double, is_plain, units
from whereupon.conditions.operators.operands import BOUND, Operand
from whereupon.conditions.operators.operator import (
    Addition,
    Bind,
    Operator,
    PlanCheck,
    call,
    phrase,
)
from whereupon.conditions.predicate import Interval, Predicate, PredicateKind, Semantics
from whereupon.conditions.prefilter import Passing, span
from whereupon.conditions.scalars import Test, number_in, reads_as_number
from whereupon.conditions.sentence import value_words
from whereupon.conditions.validation import Fault
from whereupon.conditions.values import JsonValue

_COMPARE: Final[Mapping[str, Callable[[object, object], bool]]] = MappingProxyType(
    {
        ">": lambda left, right: left > right,  # type: ignore[operator]  # two of a kind
        ">=": lambda left, right: left >= right,  # type: ignore[operator]
        "<": lambda left, right: left < right,  # type: ignore[operator]
        "<=": lambda left, right: left <= right,  # type: ignore[operator]
    }
)


def _test(symbol: str, operand: JsonValue) -> Test:
    compare, bound = _COMPARE[symbol], number_in(operand)
    if reads_as_number(operand):
        return lambda value: compare(number_in(value), bound)
    text = units(operand) if isinstance(operand, str) else None
    return lambda value: text is not None and isinstance(value, str) and compare(units(value), text)


def _index(symbol: str, path: str, operand: JsonValue) -> Predicate | None:
    bound = number_in(operand)
    if not is_plain(bound):
        return None
    return Predicate(
        path,
        PredicateKind.RANGE,
        Semantics.SHORT_FORM,
        interval=Interval.beside(symbol, bound),
        holds_for_null=False,
    )


def _prefilter(symbol: str, operand: JsonValue, wanted: bool) -> Passing:
    bound = as_double(number_in(operand))
    if math.isnan(bound):
        return Passing(() if wanted else None, None)
    is_least = (symbol in {">", ">="}) is wanted
    return Passing((span(bound, None) if is_least else span(None, bound),), None)


def _source(symbol: str, operand: JsonValue, value: str, bind: Bind) -> str | None:
    if not reads_as_number(operand):
        return None
    quick = f"{value} {symbol} {bind(number_in(operand))}"
    is_number = f"type({value}) is int or type({value}) is float"
    test = bind(_test(symbol, operand))
    return f"({quick} if {is_number} else {value} is not None and {test}({value}))"


def _row(name: str, symbol: str, words: str, hint: str) -> Operator:
    addition = Addition(
        name=f"@{name}",
        test=partial(_test, symbol),
        timed_test=None,
        turns=None,
        index=partial(_index, symbol),
        prefilter=partial(_prefilter, symbol),
        source=partial(_source, symbol),
    )
    return Operator(
        name=name,
        operand=BOUND,
        hint=f"It is a number, or a text that reads as one, and {hint} this.",
        example=20,
        words=phrase(words),
        logic=call(addition),
        addition=addition,
        plan=PlanCheck.TYPE,
    )


# --- between --------------------------------------------------------------------------------------


def _bounds_fault(operand: JsonValue) -> Fault | None:
    if not isinstance(operand, list) or len(operand) != 2:  # noqa: PLR2004 - the two ends
        return "wrong-type", "this takes a list of two, both included; write [10, 20]"
    fault = next((fault for each in operand if (fault := BOUND.check(each))), None)
    if fault is not None:
        return fault
    least, most = operand
    if reads_as_number(least) is not reads_as_number(most):
        return "conflicting-bounds", "a number and a text do not compare; write two of a kind"
    if not _test(">=", least)(most):
        text = f"nothing is between {value_words(least)} and {value_words(most)}; exchange them"
        return "conflicting-bounds", text
    return None


def _ends(operand: JsonValue) -> tuple[JsonValue, JsonValue]:
    least, most = operand if isinstance(operand, list) else (operand, operand)
    return least, most


def _between(operand: JsonValue) -> Test:
    least, most = _ends(operand)
    from_least, up_to_most = _test(">=", least), _test("<=", most)
    return lambda value: from_least(value) and up_to_most(value)


def _between_index(path: str, operand: JsonValue) -> Predicate | None:
    least, most = map(number_in, _ends(operand))
    if not is_plain(least) or not is_plain(most):
        return None
    return Predicate(
        path,
        PredicateKind.RANGE,
        Semantics.SHORT_FORM,
        interval=Interval(float(least), float(most)),
        holds_for_null=False,
    )


def _between_prefilter(operand: JsonValue, wanted: bool) -> Passing:
    least, most = (as_double(number_in(end)) for end in _ends(operand))
    if math.isnan(least):
        return Passing(() if wanted else None, None)
    outside = (span(None, least), span(most, None))
    return Passing((span(least, most),) if wanted else outside, None)


def _between_source(operand: JsonValue, value: str, bind: Bind) -> str | None:
    least, most = _ends(operand)
    if not reads_as_number(least):
        return None
    quick = f"{bind(number_in(least))} <= {value} <= {bind(number_in(most))}"
    is_number = f"type({value}) is int or type({value}) is float"
    test = bind(_between(operand))
    return f"({quick} if {is_number} else {value} is not None and {test}({value}))"


BETWEEN: Final = Addition(
    name="@between",
    test=_between,
    timed_test=None,
    turns=None,
    index=_between_index,
    prefilter=_between_prefilter,
    source=_between_source,
)

ROWS: Final = (
    _row("gt", ">", "is greater than", "greater than"),
    _row("gte", ">=", "is at least", "at least"),
    _row("lt", "<", "is less than", "less than"),
    _row("lte", "<=", "is at most", "at most"),
    Operator(
        name="between",
        operand=Operand(
            check=_bounds_fault,
            schema={"type": "array", "items": BOUND.schema, "minItems": 2, "maxItems": 2},
            on_clock=None,
        ),
        hint="It is a number, or a text that reads as one, from the first of these to the second.",
        example=[10, 20],
        words=lambda operand: f"is between {' and '.join(map(value_words, _ends(operand)))}",
        logic=call(BETWEEN),
        addition=BETWEEN,
        plan=PlanCheck.TYPE,
    ),
)
