r"""Paths: ``address.city`` is the key ``city`` within ``address``.

A dot that belongs to a name is written with a backslash before it: ``utm\.source``. Backslashes before a
dot are written twice where they are meant themselves; anywhere else a backslash stands for itself.

``var``, ``missing`` and ``missing_some`` follow a path through data as JavaScript does: each part is a
key of an object, or a position or ``length`` of a list or a text. What every JavaScript object inherits
(``constructor`` and the like) is not data, and is missing here.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from whereupon.conditions.jsonlogic.coercion import as_number, as_text, is_at_most
from whereupon.conditions.jsonlogic.functions import unit_at, unit_length
from whereupon.conditions.values import UNDEFINED, JsonValue

_PIECE: Final = re.compile(r"([^.\\]*)(\\*)(\.?)")
_BEFORE_DOT: Final = re.compile(r"(\\*)\.")
_KNOWN: Final = 200
"""The parts of longer paths are not cached, because they may come from data."""
_AT_END: Final = re.compile(r"\\+\Z")


def parts_of(path: str) -> tuple[str, ...]:
    """The names that a path is made of, outermost first."""
    if "\\" not in path:
        return tuple(path.split("."))
    return _known_parts(path) if len(path) <= _KNOWN else _parts_of(path)


@lru_cache(maxsize=1024)
def _known_parts(path: str) -> tuple[str, ...]:
    return _parts_of(path)


def _parts_of(path: str) -> tuple[str, ...]:
    parts = [""]
    for text, backslashes, dot in _PIECE.findall(path):
        parts[-1] += text + backslashes[: len(backslashes) // 2 if dot else None]
        if dot and len(backslashes) % 2:
            parts[-1] += dot
        elif dot:
            parts.append("")
    return tuple(parts)


def root_of(path: str) -> str:
    """The first name of a path."""
    return parts_of(path)[0]


def path_of(parts: Iterable[str]) -> str:
    """The path of these names."""
    *above, last = parts
    return ".".join([*(_AT_END.sub(r"\g<0>\g<0>", written(name)) for name in above), written(last)])


def written(name: str) -> str:
    """A name as it is written at the end of a path."""
    return _BEFORE_DOT.sub(r"\1\1\\.", name)


_POSITION = re.compile(r"0|[1-9][0-9]{0,9}")


def look_up(data: JsonValue, path: JsonValue, default: JsonValue) -> JsonValue:
    """``var``: the value at a path, else the default, else null; the whole data if there is no path."""
    if path is None or path is UNDEFINED or path == "":
        return data
    return follow(data, parts_of(as_text(path)), None if default is UNDEFINED else default)


def follow(data: JsonValue, parts: tuple[str, ...], default: JsonValue) -> JsonValue:
    """The value at the end of these parts; a null before the end is a missing value."""
    value = data
    for part in parts:
        # The exact type first: asking whether a dict is a Mapping costs more than looking it up.
        value = value.get(part, UNDEFINED) if type(value) is dict else _member(value, part)
        if value is UNDEFINED:
            return default
    return value


def missing(data: JsonValue, keys: list[JsonValue]) -> list[JsonValue]:
    """``missing``: the keys whose value is null or ``""``.

    If the first operand is a list, it holds the keys. The reference evaluates a key that is an object as
    logic, even if it came with the data. Here it is a path like any other.
    """
    if keys and isinstance(keys[0], list):
        keys = keys[0]
    return [key for key in keys if _is_blank(_value_at_key(data, key))]


def missing_some(data: JsonValue, need: JsonValue, options: JsonValue) -> JsonValue:
    """``missing_some``: an empty list if at least ``need`` options are there, else the missing options.

    Null if the options have no length, where the reference throws.
    """
    if options is None or options is UNDEFINED:
        return None
    absent = missing(data, options if isinstance(options, list) else [options])
    count = as_number(_member(options, "length"))
    return [] if is_at_most(need, count - len(absent)) else list(absent)


def _value_at_key(data: JsonValue, key: JsonValue) -> JsonValue:
    if not isinstance(key, list):
        return look_up(data, key, UNDEFINED)
    path, default, *_ = (*key, UNDEFINED, UNDEFINED)
    return look_up(data, path, default)


def _is_blank(value: JsonValue) -> bool:
    return value is None or value == ""


def _member(value: JsonValue, part: str) -> JsonValue:
    """JavaScript's ``value[part]``, for data alone."""
    if isinstance(value, Mapping):
        return value.get(part, UNDEFINED)
    if not isinstance(value, list | str):
        return UNDEFINED
    if part == "length":
        return len(value) if isinstance(value, list) else unit_length(value)
    if not _POSITION.fullmatch(part):
        return UNDEFINED
    if isinstance(value, str):
        return unit_at(value, int(part)) or UNDEFINED
    return value[int(part)] if int(part) < len(value) else UNDEFINED
