"""API keys as a process knows them: all of them, read again as soon as one has changed.

A secret is looked up in memory, so that neither a known key nor a stranger's guess costs a query. What is kept is what
the store has, so guesses do not fill the memory. A number in the store says whether a key has changed.
"""

import logging
from collections.abc import Callable, Mapping
from threading import Lock
from time import monotonic
from typing import NamedTuple

from whereupon.errors import StoreError
from whereupon.ports import Store
from whereupon.records import ApiKey, ApiSecret
from whereupon.runtime.forks import ForkAware, watch_forks
from whereupon.runtime.log_lines import log_event

VERSION = "api-keys"
"""The mark of the store that counts the changes of keys."""

FRESH = 2.0
"""Seconds for which nobody asks whether a key has changed."""
FRESH_FOR_UNKNOWN = 0.1
"""The same after a secret that is not known: its key may have been made just now, by another process."""
_FRESH_ENOUGH = 5.0
"""Seconds for which what is known is used while another thread asks."""
GRACE = 600.0
"""Seconds for which known keys go on while the store is away."""
_RETRY = 1.0
"""Seconds that one thread waits for another that asks, and between two attempts that fail."""

_NEVER = float("-inf")
_LOG = logging.getLogger("whereupon.keys")


class KnownKeys(NamedTuple):
    """Every key by the digests of its secrets, as the store had them at a time of the process's own."""

    version: int | None
    by_digest: Mapping[bytes, tuple[ApiKey, ApiSecret]]
    read_at: float


class KeyCache(ForkAware):
    """The keys of a store.

    Args:
        store: where they are.
        ticks: seconds that never go back.
    """

    def __init__(self, store: Store, ticks: Callable[[], float] = monotonic) -> None:
        self._store = store
        self._ticks = ticks
        self._known = KnownKeys(None, {}, _NEVER)
        self._failure: StoreError | None = None
        self._reset()
        watch_forks(self)

    def after_fork_in_child(self) -> None:
        """Go on with what is known; nobody asks in this process yet."""
        self._reset()

    def _reset(self) -> None:
        self._asking = Lock()
        self._asked_at: float | None = None
        self._again_at = _NEVER

    def find(self, digest: bytes) -> tuple[ApiKey, ApiSecret] | None:
        """The key with a secret, by the secret's digest; None if there is none.

        Raises:
            StoreError: the store is away, and the key is not known, or was read more than `GRACE` seconds ago.
        """
        began = self._ticks()
        known, longest = self._refreshed(FRESH, wait=False), GRACE
        if digest not in known.by_digest:
            known, longest = self._refreshed(FRESH_FOR_UNKNOWN, wait=True), FRESH_FOR_UNKNOWN
        found = known.by_digest.get(digest)
        if began - known.read_at >= (longest if found is None else GRACE):
            raise self._away()
        return found

    def forget(self) -> None:
        """Ask before the next answer, since this process has changed a key."""
        has_turn = self._asking.acquire(timeout=_RETRY)
        try:
            old = self._ticks() - _FRESH_ENOUGH
            self._known = self._known._replace(read_at=min(self._known.read_at, old))
            self._again_at = _NEVER
        finally:
            if has_turn:
                self._asking.release()

    def _refreshed(self, age: float, *, wait: bool) -> KnownKeys:
        """What is known, read within so many seconds if the store answers."""
        known, now = self._known, self._ticks()
        if now - known.read_at < age:
            return known
        seconds = 0.0
        if wait or now - known.read_at >= _FRESH_ENOUGH:
            asked_at = self._asked_at
            seconds = _RETRY if asked_at is None else max(0.0, asked_at + _RETRY - now)
        if self._asking.acquire(timeout=seconds):
            try:
                self._ask(age)
            finally:
                self._asking.release()
        return self._known

    def _ask(self, age: float) -> None:
        now = self._ticks()
        if now - self._known.read_at < age or now < self._again_at:
            return
        self._asked_at = now
        try:
            self._known = self._read(self._known, now)
            self._failure = None
        except StoreError as error:
            if self._failure is None:
                log_event(_LOG, logging.WARNING, "keys-unread", code=error.code)
            self._failure = error
            self._again_at = self._ticks() + _RETRY
        finally:
            self._asked_at = None

    def _read(self, known: KnownKeys, now: float) -> KnownKeys:
        with self._store.reading() as session:
            version = session.mark(VERSION) or 0
            if version == known.version:
                return known._replace(read_at=now)
            keys = {key.id: key for key in session.scan(ApiKey)}
            secrets = [each for each in session.scan(ApiSecret) if each.key_id in keys]
        by_digest = {each.digest: (keys[each.key_id], each) for each in secrets}
        return KnownKeys(version, by_digest, now)

    def _away(self) -> StoreError:
        failure = self._failure
        if failure is None:
            return StoreError(code="busy", reason="the API keys are still being read")
        return StoreError(code=failure.code, reason=failure.reason)
