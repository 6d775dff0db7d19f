"""Predicate pushdown: the prefilter that follows from a condition over a person.

A test is read from the outside in, once for the case that it must hold and once, below a ``not``, for the
case that it must not. If nothing follows for one attribute, everybody passes. Null, true and false are put
to the test itself. Numbers and texts pass unless the test decides them without JavaScript's conversions:
texts beside texts, numbers beside numbers.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from whereupon.conditions.condition import Condition
from whereupon.conditions.item_tests import ITEM_OPERATORS
from whereupon.conditions.jsonlogic.coercion import as_double, as_number, is_truthy
from whereupon.conditions.jsonlogic.expressions import fixed_path, is_call, operands_of
from whereupon.conditions.jsonlogic.standard import COMPARISONS
from whereupon.conditions.operators import ADDITIONS
from whereupon.conditions.paths import follow, parts_of, root_of
from whereupon.conditions.prefilter import (
    ALL_PASS,
    EVERYBODY,
    NOBODY,
    AllOf,
    AnyOf,
    Kind,
    Passing,
    Prefilter,
    Texts,
    TextTest,
    Values,
    points,
    span,
)
from whereupon.conditions.values import Data, JsonValue

LARGEST: Final = 100
"""A prefilter of more values than this is not worth the time of a store: everybody passes instead."""
DEEPEST: Final = 12
"""How many levels of ``all``, ``any`` and ``not`` are read."""
_PERSON: Final = "person"
_UNKNOWN: Final = object()
_NO_SCALAR: Final = Passing((), Texts(TextTest.ONE_OF, frozenset()))
_CONSTANTS: Final = MappingProxyType({Kind.NULL: None, Kind.TRUE: True, Kind.FALSE: False})


def prefilter_of(condition: Condition, data: Data) -> Prefilter:
    """The prefilter of a condition over the person.

    Args:
        condition: the `who` of a broadcast.
        data: everything that the condition may read, except the person.
    """
    logics = [each.logic for each in condition.conjuncts if each.logic is not None]
    prefilter = _all_of(_prefilter(logic, data, wanted=True, depth=DEEPEST) for logic in logics)
    return prefilter if _size(prefilter) <= LARGEST else EVERYBODY


def _prefilter(logic: JsonValue, data: Data, *, wanted: bool, depth: int) -> Prefilter:
    """Who can make the logic true, or false if that is wanted."""
    if depth == 0 or isinstance(logic, list):
        return EVERYBODY
    if not isinstance(logic, dict):
        return EVERYBODY if is_truthy(logic) is wanted else NOBODY
    if not is_call(logic):
        return EVERYBODY
    name, operands = operands_of(logic)
    if name in {"and", "or"} and operands:
        parts = [_prefilter(each, data, wanted=wanted, depth=depth - 1) for each in operands]
        return _all_of(parts) if (name == "and") is wanted else _any_of(parts)
    if name in {"!", "!!"} and len(operands) == 1:
        wanted = wanted is (name == "!!")
        return _prefilter(operands[0], data, wanted=wanted, depth=depth - 1)
    if name in {"<", "<="} and len(operands) == 3:  # noqa: PLR2004 - between
        between: JsonValue = [{name: operands[:2]}, {name: operands[1:]}]
        return _prefilter({"and": between}, data, wanted=wanted, depth=depth - 1)
    if name == "var":
        return _values(fixed_path(logic), is_truthy, ALL_PASS, wanted=wanted)
    return _comparison(name, operands, data, wanted=wanted)


def _comparison(name: str, operands: list[JsonValue], data: Data, *, wanted: bool) -> Prefilter:
    """A variable beside a value that is known before any person is read."""
    if len(operands) != 2:  # noqa: PLR2004 - two sides
        return EVERYBODY
    first, second = operands
    if name in ITEM_OPERATORS:
        passing = _NO_SCALAR if wanted else ALL_PASS
        return _values(fixed_path(first), lambda _: False, passing, wanted=wanted)
    known = _known(second, data)
    comparison = COMPARISONS.get(name)
    if known is _UNKNOWN and comparison is not None and comparison.mirrored is not None:
        name, first, known = comparison.mirrored, second, _known(first, data)
    if known is _UNKNOWN:
        return EVERYBODY
    operand: JsonValue = known  # type: ignore[assignment]  # else it is unknown
    addition = ADDITIONS.get(name)
    if addition is not None:
        if addition.test is None or addition.prefilter is None:
            return EVERYBODY
        passing, holds = addition.prefilter(operand, wanted), addition.test(operand)
        return _values(
            fixed_path(first),
            lambda value: value is not None and holds(value),
            passing,
            wanted=wanted,
        )
    if comparison is None:
        return EVERYBODY
    compare, passing = COMPARISONS[name].holds, _STANDARD[name](name, operand, wanted)
    return _values(fixed_path(first), lambda value: compare(value, operand), passing, wanted=wanted)


def _known(operand: JsonValue, data: Data) -> object:
    """The value of an operand that does not depend on the person."""
    if isinstance(operand, list):
        return _UNKNOWN if any(isinstance(item, dict | list) for item in operand) else operand
    if not isinstance(operand, dict):
        return operand
    path = fixed_path(operand)
    if path is None or root_of(path) == _PERSON:
        return _UNKNOWN
    values: JsonValue = data  # type: ignore[assignment]  # a mapping is read as an object is
    return follow(values, parts_of(path), None)


def _values(
    path: str | None, test: Callable[[JsonValue], object], passing: Passing, *, wanted: bool
) -> Prefilter:
    root, *parts = parts_of(path or "")
    if root != _PERSON or not parts or not all(map(_is_plain_key, parts)):
        return EVERYBODY
    numbers, texts = passing
    kinds = {kind for kind, value in _CONSTANTS.items() if bool(test(value)) is wanted}
    kinds.add(Kind.OTHER)
    if numbers is None:
        kinds.add(Kind.NUMBER)
    if texts is None or not all(map(_is_plain, texts.options)):
        kinds.add(Kind.TEXT)
    if len(kinds) == len(Kind):
        return EVERYBODY
    return Values(
        path=tuple(parts),
        kinds=frozenset(kinds),
        spans=numbers or (),
        texts=None if Kind.TEXT in kinds else texts,
    )


def _is_plain_key(part: str) -> bool:
    """Whether every store finds the key as it is written, and nothing but an object has it."""
    if not part.isprintable() or '"' in part or "\\" in part:
        return False
    return part != "length" and any(map(str.isalpha, part))  # else it may be a position


def _is_plain(text: str) -> bool:
    """Whether every store can take this text as a parameter."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


