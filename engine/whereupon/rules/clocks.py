"""Whose clock something goes by: the timezone of a person, or one timezone for all."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from functools import lru_cache
from typing import Final, cast
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from whereupon.conditions.paths import follow


@dataclass(frozen=True, slots=True)
class Clock:
    """Whose clock something goes by.

    Attributes:
        attribute: the path of the attribute of a person that names the timezone; None for one clock for all.
        of_schedule: whether a broadcast's schedule names it, and no person's day goes by it but the texts.
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


DEFAULT_CLOCK: Final = Clock()
"""Where nothing says a timezone: the attribute ``timezone``, or else UTC."""


@lru_cache(maxsize=1024)
def _zone(name: str) -> tzinfo | None:
    """The timezone of an IANA name; None if there is none."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return None
