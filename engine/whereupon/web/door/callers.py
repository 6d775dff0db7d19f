"""Who asks: the key that a request brings, and whether it opens the address that is asked.

The key comes as the user of Basic authentication, as a bearer token, in the header ``X-Write-Key``, in the query, or as
``writeKey`` in the body, and the first of these that is not empty counts. Where a key has an id beside its secret
(Customer.io's Track API, Jitsu's client), the first three are ``ID:SECRET``.
"""

import binascii
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias
from urllib.parse import unquote_plus

from typing_extensions import override

from whereupon.messages.model import SenderClass
from whereupon.messages.outer_fields import write_key_in
from whereupon.messages.structs import Frozen
from whereupon.operations.key_checks import KeyCheck, KeyRefusal
from whereupon.records.api_keys import ApiKey, KeyKind, Scope
from whereupon.web.door.limits import KeyLimits
from whereupon.web.door.problems import (
    EXPIRED_KEY,
    MISSING_KEY,
    MISSING_SCOPE,
    OVER_LIMIT,
    REPLACED_SECRET,
    REVOKED_KEY,
    UNKNOWN_KEY,
    WRONG_KIND_OF_KEY,
    WRONG_ORIGIN,
    ProblemError,
)
from whereupon.web.http import Request

Check: TypeAlias = Callable[[str], KeyCheck]
"""What is known of a secret (see `Keys.check`)."""

_REFUSALS = {
    KeyRefusal.EXPIRED: EXPIRED_KEY,
    KeyRefusal.REVOKED: REVOKED_KEY,
    KeyRefusal.REPLACED: REPLACED_SECRET,
}
SERVERS = frozenset({KeyKind.SERVER})
SENDERS = frozenset({KeyKind.SERVER, KeyKind.CLIENT})
_CLASSES = {KeyKind.SERVER: SenderClass.SERVER, KeyKind.CLIENT: SenderClass.CLIENT}


class Credentials(Frozen, frozen=True):
    """What a request brings: a secret, or none, which `repr` leaves out; and the id of its key, where it names one."""

    secret: str = ""
    key_id: str = ""

    @override
    def __repr__(self) -> str:
        return f"Credentials(key_id={self.key_id!r})"


class Caller(Frozen, frozen=True):
    """Who asks, as which class of sender, and with which secret."""

    key: ApiKey
    source: SenderClass
    credentials: Credentials


class Callers:
    """Finds who asks, and counts what comes in under a key, for all the parts of a site.

    Args:
        check: says what is known of a secret.
    """

    def __init__(self, check: Check) -> None:
        self._check = check
        self._limits = KeyLimits()

    def find(
        self,
        request: Request,
        body: bytes = b"",
        *,
        scope: Scope,
        kinds: frozenset[KeyKind] = SERVERS,
    ) -> Caller:
        """Who asks.

        Args:
            body: of the request, unpacked; it is read only if the key is nowhere else.
            scope: what the key has to be good for.
            kinds: the kinds of keys that open the address; a client's opens only the door for messages.

        Raises:
            ProblemError: the request is refused, with 401.
            StoreError: the store is away, and the key is not known without it.
        """
        credentials = credentials_of(request) or _in_body(body)
        if not credentials.secret:
            raise ProblemError(MISSING_KEY)
        key, refusal = self._check(credentials.secret)
        if refusal is KeyRefusal.UNKNOWN or key is None or credentials.key_id not in {"", key.id}:
            raise ProblemError(UNKNOWN_KEY)
        if refusal is not None:
            raise ProblemError(_REFUSALS[refusal], key)
        source = _CLASSES.get(key.kind)
        if source is None or key.kind not in kinds:
            raise ProblemError(WRONG_KIND_OF_KEY, key)
        if not key.allows(scope):
            raise ProblemError(MISSING_SCOPE, key)
        if not key.allows_origin(request.headers.get("origin")):
            raise ProblemError(WRONG_ORIGIN, key)
        return Caller(key, source, credentials)

    def admit(self, caller: Caller, messages: int) -> int:
        """Count messages under the caller's key; returns how many are over a limit that only counts.

        Raises:
            ProblemError: they are over the limit; 429 says when to send again.
        """
        taken = self._limits.take(caller.key, messages)
        if taken.wait:
            raise ProblemError(replace(OVER_LIMIT, retry_after=taken.wait), caller.key)
        return taken.over

    def owe(self, caller: Caller, messages: int) -> None:
        """Count more messages under the key, of a request that had more of them than could be seen before."""
        self._limits.owe(caller.key, messages)


def credentials_of(request: Request) -> Credentials | None:
    """What the headers and the query bring; None if they bring nothing."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    kind = kind.lower()
    found = None
    if kind == "basic":
        found = _basic(value.strip())
    elif kind == "bearer":
        found = _of_pair(value.strip())
    if found is None or not found.secret:
        named = request.headers.get("x-write-key", "").strip()
        secret = _in_query(request.query)
        found = _of_pair(named) if named else Credentials(secret) if secret else None
    return found


def _basic(value: str) -> Credentials:
    """``SECRET:`` of the pipelines' clients, or ``ID:SECRET`` (RFC 7617); go-customerio writes base64 as URLs have it."""
    try:
        written = value.replace("-", "+").replace("_", "/")
        pair = binascii.a2b_base64(written, strict_mode=True).decode("utf-8", "replace")
    except ValueError:
        return Credentials()
    return _of_pair(pair)


def _of_pair(pair: str) -> Credentials:
    user, _, password = pair.partition(":")
    return Credentials(password, user) if password else Credentials(user)


def _in_query(query: str) -> str:
    for each in query.split("&"):
        name, _, value = each.partition("=")
        if name == "writeKey" and value:
            return unquote_plus(value)
    return ""


def _in_body(body: bytes) -> Credentials:
    return Credentials(write_key_in(body).strip())
