"""JSON with the place of every value. The standard library says whether a text is JSON."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic import JsonValue

from whereupon.errors import Diagnostic
from whereupon.rules.loading.positions import (
    DEEPEST,
    MOST_VALUES,
    Document,
    Path,
    Place,
    Positions,
    UnreadableTextError,
    at_place,
)

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|[^\s{}\[\]:,"]+')

_CONSTANTS = frozenset({"NaN", "Infinity", "-Infinity"})


def read_json(text: str) -> Document:
    """Read one document; raises `UnreadableTextError` if the text is no document."""
    if not text.strip():
        message = "this file is empty; start it with {"
        raise UnreadableTextError(code="empty-file", message=message, place=(1, 1))
    try:
        json.loads(text, parse_constant=_refuse_constant, parse_int=float)
    except json.JSONDecodeError as error:
        message = f"this is not valid JSON: {error.msg}"
        place = (error.lineno, error.colno)
        raise UnreadableTextError(code="json-syntax", message=message, place=place) from error
    except ValueError as error:
        message = f"this is not valid JSON: {error}"
        raise UnreadableTextError(
            code="json-syntax", message=message, place=_place_of_constant(text)
        ) from error
    except RecursionError as error:
        message = f"this is nested more than {DEEPEST} deep"
        raise UnreadableTextError(code="too-deep", message=message, place=(1, 1)) from error
    return _Reader(text, _TOKEN.finditer(text)).read()


def _refuse_constant(name: str) -> float:
    message = f"{name} is not a number in JSON"
    raise ValueError(message)


def _place_of_constant(text: str) -> Place:
    """The place of the first ``NaN`` or ``Infinity``, which the standard library does not give."""
    places = (t.start() for t in _TOKEN.finditer(text) if t.group() in _CONSTANTS)
    before = text[: next(places, 0)]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


@dataclass(slots=True)
class _Reader:
    """Builds the data of a text that is known to be JSON, token by token."""

    text: str
    tokens: Iterator[re.Match[str]]
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    found: list[Diagnostic] = field(default_factory=list)
    line: int = 1
    line_start: int = 0

    def read(self) -> Document:
        data = self._value(next(self.tokens), ())
        return Document(data, Positions(self.values, self.keys), tuple(self.found))

    def _value(self, token: re.Match[str], path: Path) -> JsonValue:
        place = self.values[path] = self._place(token)
        if len(path) > DEEPEST:
            message = f"this is nested more than {DEEPEST} deep"
            raise UnreadableTextError(code="too-deep", message=message, place=place)
        if len(self.values) > MOST_VALUES:
            message = f"this has more than {MOST_VALUES} values; split it"
            raise UnreadableTextError(code="too-large", message=message, place=place)
        match token.group():
            case "{":
                return self._mapping(path)
            case "[":
                return self._sequence(path)
        return self._scalar(token, place)

    def _sequence(self, path: Path) -> JsonValue:
        items: list[JsonValue] = []
        while (token := next(self.tokens)).group() != "]":
            items.append(self._value(token, (*path, len(items))))
        return items

    def _mapping(self, path: Path) -> JsonValue:
        mapping: dict[str, JsonValue] = {}
        while (token := next(self.tokens)).group() != "}":
            place = self._place(token)
            key = str(self._scalar(token, place))
            if key in mapping:
                line, _ = self.keys[(*path, key)]
                message = f"{key} is written twice, first on line {line}; keep one"
                self.found.append(at_place(place, "duplicate-key", message))
                self._value(next(self.tokens), (*path, key))
                continue
            self.keys[(*path, key)] = place
            mapping[key] = self._value(next(self.tokens), (*path, key))
        return mapping

    def _scalar(self, token: re.Match[str], place: Place) -> JsonValue:
        if token.group()[0] in "-0123456789":
            return self._number(token.group(), place)
        value: JsonValue = json.loads(token.group())
        if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
            message = "this text holds half a character (a surrogate); write the character itself"
            self.found.append(at_place(place, "bad-text", message))
            return ""
        return value

    def _number(self, text: str, place: Place) -> JsonValue:
        if text.lstrip("-").isdecimal() and len(text) < 19:  # noqa: PLR2004 - fits 64 bits
            return int(text)
        number = float(text)
        if math.isfinite(number):
            return number
        self.found.append(at_place(place, "bad-number", "this number is too large; quote it"))
        return None

    def _place(self, token: re.Match[str]) -> Place:
        start = token.start()
        passed = self.text.count("\n", self.line_start, start)
        if passed:
            self.line += passed
            self.line_start = self.text.rindex("\n", 0, start) + 1
        return (self.line, start - self.line_start + 1)
