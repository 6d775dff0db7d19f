"""The short form of conditions, and ``logic:`` in it: a mapping from dotted paths to what is expected there.

Every key is one conjunct, or several, and all of them must hold. ``all``, ``any``, ``not``,
``logic``, ``segment`` and ``performed`` are keys of their own. A missing value satisfies no comparison, so
``not: {price: {gt: 20}}`` holds for a message without a price, and ``price: {lte: 20}`` does not.
"""

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Final

from whereupon.conditions.condition import ALWAYS, Condition, Conjunct, conjunction
from whereupon.conditions.conjuncts import assembled, combined, conjunct_of
from whereupon.conditions.context import UTC, Setting
from whereupon.conditions.jsonlogic.expressions import is_call, operands_of, variables_of
from whereupon.conditions.operators import OPERATORS, Operand
from whereupon.conditions.paths import root_of
from whereupon.conditions.performed import PERFORMED, question, read_performed
from whereupon.conditions.segments import segment_conjuncts
from whereupon.conditions.sentence import all_words, any_words, logic_words, performed_words
from whereupon.conditions.validation import (
    Path,
    did_you_mean,
    literal_problems,
    placeholder_fault,
    spelling_problems,
    template_in_name,
)
from whereupon.conditions.values import ROOTS, JsonValue

