"""``logic:``: standard JSONLogic within a condition, over the whole message and its person."""

from typing import Final

from whereupon.conditions.condition import Conjunct
from whereupon.conditions.conjuncts import conjunct_of
from whereupon.conditions.operators import is_call
from whereupon.conditions.paths import root_of
from whereupon.conditions.placeholders import literal_problems
from whereupon.conditions.reading import operands_of, variables_of
from whereupon.conditions.setting import Setting
from whereupon.conditions.spelling import Path, spelling_problems
from whereupon.conditions.values import ROOTS, JsonValue
from whereupon.conditions.wording import logic_words

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
