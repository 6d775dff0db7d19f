"""The columns of the table of operators: what a row says of an operator of the short form.

No column has a default. A row that has nothing in a column says None there.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from whereupon.conditions.operators.operands import Operand
from whereupon.conditions.predicate import Predicate
from whereupon.conditions.prefilter import Passing
from whereupon.conditions.scalars import Test
from whereupon.conditions.sentence import value_words
from whereupon.conditions.values import JsonValue

Variable: TypeAlias = JsonValue
"""The logic ``{"var": PATH}``."""
Logic: TypeAlias = Callable[[Variable, JsonValue], JsonValue]
Words: TypeAlias = Callable[[JsonValue], str]
TimedTest: TypeAlias = Callable[[JsonValue, datetime, JsonValue], bool]
"""Whether a value satisfies an operator, at the time of a message: of the value, the time and all data."""
Turns: TypeAlias = Callable[[JsonValue, datetime, JsonValue], Iterable[datetime]]
"""The instants after one, in order, at which time alone may turn the test: of the value, the instant and all data."""
Bind: TypeAlias = Callable[[object], str]
"""Binds a value to the function that is generated, and gives its name there."""
Source: TypeAlias = Callable[[JsonValue, str, Bind], str | None]
"""Python source that is true or false as the test is: of the operand, and the name of the value."""


class PlanCheck(StrEnum):
    """What the tracking plan can say of an operand.

    ``choice``: the value may equal it, so it has the type, and is one of the options, that the plan knows.
    ``type``: it has the type that the plan knows.
    """

    CHOICE = "choice"
    TYPE = "type"


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """An operator that this library adds to JSONLogic: ``{NAME: [variable, operand]}``.

    It does not hold for a missing value, nor for null. One of `test` and `timed_test` is None.

    Attributes:
        name: begins with ``@``, so that no standard operator has it.
        test: from an operand to the test of a value.
        timed_test: the same, if the message's timestamp counts too.
        turns: when time alone turns the timed test; None if there is none.
        index: from a path and an operand to what the rule index can use, if it can use that.
        prefilter: from an operand, and whether the test must hold or must not, to the numbers and texts
            that pass; null, true and false are put to the test itself.
        source: the test as Python source, if that is faster than a call of the test; it may decline an
            operand by None.
    """

    name: str
    test: Callable[[JsonValue], Test] | None
    timed_test: Callable[[JsonValue], TimedTest] | None
    turns: Callable[[JsonValue], Turns] | None
    index: Callable[[str, JsonValue], Predicate | None] | None
    prefilter: Callable[[JsonValue, bool], Passing] | None
    source: Source | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """A row of the table: one operator of the short form.

    Attributes:
        name: the key in rule files.
        operand: what it takes.
        hint: the sentence that editors show, about the value.
        example: an operand for editors, the reference and tests.
        words: the operator and its operand, behind a path in a sentence.
        logic: the JSONLogic of a variable and an operand. It does not hold for a missing value, unless
            the operator asks for one.
        addition: the addition to JSONLogic in that logic; None if standard operators are enough.
        plan: what the tracking plan can say of the operand; None for nothing.
    """

    name: str
    operand: Operand
    hint: str
    example: JsonValue
    words: Words
    logic: Logic
    addition: Addition | None
    plan: PlanCheck | None


def phrase(words: str) -> Words:
    """The words, and the operand after them."""
    return lambda operand: f"{words} {value_words(operand)}"


def call(addition: Addition) -> Logic:
    """The addition holds."""
    return lambda variable, operand: {addition.name: [variable, operand]}


def denial(addition: Addition) -> Logic:
    """There is a value, and the addition does not hold."""
    return lambda variable, operand: {
        "and": [{"!=": [variable, None]}, {"!": [{addition.name: [variable, operand]}]}]
    }
