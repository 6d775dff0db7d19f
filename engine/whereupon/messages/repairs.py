"""Repair of values that JSON cannot hold; a remark says where a value was changed.

NaN and the infinities become null, as in JavaScript. Half of a surrogate pair becomes U+FFFD; it is left
when a text is cut in the middle of an emoji. Other Python values are simplified (`host_values`). A
message that comes as Python values and one that comes as JSON text are repaired alike.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from typing import NamedTuple

from pydantic import JsonValue

from whereupon.messages.codec import MOST_DIGITS, DeepJsonError, JsonError, decode, encode
from whereupon.messages.host_values import simplified

_new = tuple.__new__  # a named tuple of values that are in its order already
MAX_NESTING = 200
"""Levels of objects and lists that every reader and writer of JSON here can process."""

_TOO_LARGE = 10**MOST_DIGITS
MOST_QUOTED = 8
"""Characters of a sent value that an error sentence may quote."""

_MOST_PATHS = 5
_LONGEST_KEY = 40
_MOST_KEYS = 8
_REASONS = {
    "not-a-number": "became null, for JSON has neither NaN nor infinity",
    "half-character": "had half a character, which became U+FFFD",
}

KeyPath = tuple[str | int, ...]


class Remark(NamedTuple):
    """A repair of an accepted message, or a field that was left out.

    Attributes:
        code: stable and kebab-case, such as ``not-a-number``.
        text: one sentence that names the fields.
    """

    code: str
    text: str


class UnwritableError(JsonError):
    """A value that JSON cannot hold, and that has no substitute.

    Attributes:
        path: the keys of the value, such as ``properties.order.price``.
        kind: the name of its type.
    """

    def __init__(self, *, path: str, kind: str) -> None:
        self.path = path
        self.kind = kind
        super().__init__(f"{path or 'the message'} is of the type {kind}, which JSON cannot hold")


class Written(NamedTuple):
    """A value as JSON text, with remarks on its repairs."""

    text: bytes
    remarks: tuple[Remark, ...] = ()


def write(value: object) -> Written:
    """Write a Python value as JSON; raises `DeepJsonError` or `UnwritableError`."""
    try:
        text = encode(value, simplified)
    except DeepJsonError:
        raise
    except JsonError:
        return write_repaired(value)
    if b"null" in text and _may_need_repair(value):
        return write_repaired(value)
    return _new(Written, (text, ()))


def write_repaired(value: object) -> Written:
    """The same for a value that probably needs repair; it takes longer."""
    repairer = _Repairer()
    try:
        text = encode(repairer.plain(value, ()))
    except RecursionError as error:
        raise DeepJsonError(str(error)) from error
    return Written(text, repairer.remarks())


def _may_need_repair(value: object) -> bool:
    """Whether the writer may have written null for another value."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        kind = each.__class__
        if kind is dict:
            waiting += each.values()  # type: ignore[attr-defined]  # it is a dict
        elif kind is list:
            waiting += each  # type: ignore[arg-type]  # it is a list
        elif kind is float:
            if not math.isfinite(each):  # type: ignore[arg-type]  # it is a float
                return True
        elif kind not in _EXACT:
            return True
    return False


_EXACT = frozenset({str, int, bool, type(None)})


