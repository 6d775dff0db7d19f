"""Conversion of common Python values that JSON cannot hold.

Values of JSON do not come here, nor do instants, dates, UUIDs, enums and dataclasses, which orjson writes
itself. Bytes are not converted, since their encoding is not known.
"""

import math
from collections import UserString, deque
from collections.abc import Callable, Iterable, Mapping, MappingView, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

_BYTES = bytes | bytearray | memoryview
_ADDRESSES = IPv4Address | IPv6Address | IPv4Network | IPv6Network
_EXACT_DIGITS = 18


def simplified(value: object) -> object:
    """A simpler substitute for a value; raises `TypeError` if none is known. It may need the same again.

    A decimal becomes a number of a double's precision, a duration its seconds, a set a sorted list, a model
    its fields.
    """
    for kinds, convert in _BY_KIND:
        if isinstance(value, kinds):
            return convert(value)
    return _by_trait(value)


def _from_decimal(value: Decimal) -> int | float:
    if not value.is_finite():
        return math.nan
    is_short = value.adjusted() < _EXACT_DIGITS
    return int(value) if is_short and value.as_tuple().exponent == 0 else float(value)


def _from_duration(value: timedelta) -> int | float:
    seconds = value.total_seconds()
    return int(seconds) if seconds.is_integer() else seconds


def _from_set(value: Iterable[Any]) -> list[object]:
    try:
        return sorted(value)
    except TypeError:
        return sorted(value, key=repr)


def _from_time(value: date | time) -> str | float:
    """The text of a time of a subclass, such as pandas'; a missing time (``NaT``) does not equal itself."""
    return value.isoformat() if value == value else math.nan  # noqa: PLR0124


def _refused(value: object) -> object:
    raise TypeError(type(value).__name__)


_BY_KIND: tuple[tuple[Any, Callable[[Any], object]], ...] = (
    (_BYTES, _refused),
    (Decimal, _from_decimal),
    (timedelta, _from_duration),
    (Enum, lambda value: value.value),
    ((datetime, date, time), _from_time),
    (MappingView, list),
    (AbstractSet, _from_set),
    (Mapping, dict),
    (UserString, str),
    ((Sequence, deque), list),
    (Fraction, float),
    (_ADDRESSES, str),
)


def _by_trait(value: object) -> object:
    """The substitute for a value whose type offers a known method, such as a model, a number or a path."""
    kind = type(value)
    for name, convert in _BY_TRAIT:
        if hasattr(kind, name):
            return convert(value)
    if any(base.__name__ == "Promise" for base in kind.__mro__):  # Django's translated texts
        return str(value)
    return _refused(value)


_BY_TRAIT: tuple[tuple[str, Callable[[Any], object]], ...] = (
    ("model_dump", lambda value: value.model_dump()),  # pydantic
    ("tolist", lambda value: value.tolist()),  # numpy's arrays and scalars
    ("__fspath__", lambda value: value.__fspath__()),
    ("__index__", int),
    ("__float__", float),
    (
        "__attrs_attrs__",
        lambda value: {a.name: getattr(value, a.name) for a in value.__attrs_attrs__},
    ),
    (
        "__struct_fields__",
        lambda value: {n: getattr(value, n) for n in value.__struct_fields__},
    ),  # msgspec
    ("unicode_string", str),  # pydantic's addresses
)
