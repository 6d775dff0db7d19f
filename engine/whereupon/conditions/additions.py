"""The operators that this library adds to JSONLogic for the short form; their names begin with ``@``.

Each stands between a variable and a fixed value, which the short form has checked. None holds for a
missing value. Those on texts read texts, numbers and booleans, as they are written; a list or an
object has no text here.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from whereupon.conditions.condition import Performed
from whereupon.conditions.jsonlogic.coercion import as_double, as_text
from whereupon.conditions.jsonlogic.expressions import WITHIN
from whereupon.conditions.paths import follow
from whereupon.conditions.patterns import searching
from whereupon.conditions.scalars import Test, equal_to, meets, one_of, ordered
from whereupon.conditions.scope import Closure, Scope
from whereupon.conditions.values import JsonValue
from whereupon.messages.times import ZERO, parse_duration, parse_local

PERFORMED: Final = "@performed"


def asking(performed: Performed) -> Closure:
    """``@performed``: whether the history has as many as are asked for."""

    def test(data: JsonValue, scope: Scope) -> JsonValue:  # noqa: ARG001 - a Closure
        return performed.allows(scope.history.count(performed))

    return test


def addition(name: str, read: Closure, fixed: JsonValue) -> Closure:
    """The closure of ``{name: [variable, fixed]}``."""
    if name == WITHIN:
        duration, zone = _on_clock(fixed)
        return _within(read, parse_duration(as_text(duration)) or ZERO, zone)
    holds = ADDITIONS[name](fixed)

    def test(data: JsonValue, scope: Scope) -> JsonValue:
        value = read(data, scope)
        return value is not None and holds(value)

    return test


def instant_of(value: JsonValue, zone: tzinfo = UTC) -> datetime | None:
    """The instant that a value of any size or kind says, if it says one; without an offset, in a zone."""
    return parse_local(as_double(value) if type(value) is int else value, zone)


def limit_of(fixed: JsonValue) -> datetime | None:
    """The instant that `before` and `after` compare with."""
    return instant_of(_on_clock(fixed)[0])


def _on_clock(fixed: JsonValue) -> tuple[JsonValue, tzinfo]:
    """What stands beside a date, and the timezone of dates without an offset: UTC where none is said."""
    if not isinstance(fixed, list):
        return fixed, UTC
    said, zone = fixed
    return said, ZoneInfo(as_text(zone))


def _contains(fixed: JsonValue) -> Test:
    part = as_text(fixed)

    def holds(value: JsonValue) -> bool:
        if isinstance(value, list):
            return any(meets(item, fixed) for item in value)
        return isinstance(value, str) and part in value

    return holds


def _starts_with(fixed: JsonValue) -> Test:
    return lambda value: _has_text(value) and as_text(value).startswith(as_text(fixed))


def _ends_with(fixed: JsonValue) -> Test:
    return lambda value: _has_text(value) and as_text(value).endswith(as_text(fixed))


def _matches(fixed: JsonValue) -> Test:
    is_found = searching(as_text(fixed))
    return lambda value: _has_text(value) and is_found(as_text(value))


def _before(fixed: JsonValue) -> Test:
    limit, zone = limit_of(fixed), _on_clock(fixed)[1]

    def holds(value: JsonValue) -> bool:
        instant = instant_of(value, zone)
        return instant is not None and limit is not None and instant < limit

    return holds


def _after(fixed: JsonValue) -> Test:
    limit, zone = limit_of(fixed), _on_clock(fixed)[1]

    def holds(value: JsonValue) -> bool:
        instant = instant_of(value, zone)
        return instant is not None and limit is not None and instant > limit

    return holds


def _within(read: Closure, distance: timedelta, zone: tzinfo) -> Closure:
    """At most that far from the message's timestamp, before it or after it."""

    def test(data: JsonValue, scope: Scope) -> JsonValue:
        instant = instant_of(read(data, scope), zone)
        timestamp = instant_of(follow(data, ("timestamp",), None))
        if instant is None or timestamp is None:
            return False
        return abs(instant - timestamp) <= distance

    return test


def _has_text(value: JsonValue) -> bool:
    return isinstance(value, str | int | float)


ADDITIONS: Final[Mapping[str, Callable[[JsonValue], Test]]] = MappingProxyType(
    {
        "@is": equal_to,
        "@one_of": one_of,
        **{operator: partial(ordered, operator) for operator in ("@gt", "@gte", "@lt", "@lte")},
        "@contains": _contains,
        "@starts_with": _starts_with,
        "@ends_with": _ends_with,
        "@matches": _matches,
        "@before": _before,
        "@after": _after,
    }
)
NAMES: Final = (*ADDITIONS, WITHIN, PERFORMED)
