"""The short form of conditions: a mapping from dotted paths to what is expected there.

Every key is one clause, or several, and all of them must hold. ``all``, ``any``, ``not``, ``logic``,
``segment`` and ``performed`` are keys of their own. A missing value satisfies no comparison, so
``not: {price: {gt: 20}}`` holds for a message without a price, and ``price: {lte: 20}`` does not.
"""

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

import whereupon.conditions.asking as asking
from whereupon.conditions.additions import PERFORMED
from whereupon.conditions.assembling import assembled
from whereupon.conditions.clauses import Clause, Setting, combined, conjunction
from whereupon.conditions.condition import ALWAYS, Condition
from whereupon.conditions.expectations import EXPECTATIONS
from whereupon.conditions.raw_logic import logic_clauses
from whereupon.conditions.segments import segment_clauses
from whereupon.conditions.spelling import Path, did_you_mean
from whereupon.conditions.values import JsonValue
from whereupon.conditions.wording import all_words, any_words, performed_words

_SYMBOLS: Final = MappingProxyType(
    {"=": "eq", "==": "eq", "!=": "ne", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
)


def read_condition(raw: JsonValue, path: Path, setting: Setting) -> list[Clause]:
    """The clauses of a condition; every problem of it is reported to the setting."""
    if not isinstance(raw, dict):
        setting.report(path, "wrong-type", "a condition is a mapping; write {PATH: VALUE}")
        return []
    if not raw:
        text = "this condition is empty; write what must hold, or leave the key out"
        setting.report(path, "empty-condition", text)
    clauses: list[Clause] = []
    for key, value in raw.items():
        read = _KEYS.get(key)
        if read is None:
            clauses += _field(key, value, (*path, key), setting)
        else:
            clauses += read(value, (*path, key), setting)
    return clauses


def _field(name: str, expected: JsonValue, path: Path, setting: Setting) -> list[Clause]:
    if name.startswith(f"{setting.root}."):
        short = name.removeprefix(f"{setting.root}.")
        text = f"paths start at the {setting.root} already; write {short}"
        setting.warn(path, "repeated-root", text)
    if expected == {}:
        setting.report(path, "empty-condition", f"say what {name} must be, or leave it out")
        return []
    if not isinstance(expected, dict):
        operator = "in" if isinstance(expected, list) else "eq"
        return _expectation(name, operator, expected, path, setting)
    clauses = []
    for operator, value in expected.items():
        clauses += _expectation(name, operator, value, (*path, operator), setting)
    return clauses


def _expectation(
    name: str, operator: str, expected: JsonValue, path: Path, setting: Setting
) -> list[Clause]:
    expectation = EXPECTATIONS.get(operator)
    if expectation is None:
        setting.report(path, "unknown-operator", _no_operator(name, operator))
        return []
    fault = expectation.check(expected)
    if fault is not None:
        setting.report(path, *fault)
        return []
    logic = expectation.logic({"var": f"{setting.root}.{name}"}, expected)
    return [Clause(logic, f"{name} {expectation.words(expected)}")]


def _no_operator(name: str, operator: str) -> str:
    if operator in _SYMBOLS:
        return f"there is no operator {operator!r} in the short form; write {_SYMBOLS[operator]}"
    hint = did_you_mean(operator, tuple(EXPECTATIONS))
    return f"there is no operator {operator!r}; {hint}; to look inside, write {name}.{operator}"


def _all(raw: JsonValue, path: Path, setting: Setting) -> list[Clause]:
    return [clause for group in _groups("all", raw, path, setting) for clause in group]


def _any(raw: JsonValue, path: Path, setting: Setting) -> list[Clause]:
    groups = [group for group in _groups("any", raw, path, setting) if group]
    if not groups:
        return []
    text = any_words([[clause.text for clause in group] for group in groups])
    logic: JsonValue = {"or": [conjunction(group) for group in groups]}
    return [combined(logic, text, (clause for group in groups for clause in group))]


def _not(raw: JsonValue, path: Path, setting: Setting) -> list[Clause]:
    clauses = read_condition(raw, path, setting)
    if not clauses:
        return []
    text = f"not ({all_words([clause.text for clause in clauses])})"
    return [combined({"!": [conjunction(clauses)]}, text, clauses)]


def _groups(key: str, raw: JsonValue, path: Path, setting: Setting) -> list[list[Clause]]:
    if not isinstance(raw, list):
        setting.report(
            path, "wrong-type", f"{key} takes a list of conditions; write [{{…}}, {{…}}]"
        )
        return []
    if not raw:
        setting.report(
            path, "empty-condition", f"{key} has no conditions; write some, or leave it out"
        )
    return [read_condition(item, (*path, place), setting) for place, item in enumerate(raw)]


def _segment(raw: JsonValue, path: Path, setting: Setting) -> list[Clause]:
    if not setting.history_allowed:
        setting.report(path, "not-allowed-here", "a segment is of persons; name it in who")
        return []
    return segment_clauses(raw, path, setting, read=read_condition)


def _performed(raw: JsonValue, path: Path, setting: Setting) -> list[Clause]:
    if not setting.history_allowed:
        text = "performed asks about a person's past; write it in who"
        setting.report(path, "not-allowed-here", text)
        return []

    def parse_where(where: JsonValue, place: Path) -> Condition:
        inner = Setting("properties", {}, history_allowed=False, problems=setting.problems)
        return (
            ALWAYS
            if where is None
            else assembled(read_condition(where, place, inner), place, inner)
        )

    ask = asking.read_performed(raw, path, report=setting.report, parse_where=parse_where)
    if ask is None:
        return []
    return [Clause({PERFORMED: [asking.question(ask)]}, performed_words(ask), (ask,))]


_KEYS: Final = MappingProxyType[str, Callable[[JsonValue, Path, Setting], list[Clause]]](
    {
        "all": _all,
        "any": _any,
        "not": _not,
        "logic": logic_clauses,
        "segment": _segment,
        "performed": _performed,
    }
)
