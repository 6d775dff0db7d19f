"""Where each part of a document stands in its file, by its path from the root."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pydantic import JsonValue

from whereupon.errors import Diagnostic, Location, Problem, Severity

Path: TypeAlias = tuple[str | int, ...]
Place: TypeAlias = tuple[int, int]
"""Line and column, both from 1."""

LARGEST = 256 * 1024
"""Bytes; a rule file has about a thousand."""
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


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with the text itself, before anything is known of what it says."""

    code: str
    message: str
    place: Place
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True)
class Positions:
    """The places of every value and every key of one document."""

    values: Mapping[Path, Place] = field(default_factory=dict)
    keys: Mapping[Path, Place] = field(default_factory=dict)

    def locate(self, problem: Problem, file: str) -> Diagnostic:
        """A problem with its place: of the key where the key is wrong, else of the value."""
        first = self.keys if problem.code in _KEY_CODES else self.values
        line, column = first.get(problem.path) or self._nearest(problem.path)
        location = Location(file, line, column)
        return Diagnostic(problem.code, problem.severity, problem.message, location)

    def _nearest(self, path: Path) -> Place:
        for length in range(len(path), -1, -1):
            if path[:length] in self.values:
                return self.values[path[:length]]
        return (1, 1)


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says, as plain data, with the places and the faults of its text."""

    data: JsonValue
    positions: Positions
    faults: tuple[Fault, ...] = ()


class UnreadableTextError(Exception):
    """A text that is no document at all; the one fault says why."""

    def __init__(self, *, code: str, message: str, place: Place) -> None:
        self.fault = Fault(code, message, place)
        super().__init__(message)
