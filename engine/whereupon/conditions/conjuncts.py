"""From logic to conjuncts, and from conjuncts to a compiled condition."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Final

from whereupon.conditions.codegen import generate
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
from whereupon.conditions.indexable import predicate_of
from whereupon.conditions.jsonlogic.coercion import is_truthy
from whereupon.conditions.parse_context import ParseContext
from whereupon.conditions.performed import question
from whereupon.conditions.scope import bounded
from whereupon.conditions.validation import Path, is_brief, too_large
from whereupon.conditions.values import Data, JsonValue
from whereupon.errors import Severity


def conjunct_of(
    logic: JsonValue,
    text: str,
    *,
    variables: Iterable[str],
    performed: tuple[Performed, ...] = (),
) -> Conjunct:
    """The conjunct of a logic.

    Args:
        logic: its JSONLogic.
        text: the same in words.
        variables: the absolute paths that it reads, in order.
        performed: what it asks of the history.
    """
    return Conjunct(
        test=_Test(logic, performed),
        text=text,
        logic=logic,
        predicate=predicate_of(logic),
        variables=tuple(dict.fromkeys(variables)),
        performed=performed,
        is_brief=is_brief(logic),
    )


def combine(
    logic: JsonValue, text: str, parts: Iterable[Conjunct], *, segment: str | None = None
) -> Conjunct:
    """A conjunct that consists of others: it reads and asks what they do.

    The logic is not walked through. Segments that refer to each other may make it too large for that.

    Args:
        logic: its JSONLogic.
        text: the same in words.
        parts: the conjuncts that it consists of.
        segment: the name of the segment that the parts define, if they define one.
    """
    parts = tuple(parts)
    performed = questions_of(parts)
    segments = frozenset(chain.from_iterable(part.segments for part in parts))
    return Conjunct(
        test=_Test(logic, performed),
        text=text,
        logic=logic,
        predicate=predicate_of(logic),
        variables=tuple(dict.fromkeys(chain.from_iterable(part.variables for part in parts))),
        performed=performed,
        segments=segments if segment is None else segments | {segment},
        is_brief=is_brief(logic),
    )


def questions_of(conjuncts: Sequence[Conjunct]) -> tuple[Performed, ...]:
    """Every question to the history that these conjuncts ask, once."""
    return tuple(dict.fromkeys([ask for conjunct in conjuncts for ask in conjunct.performed]))


def compile_conjuncts(conjuncts: Sequence[Conjunct]) -> Holds:
    """Compile conjuncts to one function that says whether all of them hold."""
    logics = [conjunct.logic for conjunct in conjuncts]
    return _generated(logics, questions_of(conjuncts), general=in_turn(conjuncts))


class _Test:
    """The test of a conjunct. It is compiled at its first call, because few tests are called."""

    __slots__ = ("_holds", "_logic", "_performed")

    def __init__(self, logic: JsonValue, performed: tuple[Performed, ...]) -> None:
        self._logic = logic
        self._performed = performed
        self._holds: Holds | None = None

    def __call__(self, data: Data, history: History) -> bool:
        """Whether the conjunct holds."""
        holds = self._holds
        if holds is None:
            general = _Closures(self._logic, self._performed)
            holds = self._holds = _generated([self._logic], self._performed, general=general)
        return holds(data, history)


class _Closures:
    """A test by closures alone, for data of any form. It is compiled at its first call."""

    __slots__ = ("_evaluate", "_logic", "_performed")

    def __init__(self, logic: JsonValue, performed: tuple[Performed, ...]) -> None:
        self._logic = logic
        self._performed = performed
        self._evaluate: Evaluator | None = None

    def __call__(self, data: Data, history: History) -> bool:
        """Whether the logic holds."""
        if self._evaluate is None:
            self._evaluate = bounded(_evaluator(_by_text(self._performed), self._logic))
        values: JsonValue = data  # type: ignore[assignment]  # a mapping is read as an object is
        return is_truthy(self._evaluate(values, history))


def _generated(
    logics: Sequence[JsonValue], performed: Iterable[Performed], *, general: Holds
) -> Holds:
    questions = _by_text(performed)
    return generate(
        logics, general=general, closure=partial(_evaluator, questions), questions=questions
    )


def _by_text(questions: Iterable[Performed]) -> dict[str, Performed]:
    return {json.dumps(question(ask)): ask for ask in questions}


def _evaluator(questions: Mapping[str, Performed], logic: JsonValue) -> Evaluator:
    from whereupon.conditions.compiler import evaluator_of  # noqa: PLC0415 - few conditions need it

    return evaluator_of(logic, questions=questions)


_FEW: Final = 100
"""So many conjuncts with brief logic are never too large together."""


def assemble(conjuncts: Sequence[Conjunct], path: Path, context: ParseContext) -> Condition:
    """The condition of these conjuncts; `ALWAYS` if the context has an error."""
    if not conjuncts:
        return ALWAYS
    if len(conjuncts) > _FEW or not all(conjunct.is_brief for conjunct in conjuncts):
        oversize = too_large(conjunction(conjuncts), path)
        if oversize is not None:
            context.diagnostics.append(oversize)
    if any(diagnostic.severity is Severity.ERROR for diagnostic in context.diagnostics):
        return ALWAYS
    return Condition(tuple(conjuncts), questions_of(conjuncts), compile_conjuncts)
