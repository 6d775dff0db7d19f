"""What a value has to be, for what the short form asks of it.

- A number that is asked for is met by that number, and by a text that reads as it: ``"23.45"``, ``" 20 "``.
- True and false are met by themselves, and by the words ``true`` and ``false`` in any case.
- A text is met by that text, by the number that it reads as, and by true or false where it is their word.

Nothing else meets anything: no empty text is 0, no 1 is true, no list is the text of its one item.
JavaScript's conversions are left to ``logic:`` (see `coercion`).
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from whereupon.conditions.jsonlogic.coercion import NAN, SPACE, units
from whereupon.conditions.values import JsonValue

Test: TypeAlias = Callable[[JsonValue], bool]

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,300}")
_LONGEST: Final = 1_000
"""A longer text reads as nothing."""
_WORDS: Final = MappingProxyType({"true": True, "false": False})


def number_in(value: JsonValue) -> float:
    """The number that a value is, or that its text reads as; NaN for anything else."""
    if type(value) is float or type(value) is int:
        return value
    if not isinstance(value, str) or len(value) > _LONGEST:
        return NAN
    text = value.strip(SPACE)
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else NAN


def truth_in(value: JsonValue) -> bool | None:
    """True or false, where a value is that or its text is the word for it."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    return _WORDS.get(value.strip(SPACE).lower())


def reads_as_number(value: JsonValue) -> bool:
    """Whether there is a number in it."""
    return number_in(value) == number_in(value)  # NaN is what differs from itself


def meets(value: JsonValue, asked: JsonValue) -> bool:
    """Whether a value is what is asked for."""
    if isinstance(asked, bool):
        return truth_in(value) is asked
    if isinstance(asked, str):
        if isinstance(value, str):
            return value == asked
        if isinstance(value, bool):
            return truth_in(asked) is value
        return isinstance(value, int | float) and number_in(asked) == value
    return isinstance(asked, int | float) and number_in(value) == asked


def equal_to(asked: JsonValue) -> Test:
    """``@is``."""
    return lambda value: meets(value, asked)


def one_of(asked: JsonValue) -> Test:
    """``@one_of``: any of a list; where all are texts, a set answers for texts."""
    options = asked if isinstance(asked, list) else [asked]
    texts = frozenset(option for option in options if isinstance(option, str))
    others = [option for option in options if not isinstance(option, str)]

    def holds(value: JsonValue) -> bool:
        if isinstance(value, str):
            return value in texts or any(meets(value, option) for option in others)
        return any(meets(value, option) for option in options)

    return holds


def ordered(operator: str, asked: JsonValue) -> Test:
    """``@gt`` and its like: beside a number as numbers; two texts that are none by their 16-bit units."""
    compare = _ORDER[operator]
    bound = number_in(asked)
    if bound == bound:  # noqa: PLR0124 - NaN is what differs from itself
        return lambda value: compare(number_in(value), bound)
    text = units(asked) if isinstance(asked, str) else None
    return lambda value: text is not None and isinstance(value, str) and compare(units(value), text)


_ORDER: Final[Mapping[str, Callable[[object, object], bool]]] = MappingProxyType(
    {
        "@gt": lambda left, right: left > right,  # type: ignore[operator]  # two of a kind
        "@gte": lambda left, right: left >= right,  # type: ignore[operator]
        "@lt": lambda left, right: left < right,  # type: ignore[operator]
        "@lte": lambda left, right: left <= right,  # type: ignore[operator]
    }
)
