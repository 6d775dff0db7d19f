"""What every part of a session on a database is made with."""

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

from whereupon.messages.structs import Frozen
from whereupon.messages.times import as_micros
from whereupon.ports import DeadLetters
from whereupon.storage.sql.dialects import Database
from whereupon.storage.sql.message_names import MessageNames
from whereupon.storage.sql.queries import Queries
from whereupon.storage.sql.row_locks import RowLocks
from whereupon.storage.sql.writes import SqlWrites

LAST_KEY = 2**63 - 1
"""Behind every key, and every instant in microseconds."""

BEFORE_TIME = -(2**63)
"""Microseconds before every instant."""


class StoreState(Frozen, frozen=True):
    """Whether the store has any of what is rare at all. It is read in one statement, before anybody looks for some."""

    any_erased: bool
    any_claim_job: bool
    any_tombstone: bool
    any_pause: bool
    any_suppressed: bool


@lru_cache
def _state_of(found: tuple[Any, ...]) -> StoreState:
    return StoreState(*map(bool, found))


_NOTHING = _state_of((False,) * len(StoreState.__struct_fields__))


class SqlAccess:
    """One transaction on a database, and what is known and held in it."""

    def __init__(
        self,
        connection: Connection,
        database: Database,
        queries: Queries,
        names: MessageNames,
        writes: SqlWrites,
        locks: RowLocks | None,
        lent: bool,
    ) -> None:
        self._connection, self._database, self._queries = connection, database, queries
        self._names, self._writes = names, writes
        self._locks, self._lent = locks, lent
        self.cache = writes.cache
        self._known_state: StoreState | None = None
        self._locks_before = 0
        self._known_users: dict[int, Sequence[Any]] = {}
        self._expected: Collection[str] = ()
        self._known_messages: tuple[Collection[str], set[str]] | None = None

    def _state(self) -> StoreState:
        """The state of the store, as this transaction has read it since its last flush, and its last lock."""
        if self._known_state is not None and (
            self._locks is None or self._locks.count == self._locks_before
        ):
            return self._known_state
        state = self._queries.state.fetch(self._connection, process=self.cache.row)
        if not state:  # it is asked ahead
            return _NOTHING
        return self._noted(state[0])

    def _noted(self, state: Sequence[Any]) -> StoreState:
        """The state of the store, as a statement has read it, with something else or alone."""
        self.cache.check(state[0])
        self._known_state = noted = _state_of(tuple(state[1:]))
        if self._locks is not None:
            self._locks_before = self._locks.count
        return noted

    def _announce(self) -> None:
        """Have the commit tell other processes that there is more due work."""
        self._database.announce(self._connection, lent=self._lent)


def since_or_ever(instant: datetime | None) -> int:
    """Microseconds since the epoch; before every instant, if there is none."""
    return BEFORE_TIME if instant is None else as_micros(instant)


def bound(which: DeadLetters) -> dict[str, object]:
    """A filter on dead deliveries, as statements bind it."""
    return {
        "since": since_or_ever(which.since),
        "any_channel": int(which.channel is None),
        "channel": which.channel or "",
        "any_rule": int(which.rule is None),
        "rule": which.rule or "",
    }
