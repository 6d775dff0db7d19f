"""When the text of the time passes another text: JSONLogic compares both by their characters."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from whereupon.conditions.day_changes import clock_changes
from whereupon.conditions.jsonlogic.coercion import as_text
from whereupon.conditions.values import JsonValue
from whereupon.messages.times import MICROSECOND, format_local

_SECOND: Final = timedelta(seconds=1)
_WHOLE: Final = len("2026-01-31T00:00:00")
_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_SECONDS: Final = (datetime.max.replace(tzinfo=UTC) - _FIRST) // _SECOND


def text_turns(other: JsonValue, zone: tzinfo, after: datetime) -> list[datetime]:
    """The instants after one, in order, at which the time's text may come before, equal or come behind another.

    Args:
        other: what is compared with the text; what is neither text nor list compares as a number, and so
            always alike.
        zone: the timezone of the text.
        after: an aware instant.
    """
    if not isinstance(other, str | list | dict):
        return []
    try:
        return sorted({each for each in _turns(as_text(other), zone) if each > after})
    except OverflowError:
        return []


def _turns(other: str, zone: tzinfo) -> Iterator[datetime]:
    place = _first(_SECONDS, lambda n: _local(n).isoformat()[:_WHOLE] >= other[:_WHOLE])
    second = _local(place)  # the clock's; what it shows is not the time in UTC
    changes = clock_changes(second, zone)
    yield from changes
    for instant in _instants(second, zone):
        part = instant + _first_part(instant, other, zone) * MICROSECOND
        yield from (instant, instant + MICROSECOND, part, part + MICROSECOND, instant + _SECOND)


def _first_part(instant: datetime, other: str, zone: tzinfo) -> int:
    """The microseconds after a whole second at which its text comes to the other text."""

    def has_come(part: int) -> bool:
        return format_local(instant + part * MICROSECOND, zone) >= other

    return _first(999_999, has_come, least=1)


def _local(place: int) -> datetime:
    return _FIRST + place * _SECOND


def _instants(shown: datetime, zone: tzinfo) -> set[datetime]:
    """When a clock shows a time of a day, or would."""
    return {shown.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}


def _first(most: int, holds: Callable[[int], bool], least: int = 0) -> int:
    """The first number for which a test holds that holds for all beyond; the last one if there is none."""
    low, high = least, most
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low
