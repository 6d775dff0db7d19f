"""Who asks: the key of a request, and whether it may ask for this."""

from base64 import b64decode
from binascii import Error
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import parse_qs

from whereupon.messages.model import SenderClass
from whereupon.messages.write_keys import write_key_in
from whereupon.records.api_keys import ApiKey, KeyKind
from whereupon.web.http import Request

Verify: TypeAlias = Callable[[str], ApiKey | None]
"""The key with a secret; None if there is none, or it is no longer good (see `Keys.verify`)."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and as which class of sender."""

    key: ApiKey
    source: SenderClass


def caller_of(request: Request, body: bytes, verify: Verify) -> Caller | None:
    """Who sends messages; None if no key says so."""
    secret = secret_of(request, body)
    key = verify(secret) if secret else None
    if key is None or key.kind is KeyKind.MANAGEMENT:
        return None
    return Caller(key, SenderClass(key.kind.value))


def secret_of(request: Request, body: bytes) -> str:
    """The secret that a request brings: by Basic or Bearer, a header, the query or the body; else empty."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "basic":
        try:
            return b64decode(value, validate=True).decode().partition(":")[0]
        except (Error, UnicodeDecodeError):
            return ""
    if kind.lower() == "bearer":
        return value.strip()
    header = request.headers.get("x-write-key")
    if header:
        return header
    query = parse_qs(request.query).get("writeKey")
    if query:
        return query[0]
    return write_key_in(body)