_SYMBOLS: Final = MappingProxyType(
    {"=": "eq", "==": "eq", "!=": "ne", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
)


_OTHER_ROOTS: Final = MappingProxyType(
    {
        "properties": ("person.", "context."),
        "person": ("properties.", "context."),
    }
)
"""How a path begins that is meant to start elsewhere."""


def read_condition(raw: JsonValue, path: Path, setting: Setting) -> list[Conjunct]:
    """The conjuncts of a condition; every problem of it is reported to the setting."""
    if not isinstance(raw, dict):
        setting.report(path, "wrong-type", "a condition is a mapping; write {PATH: VALUE}")
        return []
    if not raw:
        text = "this condition is empty; write what must hold, or leave the key out"
        setting.report(path, "empty-condition", text)
    conjuncts: list[Conjunct] = []
    for key, value in raw.items():
        if key in _REFERRING:
            conjuncts += _REFERRING[key](value, (*path, key), setting)
        else:
            conjuncts += _known(key, value, (*path, key), setting)
    return conjuncts


def _known(key: str, value: JsonValue, path: Path, setting: Setting) -> Sequence[Conjunct]:
    """What depends on nothing but itself: read once, unless there is a problem to be told each time."""
    asked = (f"{setting.root} {setting.zone}", key, repr(value))
    known = setting.known.get(asked)
    if known is None:
        before = len(setting.problems)
        if key == "logic":
            known = tuple(logic_conjuncts(value, path, setting))
        else:
            known = tuple(_field(key, value, path, setting))
        if len(setting.problems) == before:
            setting.known[asked] = known
    return known


def _field(name: str, expected: JsonValue, path: Path, setting: Setting) -> list[Conjunct]:
    if name.startswith(f"{setting.root}."):
        short = name.removeprefix(f"{setting.root}.")
        text = f"paths start at the {setting.root} already; write {short}"
        setting.warn(path, "repeated-root", text)
    elif name.startswith(_OTHER_ROOTS[setting.root]):
        root = name.partition(".")[0]
        what = "a property" if setting.root == "properties" else "an attribute"
        text = (
            f"this asks for {what} called {root}; "
            f'for what is elsewhere write logic: {{"==": [{{"var": "{name[:60]}"}}, …]}}'
        )
        setting.warn(path, "other-root", text)
    elif setting.root == "person" and name == "user_id":
        text = (
            "this asks for an attribute that is called user_id, which is what some message says; "
            "it is not whom the engine knows: that no condition sees"
        )
        setting.warn(path, "attribute-not-id", text)
    fault = template_in_name(name)
    if fault is not None:
        setting.report(path, *fault)
        return []
    if expected == {}:
        setting.report(path, "empty-condition", f"say what {name} must be, or leave it out")
        return []
    if not isinstance(expected, dict):
        operator = "in" if isinstance(expected, list) else "eq"
        return _expectation(name, operator, expected, path, setting)
    conjuncts = []
    for operator, value in expected.items():
        conjuncts += _expectation(name, operator, value, (*path, operator), setting)
    return conjuncts


def _expectation(
    name: str, operator: str, expected: JsonValue, path: Path, setting: Setting
) -> list[Conjunct]:
    row = OPERATORS.get(operator)
    if row is None:
        setting.report(path, "unknown-operator", _no_operator(name, operator))
        return []
    fault = placeholder_fault(expected) or row.operand.check(expected)
    if fault is not None:
        setting.report(path, *fault)
        return []
    variable: JsonValue = {"var": f"{setting.root}.{name}"}
    logic = row.logic(variable, _on_clock(row.operand, expected, setting.zone))
    reads_time = row.addition is not None and row.addition.timed_test is not None
    return [conjunct_of(logic, f"{name} {row.words(expected)}", reads_time=reads_time)]


def _on_clock(operand: Operand, expected: JsonValue, zone: str) -> JsonValue:
    """The operand, with the timezone of its dates beside it unless that is UTC."""
    if zone == UTC or operand.on_clock is None or not isinstance(expected, str):
        return expected
    return operand.on_clock(expected, zone)


def _no_operator(name: str, operator: str) -> str:
    if operator in _SYMBOLS:
        return f"there is no operator {operator!r} in the short form; write {_SYMBOLS[operator]}"
    hint = did_you_mean(operator, tuple(OPERATORS))
    return f"there is no operator {operator!r}; {hint}; to look inside, write {name}.{operator}"


def _all(raw: JsonValue, path: Path, setting: Setting) -> list[Conjunct]:
    return [conjunct for group in _groups("all", raw, path, setting) for conjunct in group]


def _any(raw: JsonValue, path: Path, setting: Setting) -> list[Conjunct]:
    groups = [group for group in _groups("any", raw, path, setting) if group]
    if not groups:
        return []
    text = any_words([[conjunct.text for conjunct in group] for group in groups])
    logic: JsonValue = {"or": [conjunction(group) for group in groups]}
    return [combined(logic, text, (conjunct for group in groups for conjunct in group))]


def _not(raw: JsonValue, path: Path, setting: Setting) -> list[Conjunct]:
    conjuncts = read_condition(raw, path, setting)
    if not conjuncts:
        return []
    text = f"not ({all_words([conjunct.text for conjunct in conjuncts])})"
    return [combined({"!": [conjunction(conjuncts)]}, text, conjuncts)]


def _groups(key: str, raw: JsonValue, path: Path, setting: Setting) -> list[list[Conjunct]]:
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


def _segment(raw: JsonValue, path: Path, setting: Setting) -> list[Conjunct]:
    if not setting.history_allowed:
        setting.report(path, "not-allowed-here", "a segment is of persons; name it in who")
        return []
    return segment_conjuncts(raw, path, setting, read=read_condition)


def _performed(raw: JsonValue, path: Path, setting: Setting) -> list[Conjunct]:
    if not setting.history_allowed:
        text = "performed asks about a person's past; write it in who"
        setting.report(path, "not-allowed-here", text)
        return []

    def parse_where(where: JsonValue, place: Path) -> Condition:
        inner = Setting(
            "properties",
            {},
            history_allowed=False,
            zone=setting.zone,
            known=setting.known,
            problems=setting.problems,
        )
        return (
            ALWAYS
            if where is None
            else assembled(read_condition(where, place, inner), place, inner)
        )

    ask = read_performed(raw, path, report=setting.report, parse_where=parse_where)
    if ask is None:
        return []
    if ask.event.endswith("*"):
        text = (
            f"a * is not read here: this counts what is called {ask.event!r}; write one whole name"
        )
        setting.warn((*path, "event"), "wrong-value", text)
    return [conjunct_of({PERFORMED: [question(ask)]}, performed_words(ask), (ask,))]


_REFERRING: Final = MappingProxyType[str, Callable[[JsonValue, Path, Setting], list[Conjunct]]](
    {"all": _all, "any": _any, "not": _not, "segment": _segment, "performed": _performed}
)
"""The keys whose meaning may depend on what else there is: segments, or where a condition stands."""


_NO_CALL: Final = 'logic takes JSONLogic; write one operator and its operands: {">": [a, b]}'


def logic_conjuncts(raw: JsonValue, path: Path, setting: Setting) -> list[Conjunct]:
    """The conjuncts of raw logic: one for each operand of an ``and`` at its top."""
    if raw == {}:
        setting.report(path, "empty-condition", "logic is empty; write {OPERATOR: [OPERANDS]}")
        return []
    if not isinstance(raw, dict) or not is_call(raw):
        setting.report(path, "wrong-type", _NO_CALL)
        return []
    setting.problems.extend(spelling_problems(raw, path))
    setting.problems.extend(literal_problems(raw, path))
    for name in dict.fromkeys(variables_of(raw)):
        if root_of(name) not in ROOTS:
            text = f"logic sees {', '.join(ROOTS)}, and so no {name}; write {setting.root}.{name}"
            setting.warn(path, "unknown-root", text)
    return [conjunct_of(logic, logic_words(logic)) for logic in _operands_of_and(raw)]


def _operands_of_and(logic: dict[str, JsonValue]) -> list[JsonValue]:
    name, operands = operands_of(logic)
    return operands if name == "and" and operands else [logic]