@dataclass(slots=True)
class _Repairer:
    """Makes plain JSON of one value, and keeps the path of each change."""

    found: dict[str, list[str]] = field(default_factory=dict)

    def remarks(self) -> tuple[Remark, ...]:
        """One remark for each kind of change."""
        return tuple(
            Remark(code, f"{enumerated(paths)} {_REASONS[code]}")
            for code, paths in self.found.items()
        )

    def plain(self, value: object, path: KeyPath, depth: int = 0) -> JsonValue:
        """The value as JSON can hold it; raises `DeepJsonError` or `UnwritableError`."""
        if depth > MAX_NESTING:
            raise DeepJsonError
        match value:
            case None | bool():
                return value
            case Enum():
                return self.plain(value.value, path, depth + 1)
            case str():
                return self._text(str(value), path)
            case int() | float():
                return self._number(value, path)
            case dict() | list() | tuple():
                return self._container(value, path, depth)
            case _:
                return self._simplified(value, path, depth)

    def _container(
        self,
        value: dict[object, object] | list[object] | tuple[object, ...],
        path: KeyPath,
        depth: int,
    ) -> JsonValue:
        if depth == MAX_NESTING:
            raise DeepJsonError
        if isinstance(value, dict):
            return {
                self._key(key, path): self.plain(item, (*path, str(key)), depth + 1)
                for key, item in value.items()
            }
        return [self.plain(item, (*path, place), depth + 1) for place, item in enumerate(value)]

    def _simplified(self, value: object, path: KeyPath, depth: int) -> JsonValue:
        if is_dataclass(value) and not isinstance(value, type):
            return self.plain(_fields(value), path, depth)
        try:
            return decode(encode(value))  # an instant, a UUID
        except JsonError:
            pass
        try:
            substitute = simplified(value)
        except Exception as error:  # the host's own code may fail at anything
            raise UnwritableError(path=written_path(path), kind=type(value).__name__) from error
        return self.plain(substitute, path, depth + (not isinstance(substitute, dict | list)))

    def _key(self, key: object, path: KeyPath) -> str:
        if isinstance(key, str):
            return self._text(key, path)
        try:
            (name,) = _object(decode(encode({key: None})))
        except JsonError:
            return self._odd_key(key, path)
        return name

    def _odd_key(self, key: object, path: KeyPath) -> str:
        try:
            substitute = simplified(key)
            if isinstance(substitute, str | int | float):
                return self._key(substitute, path)
        except Exception:  # noqa: BLE001, S110 - the host's own code may fail at anything
            pass
        raise UnwritableError(path=written_path(path), kind=type(key).__name__)

    def _text(self, text: str, path: KeyPath) -> str:
        if text.isascii() or is_whole(text):
            return text
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if "\ufffd" in whole:
            self._note("half-character", path)
        return whole

    def _number(self, number: float, path: KeyPath) -> JsonValue:
        """An integer of thousands of digits counts as infinite, since few programs can read it."""
        if isinstance(number, int):
            if abs(number) < _TOO_LARGE:
                return int(number)
        elif math.isfinite(number):
            return float(number)
        self._note("not-a-number", path)
        return None

    def _note(self, code: str, path: KeyPath) -> None:
        self.found.setdefault(code, []).append(written_path(path))


def _object(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _fields(value: object) -> dict[str, object]:
    """The fields of a dataclass that orjson would write."""
    names = [each.name for each in fields(value)]  # type: ignore[arg-type]  # it is a dataclass
    return {name: getattr(value, name) for name in names if not name.startswith("_")}


def is_whole(text: str) -> bool:
    """Whether a text is free of halves of surrogate pairs."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def written_path(path: KeyPath) -> str:
    """A path with dots between its keys. Long keys are cut, since a sender chooses them."""
    shown = [quoted(str(key), _LONGEST_KEY) for key in path[:_MOST_KEYS]]
    return ".".join([*shown, "…"] if len(path) > _MOST_KEYS else shown)


def quoted(text: str, most: int) -> str:
    """The beginning of a sent text, safe to print: at most ``most`` characters, all of them visible."""
    visible = "".join(sign if sign.isprintable() else "�" for sign in text[:most])
    return f"{visible}…" if len(text) > most else visible


def cut_reason(reason: str) -> str:
    """The type of an exception and the beginning of its text, which may quote sent values."""
    kind, _, text = reason.partition(": ")
    return f"{kind}: {quoted(text, MOST_QUOTED)}"


def enumerated(paths: Iterable[str]) -> str:
    """The first five paths, and the number of the others."""
    every = list(paths)
    more = len(every) - _MOST_PATHS
    return ", ".join(every[:_MOST_PATHS]) + (f" and {more} more" if more > 0 else "")
