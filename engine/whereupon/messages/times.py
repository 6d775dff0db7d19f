"""Instants and durations: how they are read, written and counted. No clock is read here.

An instant is an aware `datetime` in UTC. The store keeps it as whole microseconds since the Unix epoch. A
duration in a rule file is a whole number and a unit: ``90s 15m 2h 7d``; a day is 24 hours. Times of
retention may also have weeks and years: ``2w 1y``.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from msgspec import to_builtins

from whereupon.messages.columns import is_uniform

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZERO = timedelta(0)
FIRST_INSTANT = datetime.min.replace(tzinfo=UTC)
LAST_INSTANT = datetime.max.replace(tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_ONE_DAY = timedelta(days=1)
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_LONG_UNITS = {**_UNITS, "w": timedelta(days=7), "y": timedelta(days=365)}
_UNIX = re.compile(r"\s*-?\d{9,20}(?:\.\d{1,20})?\s*", re.ASCII)
_UNIX_UNITS = (
    ("seconds", 20_000_000_000),
    ("milliseconds", 20_000_000_000_000),
    ("microseconds", 20_000_000_000_000_000),
)
_LONGEST_TIME = 80
_MONTHS = (
    *("jan", "feb", "mar", "apr", "may", "jun"),
    *("jul", "aug", "sep", "oct", "nov", "dec"),
)
_CLOCK = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d{1,2})"
    r"(?::(?P<second>\d{1,2})(?:[.,](?P<fraction>\d{1,9}))?)?"
)
_ZONE = (
    r"(?:Z|UTC?|GMT|(?P<zone>[ECMP][SD]T))?(?:(?P<sign>[+-])(?P<hours>\d{1,2}):?(?P<minutes>\d{2})?)?"
    r"(?:\s*(?:UTC|GMT|\([^)]*\)))?"
)
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})[a-z]{{0,6}}"
_DAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6},?\s+)?"
_DATES = (
    r"(?P<year>\d{4})[-/](?P<month>\d{1,2})[-/](?P<day>\d{1,2})",
    rf"{_DAY}(?P<day>\d{{1,2}})[\s-]+{_MONTH}[\s-]+(?P<year>\d{{4}})",  # RFC 2822
    rf"{_DAY}{_MONTH}\s+(?P<day>\d{{1,2}}),?\s+(?P<year>\d{{4}})",  # JavaScript's own
)
_FORMS = [
    re.compile(rf"{date}(?:(?:\s*T|\s+){_CLOCK}\s*{_ZONE})?", re.ASCII | re.IGNORECASE)
    for date in _DATES
]
_NAMED_MONTH = re.compile("|".join(_MONTHS), re.IGNORECASE)
_DURATION = re.compile(r"(\d{1,9})([smhdwy])")


def as_micros(instant: datetime) -> int:
    """Whole microseconds from the Unix epoch to ``instant``."""
    since = instant - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def all_as_micros(instants: Sequence[datetime]) -> list[int]:
    """`as_micros` of each instant; of one that all have, as a batch's time of arrival is, once."""
    if instants and is_uniform(instants):
        return [as_micros(instants[0])] * len(instants)
    first = min(instants, default=EPOCH)
    if max(instants, default=EPOCH) - first >= _ONE_DAY:
        return [*map(as_micros, instants)]
    begun = as_micros(first)  # within a day there are no days to count, and numbers are smaller
    return [
        begun + (since := each - first).seconds * 1_000_000 + since.microseconds
        for each in instants
    ]


def micros_beside(
    instants: Iterable[datetime | None], others: Iterable[datetime], known: Iterable[int]
) -> list[int | None]:
    """`as_micros` of each instant, or None; of one that is the same object as the other beside it, what is known of that."""
    return [
        micros if each is other else None if each is None else as_micros(each)
        for each, other, micros in zip(instants, others, known, strict=True)
    ]


def from_micros(micros: int) -> datetime:
    """The instant that is ``micros`` microseconds after the Unix epoch."""
    return EPOCH + micros * MICROSECOND


def duration_micros(duration: timedelta) -> int:
    """The length of ``duration`` in whole microseconds."""
    return duration // MICROSECOND


def later(instant: datetime, duration: timedelta) -> datetime:
    """The sum of both; `LAST_INSTANT` if it is after the end of the calendar."""
    try:
        return instant + duration
    except OverflowError:
        return LAST_INSTANT


def earlier(instant: datetime, duration: timedelta) -> datetime:
    """The difference of both; `FIRST_INSTANT` if it is before the beginning of the calendar."""
    try:
        return instant - duration
    except OverflowError:
        return FIRST_INSTANT


def parse_duration(text: str) -> timedelta | None:
    """Read ``90s``, ``15m``, ``2h``, ``7d``, or several at once (``2h10m``); None if it is not a duration."""
    return _duration_in(text, _UNITS)


def parse_long_duration(text: str) -> timedelta | None:
    """Read a duration that may also have weeks (7 days) and years (365 days): ``2w``, ``1y``."""
    return _duration_in(text, _LONG_UNITS)


