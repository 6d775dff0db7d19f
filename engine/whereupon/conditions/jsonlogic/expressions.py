"""The structure of a JSONLogic expression: operator, operands, variables, and what it says of null."""

from collections.abc import Iterator

from whereupon.conditions.jsonlogic.coercion import as_text
from whereupon.conditions.jsonlogic.standard import LOOPS, THREE, TWO
from whereupon.conditions.values import ROOTS, UNDEFINED, JsonValue


def is_call(logic: JsonValue) -> bool:
    """Whether the value calls an operator: it is an object of exactly one key, as for the reference."""
    return isinstance(logic, dict) and len(logic) == 1


def operands_of(logic: dict[str, JsonValue]) -> tuple[str, list[JsonValue]]:
    """An operator and its operands; a single operand may stand without a list."""
    ((name, operands),) = logic.items()
    return name, operands if isinstance(operands, list) else [operands]


def variables_of(logic: JsonValue) -> Iterator[str]:
    """The paths that the logic reads, in order; all roots if it takes the data as a whole."""
    if isinstance(logic, list):
        for item in logic:
            if isinstance(item, dict | list):
                yield from variables_of(item)
    if not isinstance(logic, dict) or not is_call(logic):
        return
    name, operands = operands_of(logic)
    if name == "var":
        yield from _paths(operands[:1] or [""])
        yield from variables_of(operands[1:])
    elif name in {"missing", "missing_some"}:
        yield from _paths(_keys(operands[1:] if name == "missing_some" else operands))
    else:
        yield from variables_of(operands[:1] + operands[2:] if name in LOOPS else operands)


def fixed_path(logic: JsonValue) -> str | None:
    """The path of a ``var`` that is written out and has no default."""
    if not isinstance(logic, dict) or not is_call(logic):
        return None
    name, operands = operands_of(logic)
    path = operands[0] if name == "var" and len(operands) == 1 else None
    return path if isinstance(path, str) and path else None


def required(logic: JsonValue) -> Iterator[str]:
    """The variable that is not null if this test is true; none if that cannot be seen."""
    if not isinstance(logic, dict) or not is_call(logic):
        return
    name, operands = operands_of(logic)
    path = fixed_path(logic) or (fixed_path(operands[0]) if name == "!!" and operands else None)
    if path is not None:
        yield path
    answered = _answer_for_null(name, operands)
    if answered is not None and not answered[1]:
        yield answered[0]


def satisfied_by_null(name: str, operands: list[JsonValue]) -> str | None:
    """The one variable beside fixed values, if the comparison is true for null."""
    answered = _answer_for_null(name, operands)
    return answered[0] if answered is not None and answered[1] else None


def _answer_for_null(name: str, operands: list[JsonValue]) -> tuple[str, bool] | None:
    paths = [path for path in map(fixed_path, operands) if path is not None]
    fixed = [None if fixed_path(operand) else operand for operand in operands]
    if len(paths) != 1 or len(fixed) < 2 or any(isinstance(value, dict | list) for value in fixed):  # noqa: PLR2004 - a comparison
        return None
    if name in TWO:
        return paths[0], bool(TWO[name](fixed[0], fixed[1]))
    if name in THREE:
        first, second, third, *_ = (*fixed, UNDEFINED)
        return paths[0], bool(THREE[name](first, second, third))
    return None


def _keys(operands: list[JsonValue]) -> list[JsonValue]:
    first = operands[0] if operands else None
    return first if isinstance(first, list) else operands


def _paths(keys: list[JsonValue]) -> Iterator[str]:
    for key in keys:
        if isinstance(key, dict | list) or key is None or key == "":
            yield from ROOTS
            yield from variables_of(key)
        else:
            yield as_text(key)
