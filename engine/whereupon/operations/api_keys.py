"""API keys: making, listing, changing, rotating and revoking them, and finding the key of a secret.

A secret is shown once, when it is made. The store keeps its SHA-256, which suffices for a secret that nobody can guess.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from secrets import token_hex, token_urlsafe
from time import monotonic
from typing import TypedDict, Unpack

from pydantic import JsonValue

from whereupon.errors import ApiKeyError, UnknownNameError
from whereupon.messages.times import format_instant, later
from whereupon.operations.key_cache import VERSION
from whereupon.operations.key_checks import KeyChecks, digest_of
from whereupon.operations.key_fields import (
    checked_id,
    checked_limit,
    checked_name,
    checked_origins,
    checked_scopes,
    checked_secret,
    shown_id,
)
from whereupon.pipeline.current import CurrentPipeline
from whereupon.ports import Clock, Session, Store
from whereupon.records import (
    ApiKey,
    ApiSecret,
    AuditRecord,
    Changes,
    KeyKind,
    KeyLimit,
    KeyState,
)
from whereupon.runtime.log_lines import log_event

DAY = timedelta(days=1)
_BYTES = 32
"""Of a secret: 256 bits."""
_PREFIXES = {KeyKind.SERVER: "wk_", KeyKind.CLIENT: "wk_", KeyKind.MANAGEMENT: "wm_"}
_HINT, _ADOPTED_HINT = 7, 4
_LOG = logging.getLogger("whereupon.keys")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key with a secret that was made just now. The secret is nowhere else, and is not printed by `repr`."""

    secret: str = field(repr=False)
    key: ApiKey


class KeyChanges(TypedDict, total=False):
    """What can be changed of a key (see `Keys.create`); what is left out stays."""

    name: str
    scopes: Iterable[str]
    origins: Iterable[str]
    expires: datetime | timedelta | None
    limit: KeyLimit | str | None
    shadow: bool


