"""One file as plain data, with the place of every value. What is wrong becomes a diagnostic; nothing raises."""

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

Loaded: TypeAlias = tuple[JsonValue, Positions, tuple[Diagnostic, ...]]


def load_document(path: Path) -> Loaded:
    """Read a YAML or JSON file: its data, the place of each part, and what is wrong with its text.

    The data are None if the text is no document; a diagnostic says why.
    """
    file = path.as_posix()
    try:
        document = _read(path)
    except UnreadableTextError as error:
        return None, Positions(), (_in_file(error.diagnostic, file),)
    diagnostics = tuple(_in_file(found, file) for found in document.diagnostics)
    return document.data, document.positions, diagnostics


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


def _in_file(found: Diagnostic, file: str) -> Diagnostic:
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
