"""Operators that compare by order: ``gt``, ``gte``, ``lt``, ``lte``.

Beside a number values compare as numbers; two texts that are none compare by their 16-bit units.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from whereupon.conditions.jsonlogic.coercion import as_double, is_plain, units
from whereupon.conditions.operators.operands import BOUND
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


ROWS: Final = (
    _row("gt", ">", "is greater than", "greater than"),
    _row("gte", ">=", "is at least", "at least"),
    _row("lt", "<", "is less than", "less than"),
    _row("lte", "<=", "is at most", "at most"),
)
