"""The predicate that a condition's logic amounts to, if it is a demand on one attribute (`predicate`)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from whereupon.conditions.jsonlogic.coercion import is_plain
from whereupon.conditions.jsonlogic.expressions import fixed_path, is_call, operands_of
from whereupon.conditions.operators import ADDITIONS
from whereupon.conditions.predicate import Interval, Predicate, PredicateKind, Semantics
from whereupon.conditions.values import JsonValue


def predicate_of(logic: JsonValue) -> Predicate | None:
    """The predicate that the logic is; None if it is anything else."""
    found = _call(logic)
    if found is None:
        return None
    name, operands = found
    if name != "and":
        return _comparison(name, operands)
    demand = predicate_of(operands[0]) if len(operands) == 2 else None  # noqa: PLR2004 - demand and test
    if demand is None or demand.kind is not PredicateKind.PRESENCE or demand.holds_for_null:
        return None
    rest = _negation(operands[1]) or predicate_of(operands[1])
    if rest is None or rest.path != demand.path or rest.kind is PredicateKind.PRESENCE:
        return None
    return replace(rest, holds_for_null=False)


def _call(logic: JsonValue) -> tuple[str, list[JsonValue]] | None:
    return operands_of(logic) if isinstance(logic, dict) and is_call(logic) else None


def _negation(logic: JsonValue) -> Predicate | None:
    """``{"!": [{"@one_of": …}]}``: the short form's ``ne`` and ``not_in``."""
    found = _call(logic)
    inner = predicate_of(found[1][0]) if found and found[0] == "!" and len(found[1]) == 1 else None
    if inner is None or inner.kind is not PredicateKind.ONE_OF:
        return None
    return replace(inner, kind=PredicateKind.NONE_OF, holds_for_null=True)


def _comparison(name: str, operands: list[JsonValue]) -> Predicate | None:
    path = fixed_path(operands[0]) if len(operands) == 2 else None  # noqa: PLR2004 - a comparison
    if path is None:
        return None
    addition = ADDITIONS.get(name)
    if addition is not None:
        return None if addition.index is None else addition.index(path, operands[1])
    read = _STANDARD.get(name)
    return None if read is None else read(path, name, operands[1])


def _equality(path: str, name: str, operand: JsonValue) -> Predicate | None:
    is_equal = name == "=="
    if operand is None:
        return Predicate(path, PredicateKind.PRESENCE, Semantics.JAVASCRIPT, is_equal)
    if isinstance(operand, list | dict):
        return None
    kind = PredicateKind.ONE_OF if is_equal else PredicateKind.NONE_OF
    return Predicate(path, kind, Semantics.JAVASCRIPT, not is_equal, options=(operand,))


def _order(path: str, name: str, operand: JsonValue) -> Predicate | None:
    if not isinstance(operand, int | float) or not is_plain(operand):
        return None
    null_holds = {">": operand < 0, ">=": operand <= 0, "<": operand > 0, "<=": operand >= 0}
    interval = Interval.beside(name, operand)
    return Predicate(
        path, PredicateKind.RANGE, Semantics.JAVASCRIPT, null_holds[name], interval=interval
    )


_STANDARD: Final[dict[str, Callable[[str, str, JsonValue], Predicate | None]]] = {
    **dict.fromkeys(("==", "!="), _equality),
    **dict.fromkeys((">", ">=", "<", "<="), _order),
}
