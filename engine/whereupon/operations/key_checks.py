"""Whose a secret is, and whether it is good: from memory, without a query.

Who a key is for, and what it may do, is decided by who asks.
"""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from time import monotonic
from typing import NamedTuple

from whereupon.operations.key_cache import KeyCache
from whereupon.operations.key_fields import LONGEST_SECRET
from whereupon.operations.key_uses import KeyUses
from whereupon.ports import Clock, Store
from whereupon.records import ApiKey, ApiSecret, KeyState
from whereupon.storage import closed

_CLOSING = 2.0
"""The most seconds that the last write of uses may take."""


class KeyRefusal(StrEnum):
    """Why a secret is not good."""

    UNKNOWN = "unknown-key"
    EXPIRED = "expired-key"
    REVOKED = "revoked-key"
    REPLACED = "replaced-secret"


class KeyCheck(NamedTuple):
    """What is known of a secret: its key, if it has one, and why it is not good; None if it is."""

    key: ApiKey | None
    refusal: KeyRefusal | None


_UNKNOWN = KeyCheck(None, KeyRefusal.UNKNOWN)


class KeyChecks:
    """The calls that check secrets.

    Args:
        ticks: seconds that never go back.
    """

    def __init__(self, store: Store, clock: Clock, ticks: Callable[[], float] = monotonic) -> None:
        self._store = store
        self._clock = clock
        self._cache = KeyCache(store, ticks)
        self._uses = KeyUses(store)
        self._is_closed = False

    def verify(self, secret: str) -> ApiKey | None:
        """The key with a secret, if it is good, and note its use.

        Raises:
            StoreError: as with `check`.
        """
        check = self.check(secret)
        return check.key if check.refusal is None else None

    def check(self, secret: str) -> KeyCheck:
        """Find out whose a secret is and whether it is good; if it is, its use is noted.

        It is answered from memory. The store is asked at most every two seconds whether a key has changed, and at
        most ten times a second because of secrets that are not known. While the store is away, keys that are known
        stay good for ten minutes.

        Args:
            secret: as the caller sent it.

        Raises:
            StoreError: the store is away, and the secret is not known; or the engine is closed.
        """
        check, is_replaced = self._found(secret)
        if check.key is not None and check.refusal is None:
            self._uses.note(check.key.id, self._clock.now(), replaced=is_replaced)
        return check

    def identify(self, secret: str) -> KeyCheck:
        """As `check`, for people who look: it is no use of the key."""
        return self._found(secret)[0]

    def _found(self, secret: str) -> tuple[KeyCheck, bool]:
        """What is known of a secret, and whether its key has a newer one."""
        if self._is_closed:
            raise closed()
        if not 0 < len(secret) <= LONGEST_SECRET:
            return _UNKNOWN, False
        found = self._cache.find(digest_of(secret))
        if found is None:
            return _UNKNOWN, False
        key, kept = found
        return KeyCheck(key, _refusal(key, kept, self._clock.now())), kept.ends_at is not None

    def write_uses(self) -> None:
        """Write down now when keys were used last, which otherwise happens soon afterwards in a thread."""
        self._uses.write()

    def close(self) -> None:
        """Write down when keys were used last; later checks raise a `StoreError` with the code ``closed``."""
        self._is_closed = True
        self._uses.write(_CLOSING)


def digest_of(secret: str) -> bytes:
    """The SHA-256 of a secret."""
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _refusal(key: ApiKey, secret: ApiSecret, now: datetime) -> KeyRefusal | None:
    match key.state(now):
        case KeyState.REVOKED:
            return KeyRefusal.REVOKED
        case KeyState.EXPIRED:
            return KeyRefusal.EXPIRED
    is_over = secret.ends_at is not None and secret.ends_at <= now
    return KeyRefusal.REPLACED if is_over else None