def _duration_in(text: str, units: Mapping[str, timedelta]) -> timedelta | None:
    if not text or not re.fullmatch(rf"(?:{_DURATION.pattern})+", text):
        return None
    try:
        return sum((int(count) * units[unit] for count, unit in _DURATION.findall(text)), ZERO)
    except (OverflowError, KeyError):
        return None


def format_duration(duration: timedelta) -> str:
    """Write a duration as rule files do, largest unit first: ``2h10m``."""
    rest = duration
    parts = []
    for unit, length in reversed(_UNITS.items()):
        count, rest = divmod(rest, length)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def format_instant(instant: datetime) -> str:
    """Write ISO 8601 in UTC, with ``Z``, and with a fraction of a second only if it is not 0."""
    utc = instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    written: str = to_builtins(utc)  # the same as its `isoformat`, in an eighth of the time
    return written


def parse_instant(value: object) -> datetime | None:
    """Read an instant from text or from a Unix time; None if the value is not an instant.

    Text is ISO 8601, also as clients write it by hand (``2024-3-1 9:05 UTC``), or RFC 2822. Without an
    offset it is UTC. A Unix time up to 20,000,000,000 is in seconds, up to a thousand times that in
    milliseconds, up to a million times that in microseconds, and beyond in nanoseconds. As text it has at
    least nine digits, since ``2024`` may be a year.
    """
    if isinstance(value, str):
        return instant_from_text(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    size = abs(value)
    try:
        for unit, most in _UNIX_UNITS:
            if size <= most:
                return EPOCH + timedelta(**{unit: value})
        return EPOCH + timedelta(microseconds=value / 1000)
    except (OverflowError, ValueError):
        return None


def instant_from_text(text: str) -> datetime | None:
    """`parse_instant` of a text."""
    if text[4:5] != "-" and _UNIX.fullmatch(text):  # else 1712011200000 is a day of the year 1712
        return parse_instant(int(text) if text.strip().lstrip("-").isdecimal() else float(text))
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return _instant_from_odd_text(text.strip())
    return instant if instant.tzinfo is UTC else _in_utc(instant)


def _instant_from_odd_text(text: str) -> datetime | None:
    if len(text) > _LONGEST_TIME:
        return None
    found = next(filter(None, (form.fullmatch(text) for form in _FORMS)), None)
    if found is None:
        try:
            return _in_utc(datetime.fromisoformat(text.upper()))  # RFC 3339 allows t and z
        except ValueError:
            return None
    part = found.groupdict(default="")
    month = part["month"]
    number = int(month) if month.isdigit() else _MONTHS.index(month.casefold()) + 1
    hour, minute, second = (int(part[name] or 0) for name in ("hour", "minute", "second"))
    day = (int(part["year"]), number, int(part["day"]))
    try:
        instant = datetime(*day, hour, minute, second, tzinfo=UTC)
        fraction = timedelta(microseconds=int(f"{part['fraction']:0<6.6}"))
        offset = _offset(part["sign"], part["hours"], part["minutes"])
        return instant + fraction - offset - _american(part["zone"].upper())
    except (OverflowError, ValueError):
        return None


def _american(zone: str) -> timedelta:
    """The offset of an American zone that RFC 2822 names, EST to PDT."""
    hours = "ECMP".index(zone[0]) + 5 - (zone[1] == "D") if zone else 0
    return timedelta(hours=-hours)


def _offset(sign: str, hours: str, minutes: str) -> timedelta:
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    return -offset if sign == "-" else offset


def _in_utc(instant: datetime) -> datetime | None:
    if instant.tzinfo is UTC:
        return instant
    if instant.tzinfo is None:
        return instant.replace(tzinfo=UTC)
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        return None


def parse_local(value: object, zone: tzinfo) -> datetime | None:
    """Read an instant as `parse_instant` does, but a text without an offset is a local time of ``zone``."""
    instant = parse_instant(value)
    if instant is None or zone is UTC or not is_local(value):
        return instant
    try:
        return instant.replace(tzinfo=zone).astimezone(UTC)
    except OverflowError:
        return None


def is_local(value: object) -> bool:
    """Whether a value that says an instant is a text without an offset, which some clock shows."""
    if not isinstance(value, str) or (value[4:5] != "-" and _UNIX.fullmatch(value)):
        return False
    return not _has_offset(value)


def _has_offset(text: str) -> bool:
    """Whether an offset from UTC, or a zone, follows the time of day."""
    _, colon, behind = text.partition(":")
    if not colon:
        if _NAMED_MONTH.search(
            text
        ):  # which a time of day, and so an offset, follows with a colon only
            return False
        behind = text.upper().partition("T")[2]
    return any(char.isalpha() or char in "+-" for char in behind)


def format_local(instant: datetime, zone: tzinfo) -> str:
    """Write ISO 8601 as local time of ``zone``, with its offset; with ``Z`` if the zone is UTC."""
    return format_instant(instant) if zone is UTC else instant.astimezone(zone).isoformat()
