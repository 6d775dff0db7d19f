"""What time alone led to, in words: there is no message that an explanation could name."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from whereupon.records import SINCE

_HOW: Final[Mapping[str, str]] = MappingProxyType(
    {
        "segment": "when time alone changed whether they are in the segment {name}",
        "when": "when its date {value} had come",
        "run": "when it was that time on their clock",
        "merge": "when they became one person with somebody, as request {name} had asked",
    }
)
"""By the kind of subject, how a moment led to a rule."""


def subject_of_moment(occasion: str) -> str | None:
    """The subject of ``SUBJECT@VALUE``; None if time alone did not lead to that occasion."""
    subject = occasion.rpartition("@")[0]
    return subject if subject.partition("/")[0] in _HOW else None


def led_by_time(occasion: str) -> str | None:
    """How a moment led to a rule, as a clause; None if time alone did not lead to that occasion."""
    subject = subject_of_moment(occasion)
    if subject is None:
        return None
    value = occasion.rpartition("@")[2]
    if value.startswith(SINCE):
        return f"after a silence since {value.removeprefix(SINCE)}"
    kind, _, name = subject.partition("/")
    return _HOW[kind].format(name=name, value=value.replace("/", " of "))
