"""How the short form compares a value of a message or a person with a value of a rule.

- A number equals that number, and a text that reads as it: ``"23.45"``, ``" 20 "``.
- True and false equal themselves, and the words ``true`` and ``false`` in any case.
- A text equals that text, the number that it reads as, and true or false if it is their word.

Nothing else is equal: no empty text is 0, no 1 is true, no list is the text of its one item. JavaScript's
conversions are left to ``logic:`` (see `jsonlogic.coercion`).
"""

import re
from collections.abc import Callable
from types import MappingProxyType
from typing import Final, TypeAlias

from whereupon.conditions.jsonlogic.coercion import NAN, SPACE
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
    """True or false, if a value is that or its text is the word for it."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    return _WORDS.get(value.strip(SPACE).lower())


def reads_as_number(value: JsonValue) -> bool:
    """Whether a value is a number, or its text reads as one."""
    return number_in(value) == number_in(value)  # NaN is what differs from itself


def is_mere_text(value: JsonValue) -> bool:
    """Whether a value is a text that equals nothing but itself."""
    return isinstance(value, str) and not reads_as_number(value) and truth_in(value) is None


def equals(value: JsonValue, wanted: JsonValue) -> bool:
    """Whether a value equals what a rule wants."""
    if isinstance(wanted, bool):
        return truth_in(value) is wanted
    if isinstance(wanted, str):
        if isinstance(value, str):
            return value == wanted
        if isinstance(value, bool):
            return truth_in(wanted) is value
        return isinstance(value, int | float) and number_in(wanted) == value
    return isinstance(wanted, int | float) and number_in(value) == wanted


def one_of(wanted: JsonValue) -> Test:
    """Whether a value equals one of a list: a set answers for texts."""
    options = wanted if isinstance(wanted, list) else [wanted]
    texts = frozenset(option for option in options if isinstance(option, str))
    others = [option for option in options if not isinstance(option, str)]

    def holds(value: JsonValue) -> bool:
        if isinstance(value, str):
            return value in texts or any(equals(value, option) for option in others)
        return any(equals(value, option) for option in options)

    return holds
