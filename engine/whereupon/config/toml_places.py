"""Where a setting is written: line and column in a TOML file, or the name of an environment variable.

Python's reader of TOML gives no places. So the file is read line by line: the first lines with which a key is
there hold it. That is done only if there is something to report.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate

from whereupon.errors import Diagnostic, Location

Path = tuple[str | int, ...]

_AT = re.compile(r" \(at line (\d+), column (\d+)\)$")


@dataclass(frozen=True, slots=True)
class Places:
    """The places of the settings.

    Attributes:
        file: the path of the file; empty if there is none.
        text: what it says.
        variables: the names of environment variables by the paths of what they set.
    """

    file: str
    text: str
    variables: Mapping[Path, str]

    def locate(self, diagnostics: list[Diagnostic]) -> tuple[Diagnostic, ...]:
        """The diagnostics with their places, in the order of the file; those of variables come last."""
        lines = _places_in(self.text) if diagnostics else {}
        return tuple(sorted((self._located(each, lines) for each in diagnostics), key=_order))

    def _located(self, diagnostic: Diagnostic, lines: Mapping[Path, tuple[int, int]]) -> Diagnostic:
        path = diagnostic.path
        for end in range(len(path), 0, -1):
            variable = self.variables.get(path[:end])
            if variable is not None:
                return replace(diagnostic, location=Location(variable, 0), path=())
        place = next(
            (lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines), (1, 1)
        )
        at = Location(self.file, *place) if self.file else Location("whereupon.toml", 0)
        return replace(diagnostic, location=at, path=())


def syntax_error(file: str, error: tomllib.TOMLDecodeError) -> Diagnostic:
    """What is wrong with a file that is not TOML."""
    message = str(error)
    found = _AT.search(message)
    place = Location(file, int(found[1]), int(found[2])) if found else Location(file)
    reason = _AT.sub("", message).removesuffix(" (at end of document)")
    text = f"this is not valid TOML: {reason[:1].lower()}{reason[1:]}; texts stand in quotes"
    return replace(Diagnostic.at((), "bad-toml", text), location=place)


def _places_in(text: str) -> dict[Path, tuple[int, int]]:
    lines = text.split("\n")
    places: dict[Path, tuple[int, int]] = {}
    first = 0
    for end, prefix in enumerate(accumulate(lines, lambda one, other: f"{one}\n{other}"), 1):
        try:
            data = tomllib.loads(prefix)
        except tomllib.TOMLDecodeError:
            continue  # within a value of several lines
        for path in _paths_in(data, ()):
            if path not in places:
                places[path] = _place(lines, first, end, path[-1])
        first = end
    return places


def _place(lines: list[str], first: int, end: int, key: str | int) -> tuple[int, int]:
    """The line and column of a key among the lines from ``first`` to ``end``."""
    word = re.compile(rf"(?<![\w-]){re.escape(str(key))}(?![\w-])")
    for number in range(first, end):
        found = word.search(lines[number]) if isinstance(key, str) else None
        if found is not None:
            return number + 1, found.start() + 1
    return first + 1, 1


def _paths_in(data: object, path: Path) -> Iterator[Path]:
    inner = (
        data.items()
        if isinstance(data, dict)
        else enumerate(data if isinstance(data, list) else ())
    )
    for key, value in inner:
        yield (*path, key)
        yield from _paths_in(value, (*path, key))


def _order(diagnostic: Diagnostic) -> tuple[bool, Location, str, str]:
    place = diagnostic.location
    return (place.line == 0, place, diagnostic.code, diagnostic.message)
