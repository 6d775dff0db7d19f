"""One file as plain data, with the place of every value. What is wrong becomes a diagnostic; nothing raises."""

import re
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from pydantic import JsonValue

from whereupon.errors import Diagnostic, Location, Severity
from whereupon.rules.loading.json_text import read_json
from whereupon.rules.loading.positions import (
    LARGEST,
    Document,
    Positions,
    UnreadableTextError,
)
from whereupon.rules.loading.yaml_text import read_yaml

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

Loaded: TypeAlias = tuple[JsonValue, Positions, tuple[Diagnostic, ...]]


def load_document(path: Path) -> Loaded:
    """Read a YAML or JSON file: its data, the place of each part, and what is wrong with its text.

    The data are None if the text is no document; a diagnostic says why.
    """
    file = path.as_posix()
    try:
        document = _read(path)
    except UnreadableTextError as error:
        return None, Positions(), (in_file(error.diagnostic, file),)
    diagnostics = tuple(in_file(found, file) for found in document.diagnostics)
    return document.data, document.positions, diagnostics


def read_text(path: Path) -> str:
    """The text in a file, without carriage returns; raises `UnreadableTextError`."""
    text = _text(path).replace("\r\n", "\n")
    strange = _CONTROL.search(text)
    if strange is not None:
        place = (text.count("\n", 0, strange.start()) + 1, 1)
        message = "this line holds a control character; take it out"
        raise UnreadableTextError(code="bad-text", message=message, place=place)
    return text


def may_have_key(path: Path, key: str) -> bool:
    """Whether a file may hold a key, written out or with escapes. The file is not parsed."""
    try:
        content = _content(path)
    except UnreadableTextError:
        return False
    return key.encode() in content or b"\\" in content


def file_error(path: Path, *, code: str, message: str) -> Diagnostic:
    """An error about a file as a whole."""
    return Diagnostic(code, Severity.ERROR, message, Location(path.as_posix()))


def in_file(found: Diagnostic, file: str) -> Diagnostic:
    """A diagnostic about the text of a file, with the file."""
    return replace(found, location=replace(found.location, file=file))


def _read(path: Path) -> Document:
    text = _text(path)
    return read_json(text) if path.suffix == ".json" else read_yaml(text)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        message = f"this file cannot be read: {error.strerror}"
        raise UnreadableTextError(code="unreadable", message=message, place=(1, 1)) from error
    if len(content) > LARGEST:
        message = f"this file has more than {LARGEST // 1024} KB; split it"
        raise UnreadableTextError(code="too-large", message=message, place=(1, 1))
    return content


def _text(path: Path) -> str:
    content = _content(path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = "this is not UTF-8; save the file as UTF-8"
        raise UnreadableTextError(code="not-utf-8", message=message, place=(line, 1)) from error
