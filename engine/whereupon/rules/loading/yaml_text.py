"""YAML with the place of every value: the one home of PyYAML.

Only what JSON can say is read: no tags, no merge keys, aliases within bounds. Plain scalars follow
the core schema of YAML 1.2, as editors do: only ``true`` and ``false`` are booleans (``NO`` is a
country), and dates and times of day stay the text that was written. The events of the parser are
read directly, so that depth and size are limited before anything is built.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml
from pydantic import JsonValue

from whereupon.errors import Diagnostic, Severity
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

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_OLD_BOOLEANS = frozenset({"yes", "no", "on", "off", "y", "n"})
_WITH_A_MEANING = frozenset({(("quiet_hours",), "off")})
"""Where such a word is meant as it stands: as the value of which key of the file."""
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_OTHER_NUMBER = re.compile(
    r"[-+]?(?:[0-9]+(?:_[0-9]+)+(?:\.[0-9_]*)?|0x[0-9a-fA-F]+|0o[0-7]+|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)"
)
"""Numbers of other versions of YAML, which are texts here."""

_Event: TypeAlias = yaml.events.Event


def read_yaml(text: str) -> Document:
    """Read one document; raises `UnreadableTextError` if the text is no document."""
    try:
        return _Reader(yaml.parse(text, Loader=_LOADER)).read()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
        message = (
            f"this is not valid YAML: {error.problem or error.context}; check indents and quotes"
        )
        raise UnreadableTextError(code="yaml-syntax", message=message, place=place) from error
    except yaml.YAMLError as error:
        message = f"this is not valid YAML: {str(error).splitlines()[0]}"
        place = _place_of_unprintable(text)
        raise UnreadableTextError(code="yaml-syntax", message=message, place=place) from error


def _place_of_unprintable(text: str) -> Place:
    """The place of the first character that YAML forbids. The parser does not give its line."""
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    before = text[: found.start()] if found else ""
    return before.count("\n") + 1, len(before) - before.rfind("\n")


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class _Reader:
    """Builds the data of one document from the parser's events."""

    events: Iterator[_Event]
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    anchors: dict[str, tuple[JsonValue, int]] = field(default_factory=dict)
    found: list[Diagnostic] = field(default_factory=list)
    count: int = 0

    def read(self) -> Document:
        next(self.events)
        if isinstance(next(self.events), yaml.StreamEndEvent):
            message = "this file is empty; start it with campaign:, broadcast: or segment:"
            raise UnreadableTextError(code="empty-file", message=message, place=(1, 1))
        data = self._value(next(self.events), ())
        next(self.events)
        after = next(self.events)
        if not isinstance(after, yaml.StreamEndEvent):
            message = "a file holds one document; put what follows --- into a file of its own"
            raise UnreadableTextError(code="yaml-documents", message=message, place=_place(after))
        return Document(data, Positions(self.values, self.keys), tuple(self.found))

    def _value(self, event: _Event, path: Path) -> JsonValue:
        self.values[path] = _place(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        self._count(1, event)
        if len(path) > DEEPEST:
            message = f"this is nested more than {DEEPEST} deep"
            raise UnreadableTextError(code="too-deep", message=message, place=_place(event))
        before = self.count
        value = self._node(event, path)
        if isinstance(event, yaml.NodeEvent) and event.anchor:
            self.anchors[event.anchor] = (value, self.count - before + 1)
        return value

    def _node(self, event: _Event, path: Path) -> JsonValue:
        self._refuse_tag(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        assert isinstance(event, yaml.ScalarEvent)  # noqa: S101 - the parser sends no other here
        return self._scalar(event, path)

    def _sequence(self, path: Path) -> JsonValue:
        items: list[JsonValue] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        return items

    def _mapping(self, path: Path) -> JsonValue:
        mapping: dict[str, JsonValue] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._key(event)
            if self._refuses_key(key, event, path):
                self._value(next(self.events), (*path, key))
                continue
            self.keys[(*path, key)] = _place(event)
            mapping[key] = self._value(next(self.events), (*path, key))
        return mapping

    def _refuses_key(self, key: str, event: _Event, path: Path) -> bool:
        if (*path, key) in self.keys:
            line, _ = self.keys[(*path, key)]
            message = f"{key} is written twice, first on line {line}; keep one"
            self.found.append(at_place(_place(event), "duplicate-key", message))
            return True
        if key == "<<" and isinstance(event, yaml.ScalarEvent) and event.implicit[0]:
            message = "merge keys are not read; write the keys out"
            self.found.append(at_place(_place(event), "yaml-alias", message))
            return True
        return False

    def _key(self, event: _Event) -> str:
        """A key is the text that is written, even if it would be a number or a boolean as a value."""
        if not isinstance(event, yaml.ScalarEvent):
            message = "a key is a plain text; a { after a : may want quotes around it"
            raise UnreadableTextError(code="yaml-key", message=message, place=_place(event))
        self._count(1, event)
        self._refuse_tag(event)
        if event.anchor:
            self.anchors[event.anchor] = (event.value, 1)
        return self._text(event)

    def _alias(self, event: yaml.AliasEvent) -> JsonValue:
        if event.anchor not in self.anchors:
            message = (
                f"*{event.anchor} refers to nothing that ends above it; quote it if it is a text"
            )
            self.found.append(at_place(_place(event), "yaml-alias", message))
            return None
        value, size = self.anchors[event.anchor]
        self._count(size, event)
        return value

    def _count(self, size: int, event: _Event) -> None:
        self.count += size
        if self.count > MOST_VALUES:
            code = "yaml-alias" if isinstance(event, yaml.AliasEvent) else "too-large"
            message = f"this has more than {MOST_VALUES} values, aliases written out; split it"
            raise UnreadableTextError(code=code, message=message, place=_place(event))

    def _refuse_tag(self, event: _Event) -> None:
        tag = getattr(event, "tag", None)
        if tag not in (None, "!"):
            message = f"tags such as {tag} are not read; take it out, and quote what is a text"
            self.found.append(at_place(_place(event), "yaml-tag", message))

    def _scalar(self, event: yaml.ScalarEvent, path: Path) -> JsonValue:
        text = self._text(event)
        if not event.implicit[0] or event.style in ("'", '"', "|", ">"):
            return text
        if text in _NULL:
            return None
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        is_meant = (path, text) in _WITH_A_MEANING
        if text.lower() in _OLD_BOOLEANS and len(text) > 1 and not is_meant:
            message = f'{text} is the text "{text}" here; quote it, or write true or false'
            self.found.append(at_place(_place(event), "yaml-boolean", message, Severity.WARNING))
        return self._number(text, event)

    def _number(self, text: str, event: yaml.ScalarEvent) -> JsonValue:
        if _INTEGER.fullmatch(text):
            return int(text)
        if _OTHER_NUMBER.fullmatch(text):
            message = (
                f'{text} is the text "{text}" here; quote it, or write the number in plain digits'
            )
            self.found.append(at_place(_place(event), "yaml-number", message, Severity.WARNING))
            return text
        if not _NUMBER.fullmatch(text):
            return text
        number = float(text) if len(text) < 400 else math.inf  # noqa: PLR2004 - no float is longer
        if math.isfinite(number):
            return number
        self.found.append(
            at_place(_place(event), "bad-number", "this number is too large; quote it")
        )
        return None

    def _text(self, event: yaml.ScalarEvent) -> str:
        text: str = event.value
        if text.isprintable() or not any("\ud800" <= char <= "\udfff" for char in text):
            return text
        message = "this text holds half a character (a surrogate); write the character itself"
        self.found.append(at_place(_place(event), "bad-text", message))
        return ""


def _place(event: _Event) -> Place:
    mark = event.start_mark
    return (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
