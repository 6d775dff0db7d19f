"""When API keys were used last: noted in memory, and written by a thread of its own, once a minute a key.

No request waits for it. What a process that is killed has not written is lost: at most a minute of uses.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Lock, Thread
from typing import TypeAlias

from whereupon.errors import StoreError
from whereupon.ports import Session, Store
from whereupon.records import ApiKey, Changes
from whereupon.runtime.forks import ForkAware, watch_forks
from whereupon.runtime.log_lines import log_event

STEP = timedelta(minutes=1)
"""The least time between two writes of one key."""

_Use: TypeAlias = tuple[str, bool]
"""The id of a key, and whether a secret was used that has been replaced."""
_LOG = logging.getLogger("whereupon.keys")


class KeyUses(ForkAware):
    """The last uses of the keys of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._noted: dict[_Use, datetime] = {}
        self._reset()
        watch_forks(self)

    def after_fork_in_child(self) -> None:
        """The parent writes what it has noted, and its thread is not here."""
        self._reset()

    def _reset(self) -> None:
        self._lock = Lock()
        self._waiting: dict[_Use, datetime] = {}
        self._thread: Thread | None = None

    def note(self, key_id: str, now: datetime, *, replaced: bool) -> None:
        """Note that a key is used now."""
        use = (key_id, replaced)
        last = self._noted.get(use)
        if last is not None and timedelta() <= now - last < STEP:
            return
        with self._lock:
            self._noted[use] = self._waiting[use] = now
            self._begin()

    def write(self, timeout: float | None = None) -> None:
        """Write what is noted now, and wait until that is done; what cannot be written stays noted.

        Args:
            timeout: the most seconds to wait; None for ever.
        """
        with self._lock:
            if self._waiting:
                self._begin()
            thread = self._thread
        if thread is not None:
            thread.join(timeout)

    def _begin(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            thread = Thread(target=self._run, name="whereupon-key-uses", daemon=True)
            with suppress(RuntimeError):  # the process ends, or has no room for a thread
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        while uses := self._taken():
            try:
                self._store.transact(_writing(uses))
            except StoreError as error:
                log_event(_LOG, logging.WARNING, "key-uses-unwritten", code=error.code)
                self._put_back(uses)
                return

    def _taken(self) -> dict[_Use, datetime]:
        """What is to be written. Where there is nothing, the thread ends, and the next note begins another."""
        with self._lock:
            uses, self._waiting = self._waiting, {}
            if not uses:
                self._thread = None
            return uses

    def _put_back(self, uses: dict[_Use, datetime]) -> None:
        with self._lock:
            self._waiting = {**uses, **self._waiting}
            for use in uses:  # so that the next use tries again
                self._noted.pop(use, None)
            self._thread = None


def _writing(uses: dict[_Use, datetime]) -> Callable[[Session], None]:
    def work(session: Session) -> None:
        session.lock_requests()  # as who changes a key does, so that neither undoes the other's write
        keys = {key.id: key for key in session.scan(ApiKey)}
        used = {key_id: _used(keys[key_id], uses) for key_id, _ in uses if key_id in keys}
        session.flush(Changes(api_keys={i: key for i, key in used.items() if key != keys[i]}))

    return work


def _used(key: ApiKey, uses: dict[_Use, datetime]) -> ApiKey:
    replaced = _later(key.replaced_used_at, uses.get((key.id, True)))
    last = _later(_later(key.last_used_at, uses.get((key.id, False))), replaced)
    return replace(key, last_used_at=last, replaced_used_at=replaced)


def _later(known: datetime | None, used: datetime | None) -> datetime | None:
    """The later one, where it is later by a step."""
    return known if used is None or (known is not None and used - known < STEP) else used
