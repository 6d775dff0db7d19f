"""Where each part of a document stands in its file, by its path from the root."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
        "null-comparison-trap",
        "other-root",
        "reentry-in-broadcast",
        "same-without-trigger",
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
class TextFile:
    """The file of a value that stands in a file of its own.

    Attributes:
        key: the key that names the file, such as ``html_file``.
        positions: of the parts of the value, if the file is JSON.
    """

    key: str
    file: str
    positions: "Positions | None" = None

    def locate(self, diagnostic: Diagnostic, path: Path) -> Diagnostic:
        """A diagnostic about a part of the value, with its place in the file."""
        line, column = diagnostic.location.line, diagnostic.location.column
        if self.positions is not None:
            line, column = self.positions.nearest(path)
        return _in_text(diagnostic, Location(self.file, line, column))


@dataclass(frozen=True, slots=True)
class Positions:
    """The places of every value and every key of one document.

    Attributes:
        files: the values that stand in files of their own, by their paths.
        partials: the files of the folder's partials, by their names.
    """

    values: Mapping[Path, Place] = field(default_factory=dict)
    keys: Mapping[Path, Place] = field(default_factory=dict)
    files: Mapping[Path, TextFile] = field(default_factory=dict)
    partials: Mapping[str, str] = field(default_factory=dict)

    def locate(self, diagnostic: Diagnostic, file: str) -> Diagnostic:
        """A diagnostic with its place: of the key where the key is wrong, else of the value.

        What is wrong with a text in a file of its own is placed there, and so is what is wrong with a partial.
        """
        path, within = diagnostic.path, diagnostic.location
        if within.file in self.partials:
            return _in_text(diagnostic, replace(within, file=self.partials[within.file]))
        ends = (end for end in range(1, len(path) + 1) if path[:end] in self.files)
        end = next(ends, None) if self.files else None
        if end is not None:
            text = self.files[path[:end]]
            if diagnostic.code not in _KEY_CODES or end < len(path):
                return text.locate(diagnostic, path[end:])
            path = (*path[:-1], text.key)
        first = self.keys if diagnostic.code in _KEY_CODES else self.values
        line, column = first.get(path) or self.nearest(path)
        location = Location(file, line, column)
        return Diagnostic(diagnostic.code, diagnostic.severity, diagnostic.message, location)

    def nearest(self, path: Path) -> Place:
        """The place of the value at a path, or of the innermost value around it that has a place."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.values:
                return self.values[path[:length]]
        return (1, 1)


def _in_text(found: Diagnostic, place: Location) -> Diagnostic:
    """A diagnostic at a place of a text, whose line the message need not say."""
    message = found.message.removeprefix(f"line {place.line}: ")
    return Diagnostic(found.code, found.severity, message, place)


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
