"""From a condition to the prefilter that it makes: what is certain of the attributes of whom it admits.

Each test is read from the outside in, once for where it is to hold and once, below a ``not``, for where
it is not; whatever cannot be told of one attribute lets everybody through. Null, true and false are put
to the test itself. Of numbers and texts the prefilter keeps what has no need of JavaScript's conversions:
texts beside texts, numbers beside numbers.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, TypeAlias

from whereupon.conditions.additions import ADDITIONS, limit_of
from whereupon.conditions.condition import Condition
from whereupon.conditions.jsonlogic.coercion import as_double, as_number, as_text, is_truthy
from whereupon.conditions.jsonlogic.expressions import fixed_path, is_call, operands_of
from whereupon.conditions.jsonlogic.standard import THREE, TWO
from whereupon.conditions.paths import follow, parts_of, root_of
from whereupon.conditions.prefilter import (
    DAY,
    EVERYBODY,
    NOBODY,
    AllOf,
    AnyOf,
    Kind,
    Prefilter,
    Span,
    Texts,
    TextTest,
    Values,
)
from whereupon.conditions.scalars import number_in, reads_as_number
from whereupon.conditions.values import UNDEFINED, Data, JsonValue
from whereupon.messages.times import earlier, format_instant, later

LARGEST: Final = 100
"""A prefilter of more values than this is not worth a store's while: it lets everybody through."""
MOST_SPANS: Final = 20
DEEPEST: Final = 12
"""So far into ``all``, ``any`` and ``not`` a condition is read."""
_HAIR: Final = 1e-9
"""By so much, and that part of it, a bound is moved out: stores read decimal numbers in their own ways."""
_MARGIN: Final = timedelta(days=2)
"""The day that a text begins with may be off by that from the instant that it says, by its offset."""
_PERSON: Final = "person"

_Spans: TypeAlias = tuple[Span, ...] | None
_Kept: TypeAlias = tuple[_Spans, Texts | None]
"""The numbers and the texts of a test; None where all of them are let through."""

_NO_TEXTS: Final = Texts(TextTest.ONE_OF, frozenset())
_ALL: Final[_Kept] = (None, None)
_UNKNOWN: Final = object()
_CONSTANTS: Final = MappingProxyType({Kind.NULL: None, Kind.TRUE: True, Kind.FALSE: False})
_TURNED: Final[Mapping[str, str]] = MappingProxyType(
    {"==": "==", "!=": "!=", "===": "===", "!==": "!==", ">": "<", ">=": "<=", "<": ">", "<=": ">="}
)
"""Operators with their sides exchanged."""


def prefilter_of(condition: Condition, data: Data) -> Prefilter:
    """The prefilter of a condition over the person.

    Args:
        data: all that the condition may read, but the person.
    """
    logics = [each.logic for each in condition.conjuncts if each.logic is not None]
    prefilter = _all_of(_prefilter(logic, data, wanted=True, depth=DEEPEST) for logic in logics)
    return prefilter if _size(prefilter) <= LARGEST else EVERYBODY


def _prefilter(logic: JsonValue, data: Data, *, wanted: bool, depth: int) -> Prefilter:
    """Who can make the logic true, or false where that is wanted."""
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
        turned = wanted is (name == "!!")
        return _prefilter(operands[0], data, wanted=turned, depth=depth - 1)
    if name in {"<", "<="} and len(operands) == 3:  # noqa: PLR2004 - between
        between: JsonValue = [{name: operands[:2]}, {name: operands[1:]}]
        return _prefilter({"and": between}, data, wanted=wanted, depth=depth - 1)
    if name == "var":
        return _values(fixed_path(logic), is_truthy, _ALL, wanted=wanted)
    return _comparison(name, operands, data, wanted=wanted)


def _comparison(name: str, operands: list[JsonValue], data: Data, *, wanted: bool) -> Prefilter:
    """A variable beside what is known."""
    if len(operands) != 2:  # noqa: PLR2004 - two sides
        return EVERYBODY
    first, second = operands
    known = _known(second, data)
    if known is _UNKNOWN and name in _TURNED:
        name, first, known = _TURNED[name], second, _known(first, data)
    if known is _UNKNOWN:
        return EVERYBODY
    fixed: JsonValue = known  # type: ignore[assignment]  # else it is unknown
    test, keep = _test(name, fixed), _KEEPERS.get(name)
    if test is None or keep is None:
        return EVERYBODY
    return _values(fixed_path(first), test, keep(name, fixed, wanted), wanted=wanted)


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


def _test(name: str, fixed: JsonValue) -> Callable[[JsonValue], object] | None:
    if name in ADDITIONS:
        holds = ADDITIONS[name](fixed)
        return lambda value: value is not None and holds(value)
    if name in TWO:
        return lambda value: TWO[name](value, fixed)
    if name in THREE:
        return lambda value: THREE[name](value, fixed, UNDEFINED)
    return None


def _values(
    path: str | None, test: Callable[[JsonValue], object], kept: _Kept, *, wanted: bool
) -> Prefilter:
    root, *parts = parts_of(path or "")
    if root != _PERSON or not parts or not all(map(_is_plain_key, parts)):
        return EVERYBODY
    spans, texts = kept
    kinds = {kind for kind, value in _CONSTANTS.items() if bool(test(value)) is wanted}
    kinds.add(Kind.OTHER)
    if spans is None:
        kinds.add(Kind.NUMBER)
    if texts is None or not all(map(_is_plain, texts.options)):
        kinds.add(Kind.TEXT)
    if len(kinds) == len(Kind):
        return EVERYBODY
    return Values(
        path=tuple(parts),
        kinds=frozenset(kinds),
        spans=spans or (),
        texts=None if Kind.TEXT in kinds else texts,
    )


