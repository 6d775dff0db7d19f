"""Checks of the API keys: those that are about to end, and those that nobody uses."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from whereupon.doctor.findings import ok, warning
from whereupon.messages.times import format_instant
from whereupon.ports import Finding, Session
from whereupon.records import ApiKey, KeyState

_SOON, _NEW, _UNUSED = timedelta(days=14), timedelta(days=7), timedelta(days=90)


def check_api_keys(session: Session, now: datetime, *, needed: bool = False) -> Iterator[Finding]:
    """Every key that an operator should look at; where there are none, nothing, unless a server needs one.

    Args:
        needed: whether the configuration has a server, which answers nobody without a key.
    """
    keys = sorted(session.scan(ApiKey), key=lambda key: (key.created_at, key.id))
    kept = [key for key in keys if key.state(now) is not KeyState.REVOKED]
    for key in kept:
        yield from _end(key, now)
        yield from _use(key, now)
        yield from _overlap(key, now)
    if good := sum(key.state(now) is KeyState.GOOD for key in kept):
        yield ok(f"{good} API keys are good.")
    elif needed:
        said = "There is no API key that is good, so the server refuses every client."
        yield warning(said, "Run whereupon keys create NAME.")


def _end(key: ApiKey, now: datetime) -> Iterator[Finding]:
    if key.expires_at is None or key.expires_at > now + _SOON:
        return
    advice = f"Run whereupon keys change {key.id} --expires 365d, or revoke it."
    verb = "expired" if key.expires_at <= now else "expires"
    yield warning(f"{_named(key)} {verb} at {format_instant(key.expires_at)}.", advice)


def _use(key: ApiKey, now: datetime) -> Iterator[Finding]:
    if key.state(now) is not KeyState.GOOD:
        return
    advice = f"If nobody needs it, run whereupon keys revoke {key.id}."
    if key.last_used_at is None and key.created_at < now - _NEW:
        yield warning(f"{_named(key)} was never used.", advice)
    elif key.last_used_at is not None and key.last_used_at < now - _UNUSED:
        yield warning(f"{_named(key)} was used last at {format_instant(key.last_used_at)}.", advice)


def _overlap(key: ApiKey, now: datetime) -> Iterator[Finding]:
    """That a caller still has an old secret, which is about to end."""
    until, used = key.replaced_until, key.replaced_used_at
    if until is None or used is None or not now < until <= now + _SOON:
        return
    said = (
        f"{_named(key)} was rotated, and its old secret is still used, at {format_instant(used)}; "
    )
    yield warning(
        f"{said}it ends at {format_instant(until)}.", "Give its holders the new secret before that."
    )


def _named(key: ApiKey) -> str:
    return f"The API key {key.id} (“{key.name}”)"
