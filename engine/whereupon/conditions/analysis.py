"""What follows from a condition: whether time alone changes it, and when; and which values it guarantees.

Polarity counts. *Performed within 60d* becomes true by a message only, and false by time alone. *Not
performed within 60d* is the opposite: it becomes true by time alone.
"""

from collections.abc import Iterator
from typing import Final

from whereupon.conditions.condition import Condition
from whereupon.conditions.item_tests import ITEM_OPERATORS, NO_ITEM, OUTER
from whereupon.conditions.jsonlogic.expressions import (
    fixed_path,
    is_call,
    operands_of,
    required,
)
from whereupon.conditions.jsonlogic.standard import COMPARISONS, LOOPS
from whereupon.conditions.operators import ADDITIONS
from whereupon.conditions.paths import root_of
from whereupon.conditions.performed import PERFORMED
from whereupon.conditions.values import JsonValue

_TIME: Final = "timestamp"
_LATER: Final = {">": True, ">=": True, "<": False, "<=": False}
"""Whether time makes ``timestamp OPERATOR limit`` true; otherwise it makes it false."""


def turns_by_time(logic: JsonValue, *, to: bool) -> bool:
    """Whether time alone may make the logic true (``to`` is True) or false."""
    if isinstance(logic, list):
        return any(turns_by_time(item, to=to) for item in logic)
    if not isinstance(logic, dict) or not is_call(logic):
        return False
    name, operands = operands_of(logic)
    if name in {"and", "or"}:
        return any(turns_by_time(operand, to=to) for operand in operands)
    if name in {"!", "!!"} and operands:
        return turns_by_time(operands[0], to=to is (name == "!!"))
    if name == PERFORMED:
        return _count_turns(operands[0], to=to)
    if name in ITEM_OPERATORS:
        return turns_by_time(operands[1], to=to is not (name == NO_ITEM))
    later = _timestamp_turns(name, operands) if name in _LATER else None
    return _reads_time(logic) if later is None else later is to


def _count_turns(question: JsonValue, *, to: bool) -> bool:
    """Whether a count over a window becomes small enough, or too small: time lowers it."""
    if not isinstance(question, dict) or question.get("within") is None:
        return False
    least, most = question.get("least"), question.get("most")
    return most is not None if to else isinstance(least, int) and least > 0


def _timestamp_turns(name: str, operands: list[JsonValue]) -> bool | None:
    """Whether time makes a comparison with the bare timestamp true; None for any other comparison."""
    if len(operands) != 2:  # noqa: PLR2004 - a comparison
        return None
    for place, other in ((0, 1), (1, 0)):
        if is_time(operands[place]) and not _reads_time(operands[other]):
            return _LATER[name] if place == 0 else not _LATER[name]
    return None


def counts_on_time(logic: JsonValue) -> bool:
    """Whether time alone may change the logic."""
    return turns_by_time(logic, to=True) or turns_by_time(logic, to=False)


def is_computable(logic: JsonValue) -> bool:
    """Whether every moment at which time alone changes the logic can be computed (`moments.next_change`).

    It can unless the logic computes with the time, or computes what it reads. The time may stand beside
    another value in a comparison.
    """
    return _is_computable(logic, in_item=False)


def _is_computable(logic: JsonValue, *, in_item: bool) -> bool:
    """The same of logic whose paths start at an item of a list, if they do."""
    if isinstance(logic, list):
        return all(_is_computable(each, in_item=in_item) for each in logic)
    if not isinstance(logic, dict) or not is_call(logic):
        return True
    name, operands = operands_of(logic)
    if name in {"var", OUTER}:
        is_known = (in_item and name == "var") or _reads_known(operands)
        return is_known and _is_computable(operands[1:], in_item=in_item)
    if name in ITEM_OPERATORS:
        source, each = operands
        return _is_computable(source, in_item=in_item) and _is_computable(each, in_item=True)
    if name in LOOPS:
        inner = [_is_computable(each, in_item=True) for each in operands[1:]]
        return _is_computable(operands[:1], in_item=in_item) and all(inner)
    if _sets_beside_time(name):
        others = [each for each in operands if not is_time(each)]
        if not _reads_time(others):
            return _is_computable(others, in_item=in_item)
    return _is_computable(operands, in_item=in_item)


def _reads_known(operands: list[JsonValue]) -> bool:
    """Whether ``var`` reads a path that is written out, and not the time."""
    path = operands[0] if operands else ""
    return isinstance(path, str | int) and root_of(str(path)) not in {"", _TIME}


def _sets_beside_time(name: str) -> bool:
    """Whether the operator compares, and so may have the bare timestamp on one side."""
    return (name in COMPARISONS and name != "in") or name in {"@before", "@after"}


def _reads_time(logic: JsonValue) -> bool:
    """Whether the value of the logic depends on the time at which it is evaluated."""
    if isinstance(logic, list):
        return any(map(_reads_time, logic))
    if not isinstance(logic, dict) or not is_call(logic):
        return False
    name, operands = operands_of(logic)
    if name == PERFORMED:
        return _count_turns(operands[0], to=True) or _count_turns(operands[0], to=False)
    if name in ADDITIONS and ADDITIONS[name].timed_test is not None:
        return True
    return is_time(logic) or any(map(_reads_time, operands))


def is_time(logic: JsonValue) -> bool:
    """Whether the logic is the bare timestamp, also outside of an item."""
    if fixed_path(logic) == _TIME:
        return True
    outside = logic.get(OUTER) if isinstance(logic, dict) else None
    return isinstance(outside, list) and outside[0] == _TIME


def guaranteed_by(condition: Condition) -> frozenset[str]:
    """The paths of the values that are neither missing nor null if the condition holds."""
    return frozenset(path for each in condition.conjuncts for path in _guaranteed(each.logic))


def _guaranteed(logic: JsonValue) -> Iterator[str]:
    if not isinstance(logic, dict) or not is_call(logic):
        return
    name, operands = operands_of(logic)
    if name == "and":
        for operand in operands:
            yield from _guaranteed(operand)
    elif name == "or" and operands:
        yield from frozenset.intersection(*(frozenset(_guaranteed(each)) for each in operands))
    elif name.startswith("@"):  # an addition does not hold for a missing value
        path = fixed_path(operands[0]) if operands else None
        if path is not None:
            yield path
    else:
        yield from required(logic)
