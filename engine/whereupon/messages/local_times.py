"""Times of day on a person's clock.

A local time that a clock change skips is the first moment after the gap; one that comes twice is its first.
"""

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from whereupon.messages.times import LAST_INSTANT

_DAY = timedelta(days=1)


def next_time_of_day(
    after: datetime, zone: tzinfo, at: time, days: Collection[int] = range(7)
) -> datetime:
    """The next moment after an instant at which a clock shows a time of day, in UTC.

    Args:
        after: an aware instant.
        zone: the clock's timezone.
        days: the weekdays that count, from 0 for Monday.
    """
    day = after.astimezone(zone).date()
    for _ in range(9):  # a week, and the days on which the clocks change
        moment = moment_shown(datetime.combine(day, at), zone)
        if moment is None:
            return LAST_INSTANT
        if moment > after and day.weekday() in days:
            return moment
        day += _DAY
    return LAST_INSTANT


def day_on(moment: datetime, zone: tzinfo) -> date:
    """The day that a clock shows at an instant; at the ends of the calendar the day in UTC."""
    try:
        return moment.astimezone(zone).date()
    except OverflowError:
        return moment.astimezone(UTC).date()


def moment_shown(local: datetime, zone: tzinfo) -> datetime | None:
    """The first moment at which a clock shows a local time, or the first behind the gap that skips it, in UTC.

    None if it is beyond the calendar.
    """
    try:
        moment = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
        shown = moment.astimezone(zone).replace(tzinfo=None)
        if shown == local:
            return moment
        return _end_of_gap(local, zone)
    except OverflowError:
        return None


def _end_of_gap(local: datetime, zone: tzinfo) -> datetime:
    """The moment at which the clocks go forward past a local time."""
    before = local.replace(tzinfo=zone, fold=1).astimezone(
        UTC
    )  # by the offset after the gap: too early
    after = local.replace(tzinfo=zone, fold=0).astimezone(UTC)  # by the offset before it: too late
    low, high = sorted((before, after))
    return _change(low, high, zone)


def offset_change(after: datetime, until: datetime, zone: tzinfo) -> datetime | None:
    """When a clock is set forward or back behind one instant and by another, in UTC; None if it is not.

    Args:
        after, until: instants in UTC, at most a day apart. If the clock is set twice between them, it is one of the
            two; and None, if the second undoes the first.
    """
    if after.astimezone(zone).utcoffset() == until.astimezone(zone).utcoffset():
        return None
    return _change(after, until, zone)


def _change(low: datetime, high: datetime, zone: tzinfo) -> datetime:
    """The change of a clock between two instants of which it shows different offsets."""
    offset = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)