class Keys(KeyChecks):
    """The API keys of a store. Every change of a key is in the audit log, never with a secret.

    Other processes see a change within two seconds, and a new key within a tenth of one.

    Args:
        ticks: seconds that never go back.
    """

    def __init__(
        self,
        store: Store,
        current: CurrentPipeline,
        clock: Clock,
        ticks: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__(store, clock, ticks)
        self._current = current

    def create(  # noqa: PLR0913 - one for each thing that a key is
        self,
        name: str,
        *,
        kind: KeyKind | str,
        scopes: Iterable[str] = (),
        origins: Iterable[str] = (),
        expires: datetime | timedelta | None = None,
        limit: KeyLimit | str | None = None,
        shadow: bool = False,
        adopt: str | None = None,
        key_id: str | None = None,
        by: str | None = None,
    ) -> NewKey:
        """Make a key.

        Args:
            name: what people call it.
            kind: ``server``, ``client`` (a browser or an app, whose key anybody can read) or ``management``.
            scopes: of a server key ``messages``, ``send`` and ``read``, by default all three; of a management key
                a role, by default ``viewer``. A client key has ``messages``.
            origins: for a client key, the origins of pages that may use it, such as ``https://shop.example`` or
                ``https://*.shop.example``; none for all.
            expires: an instant, or for how long the key is good; None for ever.
            limit: the most messages, such as ``"100 per 1s"``, or a `KeyLimit`; None for any number.
            shadow: whether what is over the limit is only counted, and comes in all the same.
            adopt: a secret that applications have already, of another provider. Otherwise one is made.
            key_id: the id of the key, such as the site id that applications have. Otherwise one is made.
            by: who makes it, by name, for the audit log.

        Raises:
            ApiKeyError: the code says what is wrong.
        """
        kind, now = _kind(kind), self._clock.now()
        secret = _new_secret(kind) if adopt is None else checked_secret(kind, adopt)
        key = ApiKey(
            id=_new_id() if key_id is None else checked_id(key_id),
            name=checked_name(name),
            kind=kind,
            scopes=checked_scopes(kind, scopes),
            origins=checked_origins(kind, origins),
            hint=_hint(secret, adopted=adopt is not None),
            created_at=now,
            expires_at=_expiry(expires, now),
            limit=checked_limit(limit),
            shadow=shadow,
        )
        added = ApiSecret(digest=digest_of(secret), key_id=key.id)

        def work(session: Session) -> ApiKey:
            session.lock_requests()
            _check_is_new(session, key.id, added.digest)
            facts = {"name": key.name, **_facts(key), "adopted": adopt is not None}
            self._write(session, key, "key-created", by, [added], facts)
            return key

        return NewKey(secret, self._changed("key-created", work))

    def list(self) -> Sequence[ApiKey]:
        """All keys, those that are not good too, oldest first."""
        with self._store.reading() as session:
            return sorted(session.scan(ApiKey), key=lambda key: (key.created_at, key.id))

    def get(self, key_id: str) -> ApiKey:
        """One key by its id; raises `UnknownNameError` if there is none."""
        with self._store.reading() as session:
            return _key(session, key_id)

    def change(
        self, key_id: str, *, by: str | None = None, **changes: Unpack[KeyChanges]
    ) -> ApiKey:
        """Change what a key is called, may do, or may take; its secret stays.

        Raises:
            UnknownNameError: there is no such key.
            ApiKeyError: the code says what is wrong.
        """
        now = self._clock.now()

        def work(session: Session) -> ApiKey:
            session.lock_requests()
            key = _key(session, key_id)
            changed = _changed(key, changes, now)
            facts = {"name": changed.name, **_facts(changed)}
            self._write(session, changed, "key-changed", by, [], facts)
            return changed

        return self._changed("key-changed", work)

    def rotate(self, key_id: str, *, overlap: timedelta = DAY, by: str | None = None) -> NewKey:
        """Make a new secret for a key. The secrets before it are good until the overlap is over.

        Args:
            key_id: of the key, which stays the same, with its limit and what was counted of it.
            overlap: for how long; zero ends them at once.
            by: who does it, by name, for the audit log.

        Raises:
            UnknownNameError: there is no such key.
            ApiKeyError: it is revoked or has expired, or the overlap is negative.
        """
        if overlap < timedelta():
            raise ApiKeyError(code="bad-overlap", reason="an overlap is not negative")
        now = self._clock.now()
        until = later(now, overlap)
        secret = _new_secret(self.get(key_id).kind)

        def work(session: Session) -> ApiKey:
            session.lock_requests()
            key = _key(session, key_id)
            if (state := key.state(now)) is not KeyState.GOOD:
                reason = f"the key {key.id} is {state.value}: create another"
                raise ApiKeyError(code=f"key-{state.value}", reason=reason)
            secrets = [each for each in session.scan(ApiSecret) if each.key_id == key.id]
            ended = [replace(each, ends_at=min(each.ends_at or until, until)) for each in secrets]
            rotated = replace(
                key,
                hint=_hint(secret, adopted=False),
                rotated_at=now,
                replaced_until=until,
                replaced_used_at=None,
            )
            added = ApiSecret(digest=digest_of(secret), key_id=key.id)
            facts: dict[str, JsonValue] = {"overlap-until": format_instant(until)}
            self._write(session, rotated, "key-rotated", by, [*ended, added], facts)
            return rotated

        return NewKey(secret, self._changed("key-rotated", work))

    def revoke(self, key_id: str, *, by: str | None = None) -> ApiKey:
        """Revoke a key with all its secrets, for ever; one that is revoked stays as it is.

        Raises:
            UnknownNameError: there is no such key.
        """
        now = self._clock.now()

        def work(session: Session) -> ApiKey:
            session.lock_requests()
            key = _key(session, key_id)
            if key.revoked_at is not None:
                return key
            revoked = replace(key, revoked_at=now)
            self._write(session, revoked, "key-revoked", by, [], {})
            return revoked

        return self._changed("key-revoked", work)

    def _changed(self, event: str, work: Callable[[Session], ApiKey]) -> ApiKey:
        key = self._store.transact(work)
        self._cache.forget()
        log_event(_LOG, logging.INFO, event, api_key=key.id)
        return key

    def _write(
        self,
        session: Session,
        key: ApiKey,
        event: str,
        by: str | None,
        secrets: Iterable[ApiSecret],
        facts: dict[str, JsonValue],
    ) -> None:
        said: dict[str, JsonValue] = {"kind": event, "key": key.id, **facts}
        if by is not None:
            said["actor"] = by
        changes = Changes(
            api_keys={key.id: key}, api_secrets={each.digest: each for each in secrets}
        )
        changes.records.append(AuditRecord(self._clock.now(), 0, said))
        session.set_mark(VERSION, (session.mark(VERSION) or 0) + 1)
        self._current.pipeline.write(session, changes)


def _check_is_new(session: Session, key_id: str, digest: bytes) -> None:
    """Refuse an id or a secret that a key has, and an id that is a secret: ids are shown."""
    ids = {each.id for each in session.scan(ApiKey)}
    digests = {each.digest for each in session.scan(ApiSecret)}
    if key_id in ids:
        raise ApiKeyError(code="id-in-use", reason=f"there is a key with the id {key_id}")
    if digest in digests:
        raise ApiKeyError(code="secret-in-use", reason="there is a key with this secret")
    if digest_of(key_id) in {*digests, digest} or digest in map(digest_of, ids):
        raise ApiKeyError(
            code="bad-id", reason="an id that is a secret, too, would be shown to all"
        )


def _new_secret(kind: KeyKind) -> str:
    return _PREFIXES[kind] + token_urlsafe(_BYTES)


def _new_id() -> str:
    return f"key_{token_hex(6)}"


def _hint(secret: str, *, adopted: bool) -> str:
    return secret[: _ADOPTED_HINT if adopted else _HINT]


def _kind(kind: str) -> KeyKind:
    try:
        return KeyKind(kind)
    except ValueError:
        reason = f"a key is of the kind {', '.join(KeyKind)}; this is {str(kind)[:40]!r}"
        raise ApiKeyError(code="bad-kind", reason=reason) from None


def _expiry(expires: datetime | timedelta | None, now: datetime) -> datetime | None:
    at = later(now, expires) if isinstance(expires, timedelta) else expires
    if at is not None and at.tzinfo is None:
        raise ApiKeyError(code="bad-expiry", reason="an expiry is an aware instant, such as in UTC")
    if at is not None and at <= now:
        raise ApiKeyError(code="bad-expiry", reason="an expiry lies in the future")
    return at


def _key(session: Session, key_id: str) -> ApiKey:
    found = next((each for each in session.scan(ApiKey) if each.id == key_id), None)
    if found is None:
        raise UnknownNameError(kind="API key", name=shown_id(key_id))
    return found


def _changed(key: ApiKey, changes: KeyChanges, now: datetime) -> ApiKey:
    if key.revoked_at is not None:
        raise ApiKeyError(code="key-revoked", reason=f"the key {key.id} is revoked")
    return replace(
        key,
        name=checked_name(changes["name"]) if "name" in changes else key.name,
        scopes=checked_scopes(key.kind, changes["scopes"]) if "scopes" in changes else key.scopes,
        origins=checked_origins(key.kind, changes["origins"])
        if "origins" in changes
        else key.origins,
        expires_at=_expiry(changes["expires"], now) if "expires" in changes else key.expires_at,
        limit=checked_limit(changes["limit"]) if "limit" in changes else key.limit,
        shadow=changes.get("shadow", key.shadow),
    )


def _facts(key: ApiKey) -> dict[str, JsonValue]:
    """What the audit log says of a key."""
    facts: dict[str, JsonValue] = {
        "key-kind": key.kind.value,
        "scopes": [*sorted(key.scopes)],
        "origins": [*key.origins],
        "expires": None if key.expires_at is None else format_instant(key.expires_at),
        "limit": None if key.limit is None else str(key.limit),
        "shadow": key.shadow,
    }
    return {name: value for name, value in facts.items() if value is not None}
