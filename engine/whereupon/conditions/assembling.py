"""From clauses to a compiled condition: each becomes a conjunct with its test, words and variables."""

import json
from collections.abc import Mapping
from functools import partial
from itertools import chain, repeat
from typing import Final

import whereupon.conditions.additions as additions
from whereupon.conditions.asking import question
from whereupon.conditions.clauses import Clause, Setting, conjunction
from whereupon.conditions.compiling import compile_tree
from whereupon.conditions.condition import (
    ALWAYS,
    Condition,
    Conjunct,
    Deferred,
    Evaluator,
    Performed,
    in_turn,
)
from whereupon.conditions.control import as_test
from whereupon.conditions.generating import generated
from whereupon.conditions.reading import operands_of, variables_of
from whereupon.conditions.spelling import Path, too_large
from whereupon.conditions.tree import STANDARD, is_call, parse_tree, registry_of
from whereupon.conditions.values import JsonValue
from whereupon.errors import Severity

_REGISTRY: Final = registry_of((*STANDARD, *additions.NAMES))
_TRUE_OR_FALSE: Final = frozenset(
    ("==", "===", "!=", "!==", ">", ">=", "<", "<=", "!", "!!", "in", "all", "some", "none")
) | frozenset(additions.NAMES)
_WHOLE: Final = frozenset(("properties", "context", "person"))


def assembled(clauses: list[Clause], path: Path, setting: Setting) -> Condition:
    """The condition of these clauses; `ALWAYS` if the setting knows of an error."""
    if not clauses:
        return ALWAYS
    logic = conjunction(clauses)
    oversize = too_large(logic, path)
    if oversize is not None:
        setting.problems.append(oversize)
    if any(problem.severity is Severity.ERROR for problem in setting.problems):
        return ALWAYS
    questions = {json.dumps(question(ask)): ask for clause in clauses for ask in clause.performed}
    variables = [tuple(dict.fromkeys(variables_of(clause.logic))) for clause in clauses]
    conjuncts = tuple(map(_conjunct, clauses, variables, repeat(questions)))
    return Condition(
        logic=logic,
        variables=frozenset(chain.from_iterable(variables)),
        performed=tuple(dict.fromkeys(ask for clause in clauses for ask in clause.performed)),
        segments=frozenset[str]().union(*(clause.segments for clause in clauses)),
        text=json.dumps(logic),
        conjuncts=conjuncts,
        holds=generated(
            [clause.logic for clause in clauses],
            general=in_turn(conjuncts),
            closure=partial(_evaluator, questions),
            questions=questions,
        ),
    )


def _conjunct(
    clause: Clause, variables: tuple[str, ...], questions: Mapping[str, Performed]
) -> Conjunct:
    return Conjunct(
        test=Deferred(partial(_test, questions, clause.logic)),
        text=clause.text,
        logic=clause.logic,
        variables=tuple(name for name in variables if name not in _WHOLE),
        performed=clause.performed,
    )


def _evaluator(questions: Mapping[str, Performed], logic: JsonValue) -> Evaluator:
    return compile_tree(parse_tree(logic, registry=_REGISTRY), questions=questions)


def _test(questions: Mapping[str, Performed], logic: JsonValue) -> Evaluator:
    evaluate = _evaluator(questions, logic)
    return evaluate if _is_true_or_false(logic) else as_test(evaluate)


def _is_true_or_false(logic: JsonValue) -> bool:
    """Whether the logic gives nothing but true and false, so that its value is its truth."""
    if not isinstance(logic, dict) or not is_call(logic):
        return False
    name, operands = operands_of(logic)
    if name in {"and", "or"}:
        return bool(operands) and all(map(_is_true_or_false, operands))
    return name in _TRUE_OR_FALSE
