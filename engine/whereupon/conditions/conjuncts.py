"""Conjuncts: each of the conditions that a rule states, as logic and words, and as what it compiles to."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Final

import whereupon.conditions.additions as additions
from whereupon.conditions.codegen import generated
from whereupon.conditions.condition import (
    ALWAYS,
    Condition,
    Conjunct,
    Evaluator,
    History,
    Holds,
    Performed,
    conjunction,
    in_turn,
)
from whereupon.conditions.context import Setting
from whereupon.conditions.control import as_test
from whereupon.conditions.jsonlogic.expressions import is_call, operands_of, variables_of
from whereupon.conditions.performed import question
from whereupon.conditions.predicate import comparison_of
from whereupon.conditions.scope import bounded
from whereupon.conditions.validation import Path, is_brief, too_large
from whereupon.conditions.values import JsonValue
from whereupon.errors import Severity

_TRUE_OR_FALSE: Final = frozenset(
    ("==", "===", "!=", "!==", ">", ">=", "<", "<=", "!", "!!", "in", "all", "some", "none")
) | frozenset(additions.NAMES)


def conjunct_of(logic: JsonValue, text: str, performed: tuple[Performed, ...] = ()) -> Conjunct:
    """The conjunct of a logic and its words, which asks that of the history."""
    return Conjunct(
        test=_Test(logic, performed),
        text=text,
        logic=logic,
        comparison=comparison_of(logic),
        variables=tuple(dict.fromkeys(variables_of(logic))),
        performed=performed,
        is_brief=is_brief(logic),
    )


def combined(
    logic: JsonValue, text: str, parts: Iterable[Conjunct], *, segment: str | None = None
) -> Conjunct:
    """A conjunct made of others: it reads and asks what they do. ``segment`` is what they define.

    Nothing here looks through the logic: with segments in it that refer to each other, it may be
    too large to be looked through.
    """
    parts = tuple(parts)
    performed = questions_of(parts)
    segments = frozenset(chain.from_iterable(part.segments for part in parts))
    return Conjunct(
        test=_Test(logic, performed),
        text=text,
        logic=logic,
        comparison=comparison_of(logic),
        variables=tuple(dict.fromkeys(chain.from_iterable(part.variables for part in parts))),
        performed=performed,
        segments=segments if segment is None else segments | {segment},
        is_brief=is_brief(logic),
    )


def questions_of(conjuncts: Sequence[Conjunct]) -> tuple[Performed, ...]:
    """Every question to the history that these ask, once."""
    return tuple(dict.fromkeys([ask for conjunct in conjuncts for ask in conjunct.performed]))


def compiled(conjuncts: Sequence[Conjunct]) -> Holds:
    """What says whether all of these hold."""
    questions = _by_text(questions_of(conjuncts))
    return generated(
        [conjunct.logic for conjunct in conjuncts],
        general=in_turn(conjuncts),
        closure=partial(_evaluator, questions),
        questions=questions,
    )


class _Test:
    """A conjunct's test, compiled when it is called for the first time, as few are."""

    __slots__ = ("_evaluator", "_logic", "_performed")

    def __init__(self, logic: JsonValue, performed: tuple[Performed, ...]) -> None:
        self._logic = logic
        self._performed = performed
        self._evaluator: Evaluator | None = None

    def __call__(self, data: JsonValue, history: History) -> JsonValue:
        """What the evaluator gives."""
        evaluator = self._evaluator
        if evaluator is None:
            evaluator = self._evaluator = self._compiled()
        return evaluator(data, history)

    def _compiled(self) -> Evaluator:
        evaluate = _evaluator(_by_text(self._performed), self._logic)
        return bounded(evaluate if _is_true_or_false(self._logic) else as_test(evaluate))


def _by_text(questions: Iterable[Performed]) -> dict[str, Performed]:
    return {json.dumps(question(ask)): ask for ask in questions}


def _evaluator(questions: Mapping[str, Performed], logic: JsonValue) -> Evaluator:
    from whereupon.conditions.compiler import evaluator_of  # noqa: PLC0415 - few conditions need it

    return evaluator_of(logic, questions=questions)


def _is_true_or_false(logic: JsonValue) -> bool:
    """Whether the logic gives nothing but true and false, so that its value is its truth."""
    if not isinstance(logic, dict) or not is_call(logic):
        return False
    name, operands = operands_of(logic)
    if name in {"and", "or"}:
        return bool(operands) and all(map(_is_true_or_false, operands))
    return name in _TRUE_OR_FALSE


_FEW: Final = 100
"""So many conjuncts whose logic is brief are not too large together."""


def assembled(conjuncts: Sequence[Conjunct], path: Path, setting: Setting) -> Condition:
    """The condition of these conjuncts; `ALWAYS` if the setting knows of an error."""
    if not conjuncts:
        return ALWAYS
    if len(conjuncts) > _FEW or not all(conjunct.is_brief for conjunct in conjuncts):
        oversize = too_large(conjunction(conjuncts), path)
        if oversize is not None:
            setting.problems.append(oversize)
    if any(problem.severity is Severity.ERROR for problem in setting.problems):
        return ALWAYS
    return Condition(tuple(conjuncts), questions_of(conjuncts), compiled)
