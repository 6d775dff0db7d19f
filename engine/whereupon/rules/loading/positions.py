"""Where each part of a document stands in its file, by its path from the root."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pydantic import JsonValue

from whereupon.errors import Diagnostic, Location, Severity

Path: TypeAlias = tuple[str | int, ...]
Place: TypeAlias = tuple[int, int]
"""Line and column, both from 1."""

LARGEST = 256 * 1024
"""The size of a file in bytes; a rule file has about a thousand."""
DEEPEST = 50
"""Levels of nesting."""
MOST_VALUES = 20_000
"""Values in one document, those of aliases counted each time they are used."""

_KEY_CODES = frozenset(
    {
        "misplaced-key",
        "not-allowed-here",
        "not-yet",
        "null-comparison-trap",
        "other-root",
        "reentry-in-broadcast",
        "unknown-key",
        "unknown-operator",
        "unknown-property",
        "unknown-step",
        "unsupported-key",
        "wrong-arity",
    }
)


def at_place(
    place: Place, code: str, message: str, severity: Severity = Severity.ERROR
) -> Diagnostic:
    """A diagnostic about the text itself, at a place of a file that the caller fills in."""
    return Diagnostic(code, severity, message, Location("", *place))


@dataclass(frozen=True, slots=True)
class Positions:
    """The places of every value and every key of one document."""

    values: Mapping[Path, Place] = field(default_factory=dict)
    keys: Mapping[Path, Place] = field(default_factory=dict)

    def locate(self, diagnostic: Diagnostic, file: str) -> Diagnostic:
        """A diagnostic with its place: of the key where the key is wrong, else of the value."""
        first = self.keys if diagnostic.code in _KEY_CODES else self.values
        line, column = first.get(diagnostic.path) or self._nearest(diagnostic.path)
        location = Location(file, line, column)
        return Diagnostic(diagnostic.code, diagnostic.severity, diagnostic.message, location)

    def _nearest(self, path: Path) -> Place:
        for length in range(len(path), -1, -1):
            if path[:length] in self.values:
                return self.values[path[:length]]
        return (1, 1)


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says, as plain data, with the places of its parts and the diagnostics about its text."""

    data: JsonValue
    positions: Positions
    diagnostics: tuple[Diagnostic, ...] = ()


class UnreadableTextError(Exception):
    """A text that is no document at all; the one diagnostic says why."""

    def __init__(self, *, code: str, message: str, place: Place) -> None:
        self.diagnostic = at_place(place, code, message)
        super().__init__(message)
