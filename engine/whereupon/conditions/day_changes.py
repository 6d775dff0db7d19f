"""When a clock comes to a calendar day, and when it leaves it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Final

_DAY: Final = timedelta(days=1)
_STEP: Final = timedelta(hours=3)
"""No clock is changed and changed back within this."""
_SECOND: Final = timedelta(seconds=1)


def day_changes(day: date, zone: tzinfo) -> list[datetime]:
    """Every instant, in order, at which a clock may come to a day or leave it; some others may be among them.

    A day may come twice, where the clocks go back over midnight.
    """
    try:
        first = datetime(day.year, day.month, day.day, tzinfo=UTC)
        if zone is UTC:
            return [first, first + _DAY]
        return sorted(_changes(first, zone))
    except OverflowError:
        return []


def clock_changes(local: datetime, zone: tzinfo) -> list[datetime]:
    """The instants around a local time, in order, at which the clock is changed.

    Args:
        local: the local time, as if it were one in UTC.
    """
    return [] if zone is UTC else [*_clock_changes(_around(local), zone)]


def _changes(first: datetime, zone: tzinfo) -> set[datetime]:
    times = _around(first)
    offsets = {_offset(time, zone) for time in times}
    midnights = {midnight - offset for midnight in (first, first + _DAY) for offset in offsets}
    return midnights.union(_clock_changes(times, zone)) if len(offsets) > 1 else midnights


def _around(local: datetime) -> list[datetime]:
    """Times in the three days around a local time. No clock is further from UTC than a day."""
    return [local - _DAY + _STEP * place for place in range(3 * _DAY // _STEP + 1)]


def _clock_changes(times: list[datetime], zone: tzinfo) -> Iterator[datetime]:
    """The instants between these at which the clock is changed. Clocks are changed at whole seconds."""
    for before, behind in pairwise(times):
        low, high, offset = before, behind, _offset(before, zone)
        if _offset(behind, zone) == offset:
            continue
        low, high = low.replace(microsecond=0), high.replace(microsecond=0)
        while high - low > _SECOND:
            middle = low + (high - low) // _SECOND // 2 * _SECOND
            if _offset(middle, zone) == offset:
                low = middle
            else:
                high = middle
        yield high


def _offset(instant: datetime, zone: tzinfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()
