"""What a test says of one attribute, where that is all it says: for an index over many conditions."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from whereupon.conditions.jsonlogic.coercion import is_plain
from whereupon.conditions.jsonlogic.expressions import fixed_path, is_call, operands_of
from whereupon.conditions.scalars import number_in, reads_as_number
from whereupon.conditions.values import JsonValue


class Manner(StrEnum):
    """How values are compared: as JavaScript converts them, or as the short form has it (`meeting`)."""

    STANDARD = "standard"
    PLAIN = "plain"


class Family(StrEnum):
    """The kinds of test that an index understands."""

    ONE_OF = "one-of"
    NONE_OF = "none-of"
    RANGE = "range"
    PRESENCE = "presence"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One attribute beside fixed values.

    Attributes:
        path: the attribute's absolute dotted path.
        operator: of a range ``> >= < <=``; of a presence ``==`` (null) or ``!=``; else empty.
        options: the texts, numbers and booleans that it is compared with.
        spares_null: null, or nothing at all, satisfies it.
        manner: how they are compared; of a presence, all the same.
    """

    path: str
    family: Family
    operator: str
    options: tuple[str | float, ...]
    spares_null: bool
    manner: Manner = Manner.STANDARD


def comparison_of(logic: JsonValue) -> Comparison | None:
    """The comparison that the logic is; None where it is anything else."""
    found = _call(logic)
    if found is None:
        return None
    name, operands = found
    if name != "and":
        return _plainly(name, operands)
    demand = comparison_of(operands[0]) if len(operands) == 2 else None  # noqa: PLR2004 - demand and test
    if demand is None or demand.family is not Family.PRESENCE or demand.operator != "!=":
        return None
    rest = _negated(operands[1]) or comparison_of(operands[1])
    if rest is None or rest.path != demand.path or rest.family is Family.PRESENCE:
        return None
    return replace(rest, spares_null=False)


def _call(logic: JsonValue) -> tuple[str, list[JsonValue]] | None:
    return operands_of(logic) if isinstance(logic, dict) and is_call(logic) else None


def _negated(logic: JsonValue) -> Comparison | None:
    """``{"!": [{"@one_of": …}]}``: the short form's ``ne`` and ``not_in``."""
    found = _call(logic)
    inner = comparison_of(found[1][0]) if found and found[0] == "!" and len(found[1]) == 1 else None
    if inner is None or inner.family is not Family.ONE_OF:
        return None
    return replace(inner, family=Family.NONE_OF, spares_null=True)


def _plainly(name: str, operands: list[JsonValue]) -> Comparison | None:
    path = fixed_path(operands[0]) if len(operands) == 2 else None  # noqa: PLR2004 - a comparison
    read = _READERS.get(name)
    return None if path is None or read is None else read(path, name, operands[1])


def _equality(path: str, name: str, fixed: JsonValue) -> Comparison | None:
    if fixed is None:
        return Comparison(path, Family.PRESENCE, name, (), spares_null=name == "==")
    if isinstance(fixed, list | dict):
        return None
    family = Family.ONE_OF if name == "==" else Family.NONE_OF
    return Comparison(path, family, "", (fixed,), spares_null=name == "!=")


def _membership(path: str, name: str, fixed: JsonValue) -> Comparison | None:  # noqa: ARG001 - as its like
    options = fixed if isinstance(fixed, list) else [fixed]
    plain = tuple(each for each in options if isinstance(each, str | int | float))
    if len(plain) < len(options):
        return None
    numbers = (number_in(each) for each in plain if reads_as_number(each))
    if not all(map(is_plain, numbers)):
        return None
    return Comparison(path, Family.ONE_OF, "", plain, spares_null=False, manner=Manner.PLAIN)


def _order(path: str, name: str, fixed: JsonValue) -> Comparison | None:
    if not isinstance(fixed, int | float) or not is_plain(fixed):
        return None
    null_holds = {">": fixed < 0, ">=": fixed <= 0, "<": fixed > 0, "<=": fixed >= 0}
    return Comparison(path, Family.RANGE, name, (fixed,), spares_null=null_holds[name])


def _bound(path: str, name: str, fixed: JsonValue) -> Comparison | None:
    bound = number_in(fixed)
    if not is_plain(bound):
        return None
    operator = _BOUNDS[name]
    return Comparison(
        path, Family.RANGE, operator, (bound,), spares_null=False, manner=Manner.PLAIN
    )


_BOUNDS: Final = {"@gt": ">", "@gte": ">=", "@lt": "<", "@lte": "<="}
_READERS: Final[dict[str, Callable[[str, str, JsonValue], Comparison | None]]] = {
    "==": _equality,
    "!=": _equality,
    "@is": _membership,
    "@one_of": _membership,
    **dict.fromkeys(_BOUNDS, _bound),
    **dict.fromkeys((">", ">=", "<", "<="), _order),
}
