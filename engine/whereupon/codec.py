"""JSON in and out: the one home of orjson.

Numbers are kept as sent: integers beyond 64 bits, which orjson would turn into floats or refuse,
go through the standard library instead.
"""

import json
from typing import NoReturn

import orjson
from pydantic import JsonValue

_AS_DIGITS = bytes(ord("0") if chr(byte).isdecimal() else ord(" ") for byte in range(256))
_LONG_INTEGER = b"0" * 19


class JsonError(ValueError):
    """Text that is not JSON, or a value that JSON cannot hold."""


def decode(text: bytes | str) -> JsonValue:
    """Read one JSON value; raises `JsonError` with the place of the fault."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    try:
        if _LONG_INTEGER in raw.translate(_AS_DIGITS):  # ten times faster than a pattern
            orjson.loads(raw)  # the stricter reader judges; the exact one reads
            return _decode_exactly(raw)
        value: JsonValue = orjson.loads(raw)
    except (ValueError, RecursionError) as error:
        raise JsonError(str(error)) from error
    return value


def _decode_exactly(raw: bytes) -> JsonValue:
    value: JsonValue = json.loads(raw, parse_constant=_refuse_constant)
    return value


def _refuse_constant(name: str) -> NoReturn:
    message = f"{name} is not JSON"
    raise JsonError(message)


def encode(value: object) -> bytes:
    """Write one JSON value, compactly; raises `JsonError` for what JSON cannot hold.

    Instants, dates and UUIDs of the host's become text, NaN becomes null.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    except TypeError as error:
        return _encode_exactly(value, error)


def _encode_exactly(value: object, refusal: TypeError) -> bytes:
    if "64-bit" not in str(refusal):
        raise JsonError(str(refusal)) from refusal
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise JsonError(str(error)) from error


def encode_canonically(value: object) -> bytes:
    """Write one JSON value with sorted keys, so that equal values give equal bytes."""
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str
    ).encode("utf-8", "surrogatepass")
