"""Conditions as generated source: one code for one shape, and no text of a rule in the source."""

from collections.abc import Sequence
from types import FunctionType

import pytest
from tests.unit.conditions.messages import message, where

from whereupon.conditions import NO_HISTORY, Condition, Conjunct, JsonValue
from whereupon.conditions.codegen import MOST_CELLS
from whereupon.conditions.condition import Holds


def code_of(condition: Condition) -> object:
    """The compiled code of a condition's test."""
    assert isinstance(condition.holds, FunctionType)
    return condition.holds.__code__


def test_a_condition_is_compiled_once_when_it_is_first_asked() -> None:
    """An index rules most rules out, and they are never compiled."""
    parsed, made = where({"product": "socks", "price": {"gt": 20}}), list[int]()

    def compile_(conjuncts: Sequence[Conjunct]) -> Holds:
        made.append(len(conjuncts))
        return parsed.compile_(conjuncts)

    condition = Condition(parsed.conjuncts, parsed.performed, compile_)
    assert condition == parsed
    assert condition.variables == {"properties.product", "properties.price"}
    assert made == []
    assert condition.holds(message({"product": "socks", "price": 21}), NO_HISTORY)
    assert not condition.holds(message({"product": "socks", "price": 19}), NO_HISTORY)
    assert made == [2]


def test_conditions_of_one_shape_share_their_code() -> None:
    """A hundred thousand rules of a few shapes compile a few texts: paths and constants are bound."""
    one = where({"product": "socks", "price": {"gt": 20}})
    other = where({"colour": "red", "weight": {"gt": 1.5}})
    assert code_of(one) is code_of(other)
    assert code_of(one) is not code_of(where({"product": "socks", "price": {"lt": 20}}))


@pytest.mark.parametrize(
    "text", ['"); raise SystemExit(1) #', "'''\n", "{c0}", "\\", "__import__('os')", "é\x00\udc80"]
)
def test_what_a_rule_says_never_becomes_source(text: str) -> None:
    """Quotes, braces and line ends in names and values are data, and are compared as data."""
    condition = where({text: text, "other": [text, "b"]})
    code = code_of(condition)
    assert code is code_of(where({"a": "b", "other": ["c", "d"]}))
    if "." not in text:
        assert condition.holds(message({text: text, "other": text}), NO_HISTORY)


def test_a_condition_of_any_size_and_depth_has_an_answer() -> None:
    """A condition too large for one function is split into tests; one that nests too deep uses closures."""
    wide: JsonValue = {f"p{n}": n for n in range(MOST_CELLS)}
    assert where(wide).holds(message({f"p{n}": n for n in range(MOST_CELLS)}), NO_HISTORY)
    assert not where(wide).holds(message({}), NO_HISTORY)
    deep: JsonValue = {"a": 1}
    for _ in range(40):
        deep = {"not": deep}
    assert where(deep).holds(message({"a": 1}), NO_HISTORY)
    assert not where(deep).holds(message({"a": 2}), NO_HISTORY)
