"""An API key, as one line for people and as one JSON object. Neither has a secret; a hint is its beginning."""

from datetime import datetime

from whereupon.messages.times import format_instant
from whereupon.records import ApiKey, KeyState
from whereupon.render.formatting import clean
from whereupon.render.records import JsonObject


def key_line(key: ApiKey, now: datetime) -> str:
    """Its id, kind, name, state, scopes, origins, limit and last use."""
    parts = (
        key.id,
        key.kind.value,
        f"“{clean(key.name)}”",
        f"{key.hint}…",
        _state(key, now),
        " ".join(sorted(key.scopes)),
        " ".join(key.origins),
        f"{key.limit}{', only counted' if key.shadow else ''}" if key.limit else "",
        "never used" if key.last_used_at is None else f"used {format_instant(key.last_used_at)}",
        _overlap(key, now),
    )
    return "  ".join(part for part in parts if part)


def key_object(key: ApiKey, now: datetime) -> JsonObject:
    """All that is known of it."""
    limit = key.limit
    return {
        "kind": "api-key",
        "id": key.id,
        "name": key.name,
        "key_kind": key.kind.value,
        "state": key.state(now).value,
        "scopes": sorted(key.scopes),
        "origins": [*key.origins],
        "hint": key.hint,
        "limit": limit
        and {
            "messages": limit.messages,
            "seconds": limit.span.total_seconds(),
            "burst": limit.burst,
        },
        "shadow": key.shadow,
        "created_at": format_instant(key.created_at),
        "rotated_at": _instant(key.rotated_at),
        "replaced_until": _instant(key.replaced_until),
        "expires_at": _instant(key.expires_at),
        "revoked_at": _instant(key.revoked_at),
        "last_used_at": _instant(key.last_used_at),
        "replaced_used_at": _instant(key.replaced_used_at),
    }


def _state(key: ApiKey, now: datetime) -> str:
    state = key.state(now)
    if state is KeyState.REVOKED:
        return f"revoked {_instant(key.revoked_at)}"
    if key.expires_at is None:
        return state.value
    is_over = state is KeyState.EXPIRED
    return f"{'expired' if is_over else 'good until'} {format_instant(key.expires_at)}"


def _overlap(key: ApiKey, now: datetime) -> str:
    """That an older secret is still good, and when it was used last."""
    if key.replaced_until is None or key.replaced_until <= now or key.revoked_at is not None:
        return ""
    used = (
        "not used since"
        if key.replaced_used_at is None
        else f"used {_instant(key.replaced_used_at)}"
    )
    return f"(its old secret: good until {format_instant(key.replaced_until)}, {used})"


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else format_instant(instant)