# --- what passes a comparison of the standard -----------------------------------------------------


def _equality(name: str, operand: JsonValue, wanted: bool) -> Passing:
    equal = wanted is (name in {"==", "==="})
    return _members([operand], is_strict=len(name) == len("==="), equal=equal)


def _membership(name: str, operand: JsonValue, wanted: bool) -> Passing:  # noqa: ARG001 - as its like
    if not isinstance(operand, list):
        return ALL_PASS
    return _members(operand, is_strict=True, equal=wanted)


def _members(options: Sequence[JsonValue], *, is_strict: bool, equal: bool) -> Passing:
    """What is equal to one of the options, or to none of them."""
    texts = frozenset(option for option in options if isinstance(option, str))
    if not equal:
        return Passing(None, Texts(TextTest.NONE_OF, texts) if texts else None)
    simple = [option for option in options if not isinstance(option, dict | list)]
    if len(simple) < len(options) and not is_strict:
        return ALL_PASS  # they count as their text
    numbers = [option for option in simple if _is_number(option)]
    beside = numbers if is_strict else [as_number(each) for each in simple if each is not None]
    spans = points([as_double(n) for n in beside if not math.isnan(n)])  # type: ignore[arg-type]
    converted = any(isinstance(option, int | float) for option in simple) and not is_strict
    return Passing(spans, None if converted else Texts(TextTest.ONE_OF, texts))


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _order(name: str, operand: JsonValue, wanted: bool) -> Passing:
    if isinstance(operand, dict | list):
        return ALL_PASS
    bound = as_number(operand)
    if math.isnan(bound):
        return Passing(() if wanted else None, None)
    is_least = (name in {">", ">="}) is wanted
    return Passing((span(bound, None) if is_least else span(None, bound),), None)


_STANDARD: Final[Mapping[str, Callable[[str, JsonValue, bool], Passing]]] = MappingProxyType(
    {
        **dict.fromkeys(("==", "!=", "===", "!=="), _equality),
        "in": _membership,
        **dict.fromkeys((">", ">=", "<", "<="), _order),
    }
)


# --- combining prefilters -------------------------------------------------------------------------


def _all_of(parts: Iterable[Prefilter]) -> Prefilter:
    found = tuple(part for part in parts if part != EVERYBODY)
    if NOBODY in found:
        return NOBODY
    return found[0] if len(found) == 1 else AllOf(found)


def _any_of(parts: Iterable[Prefilter]) -> Prefilter:
    found = tuple(part for part in parts if part != NOBODY)
    if EVERYBODY in found:
        return EVERYBODY
    return found[0] if len(found) == 1 else AnyOf(found)


def _size(prefilter: Prefilter) -> int:
    return 1 if isinstance(prefilter, Values) else sum(map(_size, prefilter.parts))
