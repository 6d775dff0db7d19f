"""Rows of API keys and their secrets, and back."""

from datetime import timedelta

from whereupon.messages.times import as_micros, duration_micros, from_micros
from whereupon.records import ApiKey, ApiSecret, KeyKind, KeyLimit, Scope
from whereupon.storage.sql.dialects import Parameters
from whereupon.storage.sql.rows import Record, instant_or_none, micros_or_none


def api_key_row(key: ApiKey) -> Parameters:
    """The row of a key."""
    limit = key.limit
    return (
        key.id,
        key.name,
        key.kind.value,
        " ".join(sorted(key.scopes)),
        " ".join(key.origins),
        key.hint,
        as_micros(key.created_at),
        micros_or_none(key.rotated_at),
        micros_or_none(key.replaced_until),
        micros_or_none(key.expires_at),
        micros_or_none(key.revoked_at),
        micros_or_none(key.last_used_at),
        micros_or_none(key.replaced_used_at),
        limit and limit.messages,
        limit and duration_micros(limit.span),
        limit and limit.burst,
        int(key.shadow),
    )


def api_key_from(row: Record) -> ApiKey:
    """A key."""
    key_id, name, kind, scopes, origins, hint, created_at, *times, messages, span, burst, shadow = (
        row
    )
    rotated, replaced, expires, revoked, used, replaced_used = map(instant_or_none, times)
    limit = None
    if messages is not None:
        limit = KeyLimit(messages, timedelta(microseconds=span), burst)
    return ApiKey(
        id=key_id,
        name=name,
        kind=KeyKind(kind),
        scopes=frozenset(map(Scope, scopes.split())),
        origins=tuple(origins.split()),
        hint=hint,
        created_at=from_micros(created_at),
        rotated_at=rotated,
        replaced_until=replaced,
        expires_at=expires,
        revoked_at=revoked,
        last_used_at=used,
        replaced_used_at=replaced_used,
        limit=limit,
        shadow=bool(shadow),
    )


def api_secret_row(secret: ApiSecret) -> Parameters:
    """The row of a secret."""
    return (secret.digest.hex(), secret.key_id, micros_or_none(secret.ends_at))


def api_secret_from(row: Record) -> ApiSecret:
    """A secret."""
    digest, key_id, ends_at = row
    return ApiSecret(digest=bytes.fromhex(digest), key_id=key_id, ends_at=instant_or_none(ends_at))
