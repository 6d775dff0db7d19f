"""What the short form may expect of one value: its operators, each with its check, logic and words.

A new operator is one more entry here, and one in `additions` unless the standard has what it needs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

import whereupon.conditions.checks as checks
from whereupon.conditions.checks import Fault
from whereupon.conditions.context import UTC
from whereupon.conditions.jsonlogic.expressions import WITHIN
from whereupon.conditions.sentence import value_words
from whereupon.conditions.values import JsonValue
from whereupon.messages.times import format_local, parse_local

Variable: TypeAlias = JsonValue
"""The logic ``{"var": PATH}``."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """One operator of the short form.

    Attributes:
        check: what is wrong with the expected value, if anything is.
        logic: the JSONLogic of a variable and an expected value. It holds for no missing value.
        words: the operator between a path and the expected value, in a sentence.
    """

    check: Callable[[JsonValue], Fault | None]
    logic: Callable[[Variable, JsonValue], JsonValue]
    words: Callable[[JsonValue], str]


def _present(variable: Variable) -> JsonValue:
    return {"!=": [variable, None]}


def _added(operator: str) -> Callable[[Variable, JsonValue], JsonValue]:
    return lambda variable, expected: {operator: [variable, expected]}


def _denied(operator: str) -> Callable[[Variable, JsonValue], JsonValue]:
    """What is there, and is not so."""
    return lambda variable, expected: {
        "and": [_present(variable), {"!": [{operator: [variable, expected]}]}]
    }


def dated(operator: str, expected: JsonValue, zone: str) -> JsonValue:
    """What a date is compared with, where dates without an offset are on another clock than UTC."""
    if zone == UTC or operator not in _ON_DATES or not isinstance(expected, str):
        return expected
    if operator == "within":
        return [expected, zone]
    clock = ZoneInfo(zone)
    instant = parse_local(expected, clock)
    return expected if instant is None else [format_local(instant, clock), zone]


_ON_DATES: Final = frozenset(("before", "after", "within"))


def _exists(variable: Variable, expected: JsonValue) -> JsonValue:
    return {"!=" if expected else "==": [variable, None]}


def _then(words: str) -> Callable[[JsonValue], str]:
    return lambda expected: f"{words} {value_words(expected)}"


EXPECTATIONS: Final[Mapping[str, Expectation]] = MappingProxyType(
    {
        "eq": Expectation(checks.one_value, _added("@is"), _then("is")),
        "ne": Expectation(checks.one_value, _denied("@is"), _then("is not")),
        "gt": Expectation(checks.bound, _added("@gt"), _then("is greater than")),
        "gte": Expectation(checks.bound, _added("@gte"), _then("is at least")),
        "lt": Expectation(checks.bound, _added("@lt"), _then("is less than")),
        "lte": Expectation(checks.bound, _added("@lte"), _then("is at most")),
        "in": Expectation(checks.several_values, _added("@one_of"), _then("is one of")),
        "not_in": Expectation(checks.several_values, _denied("@one_of"), _then("is none of")),
        "contains": Expectation(checks.one_value, _added("@contains"), _then("contains")),
        "starts_with": Expectation(checks.text, _added("@starts_with"), _then("starts with")),
        "ends_with": Expectation(checks.text, _added("@ends_with"), _then("ends with")),
        "matches": Expectation(checks.pattern, _added("@matches"), _then("matches")),
        "exists": Expectation(
            checks.yes_or_no, _exists, lambda expected: "exists" if expected else "does not exist"
        ),
        "before": Expectation(checks.instant, _added("@before"), _then("is before")),
        "after": Expectation(checks.instant, _added("@after"), _then("is after")),
        "within": Expectation(
            checks.duration,
            _added(WITHIN),
            lambda expected: f"is within {value_words(expected)} of the message",
        ),
    }
)
