"""Operators that compare for equality: ``eq``, ``ne``, ``in``, ``not_in``; and ``exists``."""

from typing import Final

from whereupon.conditions.jsonlogic.coercion import as_double, is_plain
from whereupon.conditions.operators.operands import FLAG, ONE_VALUE, READS_AS, SEVERAL_VALUES
from whereupon.conditions.operators.operator import (
    Addition,
    Bind,
    Operator,
    PlanCheck,
    Variable,
    call,
    denial,
    phrase,
)
from whereupon.conditions.predicate import Predicate, PredicateKind, Semantics
from whereupon.conditions.prefilter import Passing, Texts, TextTest, points
from whereupon.conditions.scalars import (
    Test,
    equals,
    is_mere_text,
    number_in,
    one_of,
    reads_as_number,
)
from whereupon.conditions.values import JsonValue


def _is(operand: JsonValue) -> Test:
    return lambda value: equals(value, operand)


def _index(path: str, operand: JsonValue) -> Predicate | None:
    options = operand if isinstance(operand, list) else [operand]
    scalars = tuple(each for each in options if isinstance(each, str | int | float))
    numbers = (number_in(each) for each in scalars if reads_as_number(each))
    if len(scalars) < len(options) or not all(map(is_plain, numbers)):
        return None
    return Predicate(
        path, PredicateKind.ONE_OF, Semantics.SHORT_FORM, options=scalars, holds_for_null=False
    )


def _prefilter(operand: JsonValue, wanted: bool) -> Passing:
    options = operand if isinstance(operand, list) else [operand]
    texts = frozenset(option for option in options if isinstance(option, str))
    if not wanted:
        return Passing(None, Texts(TextTest.NONE_OF, texts) if texts else None)
    numbers = points([as_double(number_in(each)) for each in options if reads_as_number(each)])
    read = any(isinstance(option, int | float) for option in options)  # texts may read as these
    return Passing(numbers, None if read else Texts(TextTest.ONE_OF, texts))


def _is_source(operand: JsonValue, value: str, bind: Bind) -> str | None:
    """Python's equality, except that its 1 equals true, and that texts may read as the operand."""
    if is_mere_text(operand):
        return f"({value} == {bind(operand)})"
    test = bind(_is(operand))
    if isinstance(operand, bool):
        return f"({value} is {bind(operand)} or type({value}) is str and {test}({value}))"
    if isinstance(operand, int | float) and operand not in {0, 1}:
        return f"({value} == {bind(operand)} or type({value}) is str and {test}({value}))"
    return f"({value} is not None and {test}({value}))"


def _one_of_source(operand: JsonValue, value: str, bind: Bind) -> str | None:
    if isinstance(operand, list) and all(map(is_mere_text, operand)):
        return f"({value} in {bind(frozenset(map(str, operand)))})"
    return None


def _existence(variable: Variable, operand: JsonValue) -> JsonValue:
    return {"!=" if operand else "==": [variable, None]}


IS: Final = Addition(
    name="@is",
    test=_is,
    timed_test=None,
    turns=None,
    index=_index,
    prefilter=_prefilter,
    source=_is_source,
)
ONE_OF: Final = Addition(
    name="@one_of",
    test=one_of,
    timed_test=None,
    turns=None,
    index=_index,
    prefilter=_prefilter,
    source=_one_of_source,
)

ROWS: Final = (
    Operator(
        name="eq",
        operand=ONE_VALUE,
        hint=f"It is this. {READS_AS}",
        example="socks",
        words=phrase("is"),
        logic=call(IS),
        addition=IS,
        plan=PlanCheck.CHOICE,
    ),
    Operator(
        name="ne",
        operand=ONE_VALUE,
        hint=f"It is there, and is not this. {READS_AS}",
        example="socks",
        words=phrase("is not"),
        logic=denial(IS),
        addition=IS,
        plan=PlanCheck.CHOICE,
    ),
    Operator(
        name="in",
        operand=SEVERAL_VALUES,
        hint=f"It is one of these. {READS_AS}",
        example=["socks", "shoes"],
        words=phrase("is one of"),
        logic=call(ONE_OF),
        addition=ONE_OF,
        plan=PlanCheck.CHOICE,
    ),
    Operator(
        name="not_in",
        operand=SEVERAL_VALUES,
        hint=f"It is there, and is none of these. {READS_AS}",
        example=["socks", "shoes"],
        words=phrase("is none of"),
        logic=denial(ONE_OF),
        addition=ONE_OF,
        plan=PlanCheck.CHOICE,
    ),
    Operator(
        name="exists",
        operand=FLAG,
        hint="It is there, and not null; with false it is missing, or null.",
        example=True,
        words=lambda operand: "exists" if operand else "does not exist",
        logic=_existence,
        addition=None,
        plan=None,
    ),
)
