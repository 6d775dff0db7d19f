"""Where a condition stands while it is read, and what was read before it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from whereupon.conditions.condition import Conjunct
from whereupon.conditions.validation import Path
from whereupon.conditions.values import JsonValue
from whereupon.errors import Diagnostic, Severity

Known: TypeAlias = dict[tuple[str, str, str], tuple[Conjunct, ...]]
"""Conjuncts that were read before, by root (and timezone), key and what was written there, without any problem.

One for all conditions of a folder: what many of them say is read once, and kept once.
"""


UTC: Final = "UTC"


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a condition stands: what it may refer to, and who takes note of its problems.

    Attributes:
        root: what the short form's paths start from.
        segments: the raw ``who`` of each segment, by name.
        history_allowed: whether ``segment`` and ``performed`` may be used.
        zone: the timezone of dates without an offset.
        known: see `Known`.
        trail: the segments that are being read, outermost first.
        read: the conjuncts of each segment that was read, or why it cannot be used.
        problems: everything found so far.
    """

    root: Literal["properties", "person"]
    segments: Mapping[str, JsonValue]
    history_allowed: bool
    zone: str = UTC
    known: Known = field(default_factory=dict)
    trail: tuple[str, ...] = ()
    read: dict[str, "tuple[Conjunct, ...] | Diagnostic"] = field(default_factory=dict)
    problems: list[Diagnostic] = field(default_factory=list)

    def report(self, path: Path, code: str, message: str) -> None:
        """Take note of an error."""
        self.problems.append(Diagnostic.at(path, code, message))

    def warn(self, path: Path, code: str, message: str) -> None:
        """Take note of something that loads, and is probably not meant."""
        self.problems.append(Diagnostic.at(path, code, message, Severity.WARNING))
