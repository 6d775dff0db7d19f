"""What may be said of an API key: names, ids, scopes, origins, limits, and secrets of other providers.

No error quotes more than the beginning of a text that could be a secret.
"""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Final
from urllib.parse import urlsplit

from whereupon.errors import ApiKeyError
from whereupon.messages.times import parse_duration
from whereupon.records import SCOPES_OF, KeyKind, KeyLimit, Scope, is_storable

LONGEST_SECRET: Final = 512
"""The most characters of a secret."""
_SHORTEST_SECRET, _LEAST_VARIETY, _LEAST_STEPS = 16, 8, 6
_LONGEST_NAME, _MOST_ORIGINS = 100, 50
_LIMIT = re.compile(r"\s*(\d{1,9})\s+per\s+(\d{1,9})?\s*([smhd])\s*")
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_OWN_ID = re.compile(r"key_[0-9a-f]{12}")
_SECRET = re.compile(r"[!-9;-~]+")
_SITE = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\]")
_DEFAULTS = {KeyKind.MANAGEMENT: frozenset({Scope.VIEWER})}
_PORTS = {"http": 80, "https": 443}


def checked_name(name: str) -> str:
    """A name, without spaces around it."""
    said = name.strip()
    if not said or len(said) > _LONGEST_NAME or not said.isprintable() or not is_storable(said):
        reason = f"a key has a name of 1 to {_LONGEST_NAME} printable characters"
        raise ApiKeyError(code="bad-name", reason=reason)
    return said


def checked_id(key_id: str) -> str:
    """An id that an operator chose."""
    if not _ID.fullmatch(key_id) or key_id.startswith(("wk_", "wm_")):
        reason = "an id has 1 to 64 letters, digits, dots, hyphens and underscores, and does not begin as secrets do"
        raise ApiKeyError(code="bad-id", reason=reason)
    return key_id


def shown_id(key_id: str) -> str:
    """An id for an error: of one that we have not made, the beginning, for it may be a secret by mistake."""
    return key_id if _OWN_ID.fullmatch(key_id) else f"{key_id[:4]}…"


def checked_scopes(kind: KeyKind, scopes: Iterable[str]) -> frozenset[Scope]:
    """Scopes that a key of that kind may have; without any those by default."""
    asked, allowed = {*scopes}, SCOPES_OF[kind]
    if wrong := asked - allowed:
        reason = f"a {kind} key has the scopes {', '.join(sorted(allowed))}, not {', '.join(sorted(wrong))[:80]}"
        raise ApiKeyError(code="bad-scope", reason=reason)
    return frozenset(map(Scope, asked)) or _DEFAULTS.get(kind, allowed)


def checked_origins(kind: KeyKind, origins: Iterable[str]) -> tuple[str, ...]:
    """Origins as browsers write them (RFC 6454): lower case, without the port of the scheme."""
    read = tuple(dict.fromkeys(map(_origin, origins)))
    if read and kind is not KeyKind.CLIENT:
        raise ApiKeyError(code="bad-origin", reason="only a client key has origins")
    if len(read) > _MOST_ORIGINS:
        raise ApiKeyError(code="bad-origin", reason=f"a key has at most {_MOST_ORIGINS} origins")
    return read


def _origin(text: str) -> str:
    wrong = ApiKeyError(
        code="bad-origin",
        reason=f"an origin is written as https://shop.example or https://*.shop.example; this is {text[:80]!r}",
    )
    try:
        parts = urlsplit(text.lower())
        port = parts.port
    except ValueError:
        raise wrong from None
    host = parts.netloc.removesuffix(f":{port}")
    whole = not (parts.path.strip("/") or parts.query or parts.fragment)
    if not parts.scheme or not whole or not _SITE.fullmatch(host):
        raise wrong
    shown = "" if port is None or port == _PORTS.get(parts.scheme) else f":{port}"
    return f"{parts.scheme}://{host}{shown}"


def checked_limit(limit: KeyLimit | str | None) -> KeyLimit | None:
    """A limit, or its text, such as ``100 per 1s``; then as many as that may come at once."""
    if not isinstance(limit, str):
        return limit
    found = _LIMIT.fullmatch(limit)
    span = None if found is None else parse_duration(f"{found[2] or 1}{found[3]}")
    try:
        if found is not None and span is not None:
            return KeyLimit(int(found[1]), span, burst=int(found[1]))
    except ValueError:
        pass
    reason = f"a limit is written as '100 per 1s': messages, and a duration of at most a year; this is {limit[:40]!r}"
    raise ApiKeyError(code="bad-limit", reason=reason)


def checked_secret(kind: KeyKind, secret: str) -> str:
    """A secret of another provider, if it can be sent and is hard to guess."""
    if kind is KeyKind.MANAGEMENT:  # no app in the field has one
        raise ApiKeyError(code="bad-secret", reason="a management key adopts no secret: make one")
    if not _SECRET.fullmatch(secret) or len(secret) > LONGEST_SECRET:
        reason = (
            f"a secret has at most {LONGEST_SECRET} characters of ASCII, without spaces and colons"
        )
        raise ApiKeyError(code="bad-secret", reason=reason)
    steps = {ord(b) - ord(a) for a, b in pairwise(secret)}
    is_varied = len(set(secret)) >= _LEAST_VARIETY and len(steps) >= _LEAST_STEPS
    if len(secret) < _SHORTEST_SECRET or not is_varied:
        reason = (
            f"a secret that is adopted has at least {_SHORTEST_SECRET} characters, {_LEAST_VARIETY} different "
            "ones, in no simple order: make a new one instead"
        )
        raise ApiKeyError(code="weak-secret", reason=reason)
    return secret