def _is_plain_key(part: str) -> bool:
    """Whether every store finds it as it is written, and nothing but an object has it."""
    if not part.isprintable() or '"' in part or "\\" in part:
        return False
    return part != "length" and any(map(str.isalpha, part))  # else it may be a position


def _is_plain(text: str) -> bool:
    """Whether every store can be given this text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


# --- what is kept of a test, by its operator ----------------------------------------------------


def _equality(name: str, fixed: JsonValue, wanted: bool) -> _Kept:
    equal = wanted is (name in {"==", "==="})
    return _members([fixed], is_strict=len(name) == len("==="), equal=equal)


def _membership(name: str, fixed: JsonValue, wanted: bool) -> _Kept:  # noqa: ARG001 - as its like
    if not isinstance(fixed, list):
        return _ALL
    return _members(fixed, is_strict=True, equal=wanted)


def _meeting(name: str, fixed: JsonValue, wanted: bool) -> _Kept:  # noqa: ARG001 - as its like
    """What the short form finds equal to an option, or to none."""
    options = fixed if isinstance(fixed, list) else [fixed]
    texts = frozenset(option for option in options if isinstance(option, str))
    if not wanted:
        return None, Texts(TextTest.NONE_OF, texts) if texts else None
    spans = _points([as_double(number_in(each)) for each in options if reads_as_number(each)])
    read = any(isinstance(option, int | float) for option in options)  # texts may read as these
    return spans, None if read else Texts(TextTest.ONE_OF, texts)


def _bound(name: str, fixed: JsonValue, wanted: bool) -> _Kept:
    bound = as_double(number_in(fixed))
    if math.isnan(bound):
        return (() if wanted else None), None
    from_below = name.startswith("@g") is wanted
    return (_span(bound, None) if from_below else _span(None, bound),), None


def _members(options: Sequence[JsonValue], *, is_strict: bool, equal: bool) -> _Kept:
    """What is equal to one of the options, or to none of them."""
    texts = frozenset(option for option in options if isinstance(option, str))
    if not equal:
        return None, Texts(TextTest.NONE_OF, texts) if texts else None
    simple = [option for option in options if not isinstance(option, dict | list)]
    if len(simple) < len(options) and not is_strict:
        return _ALL  # they count as their text
    numbers = [option for option in simple if _is_number(option)]
    beside = numbers if is_strict else [as_number(each) for each in simple if each is not None]
    spans = _points([as_double(n) for n in beside if not math.isnan(n)])  # type: ignore[arg-type]
    converted = any(isinstance(option, int | float) for option in simple) and not is_strict
    return spans, None if converted else Texts(TextTest.ONE_OF, texts)


def _points(numbers: Sequence[float]) -> tuple[Span, ...]:
    """These numbers; where they are many, all between them too."""
    if len(numbers) > MOST_SPANS:
        return (_span(min(numbers), max(numbers)),)
    return tuple(_span(number, number) for number in numbers)


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _order(name: str, fixed: JsonValue, wanted: bool) -> _Kept:
    if isinstance(fixed, dict | list):
        return _ALL
    bound = as_number(fixed)
    if math.isnan(bound):
        return (() if wanted else None), None
    from_below = (name in {">", ">="}) is wanted
    return (_span(bound, None) if from_below else _span(None, bound),), None


def _span(least: float | None, most: float | None) -> Span:
    low = None if least is None or math.isinf(least) else least - abs(least) * _HAIR - _HAIR
    high = None if most is None or math.isinf(most) else most + abs(most) * _HAIR + _HAIR
    return Span(low, high)


def _part(name: str, fixed: JsonValue, wanted: bool) -> _Kept:
    return None, Texts(_PARTS[name], frozenset((as_text(fixed),))) if wanted else None


def _moment(name: str, fixed: JsonValue, wanted: bool) -> _Kept:
    limit = limit_of(fixed)
    if limit is None or not wanted:  # what looks like a day may be none, and is on neither side
        return _ALL
    if name == "@after":
        return None, _day(TextTest.SINCE, earlier(limit, _MARGIN))
    return None, _day(TextTest.UP_TO, later(limit, _MARGIN))


def _day(test: TextTest, instant: datetime) -> Texts:
    return Texts(test, frozenset((format_instant(instant)[:DAY],)))


def _nothing(name: str, fixed: JsonValue, wanted: bool) -> _Kept:  # noqa: ARG001 - as its like
    return _ALL


_PARTS: Final = MappingProxyType(
    {
        "@starts_with": TextTest.STARTS_WITH,
        "@ends_with": TextTest.ENDS_WITH,
        "@contains": TextTest.CONTAINS,
    }
)
_KEEPERS: Final[Mapping[str, Callable[[str, JsonValue, bool], _Kept]]] = MappingProxyType(
    {
        **dict.fromkeys(("==", "!=", "===", "!=="), _equality),
        "in": _membership,
        **dict.fromkeys(("@is", "@one_of"), _meeting),
        **dict.fromkeys(("@gt", "@gte", "@lt", "@lte"), _bound),
        **dict.fromkeys((">", ">=", "<", "<="), _order),
        **dict.fromkeys(_PARTS, _part),
        **dict.fromkeys(("@before", "@after"), _moment),
        "@matches": _nothing,
    }
)


# --- putting prefilters together -------------------------------------------------------------------


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
