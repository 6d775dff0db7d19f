"""What a condition guarantees: the values that are there wherever it holds."""

from collections.abc import Iterator

from whereupon.conditions.condition import Condition
from whereupon.conditions.operators import is_call
from whereupon.conditions.reading import fixed_path, operands_of, required
from whereupon.conditions.values import JsonValue


def guaranteed_by(condition: Condition) -> frozenset[str]:
    """The paths of the values that are neither missing nor null where the condition holds."""
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
    elif name.startswith("@"):  # the short form's own operators hold for no missing value
        path = fixed_path(operands[0]) if operands else None
        if path is not None:
            yield path
    else:
        yield from required(logic)
