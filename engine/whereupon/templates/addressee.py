"""Whom a text is for: on whose clock its dates are, and in which language numbers and months are written."""

from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo
from typing import NamedTuple


class Addressee(NamedTuple):
    """The clock and the languages by which a text is written.

    Attributes:
        zone: the timezone of dates.
        locales: gives the locales by which numbers, plurals and names of months are written, nearest first,
            such as ``("de-at", "en")``. It is called only if a template asks; where none is known, it is English.
    """

    zone: tzinfo = UTC
    locales: Callable[[], Sequence[str]] = tuple
