"""Who asks: the key that a request brings, and whether it opens the address that is asked.

The key comes as the user of Basic authentication, as a bearer token, in the header ``X-Write-Key``, in the query, or as
``writeKey`` in the body, and the first of these that is not empty counts. Where a key has an id beside its secret
(Customer.io's Track API), Basic authentication is ``ID:SECRET``.
"""

import binascii
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias
from urllib.parse import unquote_plus

from whereupon.messages.model import SenderClass
from whereupon.messages.outer_fields import outer_fields
from whereupon.operations.key_checks import KeyCheck, KeyRefusal
from whereupon.records.api_keys import ApiKey, KeyKind, Scope
from whereupon.web.door.problems import (
    EXPIRED_KEY,
    MISSING_KEY,
    MISSING_SCOPE,
    REPLACED_SECRET,
    REVOKED_KEY,
    UNKNOWN_KEY,
    WRONG_KIND_OF_KEY,
    WRONG_ORIGIN,
    Problem,
)
from whereupon.web.http import Request

Verify: TypeAlias = Callable[[str], KeyCheck]
"""What is known of a secret (see `Keys.check`)."""

_REFUSALS = {
    KeyRefusal.UNKNOWN: UNKNOWN_KEY,
    KeyRefusal.EXPIRED: EXPIRED_KEY,
    KeyRefusal.REVOKED: REVOKED_KEY,
    KeyRefusal.REPLACED: REPLACED_SECRET,
}
_CLASSES = {KeyKind.SERVER: SenderClass.SERVER, KeyKind.CLIENT: SenderClass.CLIENT}


class Credentials(NamedTuple):
    """What a request brings: a secret, or none; and the id of its key, where it names one."""

    secret: str = ""
    key_id: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as which class of sender, and with which secret."""

    key: ApiKey
    source: SenderClass
    credentials: Credentials


def caller_of(
    request: Request,
    body: bytes,
    verify: Verify,
    *,
    scope: Scope,
    kinds: frozenset[KeyKind] = frozenset({KeyKind.SERVER}),
) -> Caller | Problem:
    """Who asks; or why the request is refused: the problems with 401 of `problems`.

    Args:
        body: of the request, unpacked; it is read only if the key is nowhere else.
        scope: what the key has to be good for.
        kinds: the kinds of keys that open the address; a client's opens only the door for messages.

    Raises:
        StoreError: the store is away, and the key is not known without it.
    """
    credentials = credentials_of(request) or _in_body(body)
    if not credentials.secret:
        return MISSING_KEY
    key, refusal = verify(credentials.secret)
    if refusal is not None:
        return _REFUSALS[refusal]
    if key is None or credentials.key_id not in {"", key.id}:
        return UNKNOWN_KEY
    source = _CLASSES.get(key.kind)
    if source is None or key.kind not in kinds:
        return WRONG_KIND_OF_KEY
    if not key.allows(scope):
        return MISSING_SCOPE
    if not key.allows_origin(request.headers.get("origin")):
        return WRONG_ORIGIN
    return Caller(key, source, credentials)


def credentials_of(request: Request) -> Credentials | None:
    """What the headers and the query bring; None if they bring nothing."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    kind = kind.lower()
    found = None
    if kind == "basic":
        found = _basic(value.strip())
    elif kind == "bearer":
        found = Credentials(value.strip())
    if found is None or not found.secret:
        secret = request.headers.get("x-write-key", "").strip() or _in_query(request.query)
        found = Credentials(secret) if secret else None
    return found


def _basic(value: str) -> Credentials:
    """``SECRET:`` of the pipelines' clients, or ``ID:SECRET`` (RFC 7617)."""
    try:
        pair = b64decode(value, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return Credentials()
    user, _, password = pair.partition(":")
    return Credentials(password, user) if password else Credentials(user)


def _in_query(query: str) -> str:
    for each in query.split("&"):
        name, _, value = each.partition("=")
        if name == "writeKey" and value:
            return unquote_plus(value)
    return ""


def _in_body(body: bytes) -> Credentials:
    secret = outer_fields(body).write_key
    return Credentials(secret.strip() if isinstance(secret, str) else "")
