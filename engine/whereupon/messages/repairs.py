"""Values that JSON cannot hold, mended where no sense is lost, each with a remark that says where.

NaN and the infinities become null, as in JavaScript; half of a surrogate pair, which is what cutting a
text in the middle of an emoji leaves, becomes U+FFFD; a host's values become what stands for them.
Whatever way a message comes in, as Python values or as JSON text, the same is made of it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from typing import NamedTuple

from pydantic import JsonValue

from whereupon.messages.codec import MOST_DIGITS, DeepJsonError, JsonError, decode, encode
from whereupon.messages.host_values import nearer

MAX_NESTING = 200
"""Objects and lists within one another: as many as can be read, and written again, anywhere."""

_TOO_LARGE = 10**MOST_DIGITS
MOST_QUOTED = 8
"""Characters of a value that a sentence may quote."""

_MOST_PATHS = 5
_LONGEST_KEY = 40
_MOST_KEYS = 8
_REASONS = {
    "not-a-number": "became null, for JSON has neither NaN nor infinity",
    "half-character": "had half a character, which became U+FFFD",
}

Path = tuple[str | int, ...]


class Remark(NamedTuple):
    """What was mended in a message, or left out of it, though it is taken.

    Attributes:
        code: stable and kebab-case, such as ``not-a-number``.
        text: one sentence that names the fields.
    """

    code: str
    text: str


class UnwritableError(JsonError):
    """A value that JSON cannot hold, and that nothing stands for.

    Attributes:
        path: where it is: ``properties.order.price``.
        kind: the name of its type.
    """

    def __init__(self, *, path: str, kind: str) -> None:
        self.path = path
        self.kind = kind
        super().__init__(f"{path or 'the message'} is of the type {kind}, which JSON cannot hold")


class Written(NamedTuple):
    """A value as JSON text, and what had to be mended for it."""

    text: bytes
    remarks: tuple[Remark, ...] = ()


def write(value: object) -> Written:
    """Write a value of Python's as JSON; raises `DeepJsonError` or `UnwritableError`."""
    try:
        text = encode(value, nearer)
    except DeepJsonError:
        raise
    except JsonError:
        return write_mended(value)
    if b"null" in text and _may_be_mended(value):
        return write_mended(value)
    return Written(text)


def write_mended(value: object) -> Written:
    """The same, for a value that is known to need mending, or nearly."""
    mender = _Mender()
    try:
        text = encode(mender.plain(value, ()))
    except RecursionError as error:
        raise DeepJsonError(str(error)) from error
    return Written(text, mender.remarks())


def _may_be_mended(value: object) -> bool:
    """Whether a null may have been written for something else."""
    left = [value]
    while left:
        each = left.pop()
        kind = each.__class__
        if kind is dict:
            left += each.values()  # type: ignore[attr-defined]  # it is a dict
        elif kind is list:
            left += each  # type: ignore[arg-type]  # it is a list
        elif kind is float:
            if not math.isfinite(each):  # type: ignore[arg-type]  # it is a float
                return True
        elif kind not in _SOUND:
            return True
    return False


_SOUND = frozenset({str, int, bool, type(None)})


@dataclass(slots=True)
class _Mender:
    """Makes plain JSON of one value, and notes what it changes."""

    found: dict[str, list[str]] = field(default_factory=dict)

    def remarks(self) -> tuple[Remark, ...]:
        return tuple(
            Remark(code, f"{enumerated(paths)} {_REASONS[code]}")
            for code, paths in self.found.items()
        )

    def plain(self, value: object, path: Path, depth: int = 0) -> JsonValue:
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
                return self._nearer(value, path, depth)

    def _container(
        self,
        value: dict[object, object] | list[object] | tuple[object, ...],
        path: Path,
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

    def _nearer(self, value: object, path: Path, depth: int) -> JsonValue:
        if is_dataclass(value) and not isinstance(value, type):
            return self.plain(_fields(value), path, depth)
        try:
            return decode(encode(value))  # an instant, a UUID
        except JsonError:
            pass
        try:
            instead = nearer(value)
        except Exception as error:  # the host's own code may fail at anything
            raise UnwritableError(path=written_path(path), kind=type(value).__name__) from error
        return self.plain(instead, path, depth + (not isinstance(instead, dict | list)))

    def _key(self, key: object, path: Path) -> str:
        if isinstance(key, str):
            return self._text(key, path)
        try:
            (name,) = _object(decode(encode({key: None})))
        except JsonError:
            return self._odd_key(key, path)
        return name

    def _odd_key(self, key: object, path: Path) -> str:
        try:
            instead = nearer(key)
            if isinstance(instead, str | int | float):
                return self._key(instead, path)
        except Exception:  # noqa: BLE001, S110 - the host's own code may fail at anything
            pass
        raise UnwritableError(path=written_path(path), kind=type(key).__name__)

    def _text(self, text: str, path: Path) -> str:
        if text.isascii() or is_whole(text):
            return text
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if "\ufffd" in whole:
            self._note("half-character", path)
        return whole

    def _number(self, number: float, path: Path) -> JsonValue:
        """A whole one of thousands of digits counts as infinite, for hardly anything can read it."""
        if isinstance(number, int):
            if abs(number) < _TOO_LARGE:
                return int(number)
        elif math.isfinite(number):
            return float(number)
        self._note("not-a-number", path)
        return None

    def _note(self, code: str, path: Path) -> None:
        self.found.setdefault(code, []).append(written_path(path))


def _object(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _fields(value: object) -> dict[str, object]:
    """The fields of a dataclass that the writer would write."""
    names = [each.name for each in fields(value)]  # type: ignore[arg-type]  # it is a dataclass
    return {name: getattr(value, name) for name in names if not name.startswith("_")}


def is_whole(text: str) -> bool:
    """Whether a text holds no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def written_path(path: Path) -> str:
    """A path as people write it, its keys cut short: they may be anything that was sent."""
    shown = [quoted(str(key), _LONGEST_KEY) for key in path[:_MOST_KEYS]]
    return ".".join([*shown, "…"] if len(path) > _MOST_KEYS else shown)


def quoted(text: str, most: int) -> str:
    """The beginning of what was sent, safe to write: at most so many characters, all of them visible."""
    visible = "".join(sign if sign.isprintable() else "�" for sign in text[:most])
    return f"{visible}…" if len(text) > most else visible


def cut_reason(reason: str) -> str:
    """What was raised, by its type and the beginning of its text, which may quote what was sent."""
    kind, _, text = reason.partition(": ")
    return f"{kind}: {quoted(text, MOST_QUOTED)}"


def enumerated(paths: Iterable[str]) -> str:
    """The first few paths, and how many more there are."""
    every = list(paths)
    more = len(every) - _MOST_PATHS
    return ", ".join(every[:_MOST_PATHS]) + (f" and {more} more" if more > 0 else "")
