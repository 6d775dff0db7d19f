"""Reading and writing JSON: msgspec reads, orjson writes. Only this package imports them.

Integers of any size stay exact, although orjson does not write those beyond 64 bits. A number beyond the
range of doubles is infinite, as in JavaScript.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NoReturn, cast

import msgspec
import orjson
from pydantic import JsonValue
from typing_extensions import override

_READER = msgspec.json.Decoder()
_CHECKER = msgspec.json.Decoder(msgspec.Raw)
MOST_DIGITS = 4_000
"""An integer of more digits counts as infinite."""


class JsonError(ValueError):
    """Text that is not JSON, or a value that JSON cannot hold."""


class DeepJsonError(JsonError):
    """Objects and lists that nest too deep to be read or written."""


def decode(text: bytes | str) -> JsonValue:
    """Read one JSON value; raises `JsonError` with the place of the fault."""
    if isinstance(text, str) and not text.isascii():
        text = text.encode("utf-8", "surrogatepass")
    try:
        value: JsonValue = _READER.decode(text)
    except msgspec.ValidationError:  # a number beyond the doubles, or of thousands of digits
        return _decode_slowly(text.encode() if isinstance(text, str) else text)
    except RecursionError as error:
        raise DeepJsonError(str(error)) from error
    except (msgspec.DecodeError, ValueError) as error:
        raise JsonError(str(error)) from error
    return value


def decode_member(text: bytes, name: str) -> JsonValue:
    """One member of an object that is given as valid JSON; null if there is no object or no such member.

    The other members are skipped, which takes a fifth of the time of reading them.
    """
    try:
        value: JsonValue = _member_reader(name).decode(text).value
    except msgspec.ValidationError:  # not an object, or as in `decode`
        whole = decode(text)
        value = whole.get(name) if isinstance(whole, dict) else None
    return value


@cache
def _member_reader(name: str) -> msgspec.json.Decoder[Any]:
    """Few are cached, since only the engine chooses the names."""
    fields = [("value", Any, None)]
    return msgspec.json.Decoder(msgspec.defstruct("Member", fields, rename={"value": name}))


def _decode_slowly(raw: bytes) -> JsonValue:
    check(raw)
    return _loads(raw.decode(), parse_constant=_refuse_constant)


def decode_leniently(text: bytes) -> JsonValue:
    r"""Read JSON of clients that are not strict; raises `JsonError`.

    It accepts ``NaN`` and ``Infinity``, half of a surrogate pair (``\ud83d``), numbers beyond the range of
    doubles, and bytes that are not UTF-8. The value may need repair before it can be written (`repairs`).
    """
    try:
        whole = text.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        whole = text.decode("utf-8", "surrogateescape")
    return _loads(whole, parse_constant=float)


def _loads(text: str, *, parse_constant: Callable[[str], object]) -> JsonValue:
    try:
        value: JsonValue = json.loads(text, parse_int=_whole, parse_constant=parse_constant)
    except RecursionError as error:
        raise DeepJsonError(str(error)) from error
    except ValueError as error:
        raise JsonError(str(error)) from error
    return value


def check(text: bytes) -> None:
    """Check one JSON value without making Python objects; raises `JsonError` if `decode` would."""
    try:
        if not text.isascii():
            text.decode()
        _CHECKER.decode(text)
    except RecursionError as error:
        raise DeepJsonError(str(error)) from error
    except (msgspec.DecodeError, ValueError) as error:
        raise JsonError(str(error)) from error


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= MOST_DIGITS else float(digits)


def _refuse_constant(name: str) -> NoReturn:
    message = f"{name} is not JSON"
    raise JsonError(message)


def encode(value: object, default: Callable[[object], object] | None = None) -> bytes:
    """Write one value as compact JSON; raises `JsonError` if JSON cannot hold it.

    Instants, dates and UUIDs become text, NaN becomes null.

    Args:
        default: returns a substitute for a value that cannot be written.
    """
    try:
        return orjson.dumps(value, default, orjson.OPT_NON_STR_KEYS)
    except TypeError as error:
        return _encode_exactly(value, error)


def _encode_exactly(value: object, refusal: TypeError) -> bytes:
    if "recursion" in str(refusal).casefold():
        raise DeepJsonError(str(refusal)) from refusal
    if "64-bit" not in str(refusal):
        raise JsonError(str(refusal)) from refusal
    try:
        return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":")).encode()
    except RecursionError as error:
        raise DeepJsonError(str(error)) from error
    except (TypeError, ValueError) as error:
        raise JsonError(str(error)) from error


def _plain(value: object) -> object:
    """The value as orjson writes it, except that its integers stay integers."""
    if isinstance(value, dict):
        return {_plain_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, int) else orjson.loads(orjson.dumps(value))


def _plain_key(key: object) -> str:
    if isinstance(key, str):
        return key
    (name,) = orjson.loads(orjson.dumps({key: None}, option=orjson.OPT_NON_STR_KEYS))
    return str(name)


def encode_canonically(value: object) -> bytes:
    """Write one JSON value with sorted keys, so that equal values give equal bytes."""
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str
    ).encode("utf-8", "surrogatepass")


class LazyObject(Mapping[str, JsonValue]):
    """A JSON object that keeps its text, and is read at the first access; many are never accessed."""

    __slots__ = ("_read", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._read: Mapping[str, JsonValue] | None = None

    def copy(self) -> dict[str, JsonValue]:
        """The object, read again."""
        return cast("dict[str, JsonValue]", decode(self.text))

    @override
    def get(self, key: str, default: Any = None) -> Any:
        """As of any mapping; a text without such a key is not read, since `encode` escapes no letter."""
        if self._read is None and f'"{key}"' not in self.text:
            return default
        return self._whole().get(key, default)

    def _whole(self) -> Mapping[str, JsonValue]:
        if self._read is None:
            self._read = self.copy()
        return self._read

    def __getitem__(self, key: str) -> JsonValue:
        return self._whole()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._whole())

    def __len__(self) -> int:
        return len(self._whole())

    def __repr__(self) -> str:
        return repr(self._whole())


def read_object(value: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """The members of an object for one use: a `LazyObject` is read, but does not keep the result."""
    return value.copy() if type(value) is LazyObject else value


def object_text(value: Mapping[str, JsonValue] | Mapping[str, int]) -> str:
    """The JSON text of an object."""
    if type(value) is LazyObject:
        return value.text
    if not value:
        return "{}"
    return encode(value if type(value) is dict else dict(value)).decode()
