"""Quiet hours: whether it is quiet for a person at an instant, and until when.

It is quiet whenever the person's clock shows a time within the hours. So a local time that a clock change skips is
never asked about, and one that comes twice is quiet twice.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final

from pydantic import JsonValue

from whereupon.conditions.clocks import Clock
from whereupon.decide.clocks import clock_of
from whereupon.messages.local_times import offset_change
from whereupon.records import SendKind
from whereupon.rules.model import FolderSettings, QuietHours

QUIET: Final = "quiet"
"""The reason of a delivery that waits for the end of quiet hours."""

_DAY = timedelta(days=1)


def quiet_until(hours: QuietHours, instant: datetime, zone: tzinfo) -> datetime | None:
    """The first moment from an instant on at which a clock shows no time within the hours; None if that is the instant.

    Args:
        instant: an aware instant.
        zone: the clock's timezone.
    """
    moment = instant.astimezone(UTC)
    while (left := _left(hours, moment.astimezone(zone).time())) is not None:
        change = offset_change(moment, moment + left, zone)
        if change is None:
            return moment + left
        moment = change
    return None if moment == instant else moment


def _left(hours: QuietHours, shown: time) -> timedelta | None:
    """How long a clock that shows this time goes on to the end of the hours; None if it shows none of them."""
    since, length = _between(hours.start, shown), _between(hours.start, hours.end)
    return length - since if since < length else None


def _between(first: time, second: time) -> timedelta:
    """How long a clock goes on from one time of day to the next such other one; nothing if they are equal."""
    return (_as_duration(second) - _as_duration(first)) % _DAY


def _as_duration(shown: time) -> timedelta:
    return timedelta(
        hours=shown.hour,
        minutes=shown.minute,
        seconds=shown.second,
        microseconds=shown.microsecond,
    )


def person_quiet_until(
    attributes: Mapping[str, JsonValue],
    settings: FolderSettings,
    own: Clock | None,
    *,
    channel: str,
    kind: SendKind,
    now: datetime,
) -> datetime | None:
    """Until when a person is not to be sent anything of this kind on this channel; None if they may be sent it now.

    Args:
        attributes: the person's, as they are now.
        settings: of the folder.
        own: the clock of the rule (`Rule.clock`); None if it goes by the settings.
    """
    hours = settings.quiet_hours
    if hours is None or kind is not SendKind.MARKETING or not hours.concern(channel):
        return None
    own = None if own is not None and own.of_schedule else own
    return quiet_until(hours, now, clock_of(attributes, settings, own))
