"""Whose clock something goes by: the timezone of a person, or one timezone for all."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from functools import lru_cache
from typing import Final, cast
from zoneinfo import ZoneInfo

from whereupon.conditions.paths import follow, parts_of, path_of
from whereupon.conditions.values import JsonValue


@dataclass(frozen=True, slots=True)
class Clock:
    """Whose clock something goes by.

    Attributes:
        attribute: the path of the attribute of a person that names the timezone; None for one clock for all.
        of_schedule: whether a broadcast's schedule names it: the texts go by it, and days of people who have none.
        otherwise: the IANA name of the timezone of people whose attribute names none that exists.
    """

    attribute: tuple[str, ...] | None = ("timezone",)
    otherwise: str = "UTC"
    of_schedule: bool = False

    def zone_of(self, attributes: Mapping[str, JsonValue]) -> tzinfo:
        """The timezone of the person with these attributes."""
        named = (
            None
            if self.attribute is None
            else follow(cast("JsonValue", attributes), self.attribute, None)
        )
        zone = _zone(named) if isinstance(named, str) else None
        return zone or _zone(self.otherwise) or UTC

    @property
    def path(self) -> str | None:
        """The absolute path of the attribute, as conditions read it; None for one clock for all."""
        return None if self.attribute is None else path_of(("person", *self.attribute))

    def beside(self, operand: JsonValue) -> JsonValue:
        """An operand of a condition with the clock beside it: ``[OPERAND, OTHERWISE, PATH]``."""
        named = () if self.path is None else (self.path,)
        return [operand, self.otherwise, *named]


DEFAULT_CLOCK: Final = Clock()
"""Where nothing says a timezone: the attribute ``timezone``, or else UTC."""


def beside(operand: JsonValue) -> tuple[JsonValue, Clock]:
    """An operand by itself, and the clock beside it (see `Clock.beside`); UTC for all if there is none."""
    if not isinstance(operand, list):
        return operand, Clock(None)
    bare, otherwise, *named = operand
    path = parts_of(str(named[0]))[1:] if named else None
    return bare, Clock(path, str(otherwise))


@lru_cache(maxsize=1024)
def _zone(name: str) -> tzinfo | None:
    """The timezone of an IANA name; None if there is none."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return None
