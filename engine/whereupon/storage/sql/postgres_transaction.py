"""A transaction on PostgreSQL, and the connections of ours that wait for the next one."""

import sys
from collections import deque
from collections.abc import Callable
from selectors import EVENT_READ, DefaultSelector
from typing import Any, Protocol

import psycopg
from sqlalchemy import Connection, Engine

import whereupon.storage.sql.round_trips as round_trips
from whereupon.storage.sql.driver_cursor import is_observed
from whereupon.storage.sql.postgres_errors import raise_typed

if sys.platform != "win32":
    from select import POLLIN, poll

_MOST_IDLE = 5
"""As many connections as SQLAlchemy's pool keeps; it opens more for those who need some beside these."""
_INHERITED: list[object] = []
"""Connections that a child has from its parent. They are never used, and never closed: the parent uses them."""


class IdleConnections:
    """Connections beside the pool that no transaction uses.

    To take one from SQLAlchemy's pool, and to give it back, costs a single call as much as four statements.

    Args:
        keeps: whether connections are kept here at all. Those of a host's engine belong to the host.
    """

    def __init__(self, *, keeps: bool) -> None:
        self._keeps = keeps
        self._idle: deque[Connection] = deque()

    def take(self, engine: Engine) -> Connection:
        """One that waits here, else one of the pool."""
        while (connection := self._next()) is not None:
            if is_silent(connection.connection.driver_connection):
                return connection
            connection.invalidate()
            connection.close()
        return engine.connect()

    def give(self, connection: Connection) -> None:
        """Take one back whose transaction is committed."""
        is_used = connection.in_transaction() or is_observed(connection)  # as SQLAlchemy sees it
        if self._keeps and not is_used and len(self._idle) < _MOST_IDLE:
            self._idle.append(connection)
            if not self._keeps:  # another thread has closed all others meanwhile
                self.close()
        else:
            connection.close()

    def close(self) -> None:
        """Give all back to the pool, and keep no more: a transaction may still be open."""
        self._keeps = False
        while (connection := self._next()) is not None:
            connection.close()

    def _next(self) -> Connection | None:
        """One that waits here; another thread may be first."""
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def reset_after_fork(self) -> None:
        """In a child: they belong to the parent."""
        _INHERITED.append(self._idle)
        self._idle = deque()


class Bounds(Protocol):
    """Begins a transaction, and commits it, on a connection."""

    def begin(self, connection: Connection) -> None:
        """Send what begins one."""
        ...

    def commit(self, connection: Connection) -> None:
        """Send what commits it."""
        ...


class PostgresTransaction:
    """A transaction for a block, whose statements share round trips; rolled back if the block raises.

    A generator would cost a single call more.
    """

    __slots__ = ("_bounds", "_connection", "_engine", "_idle")

    def __init__(self, bounds: Bounds, idle: IdleConnections, engine: Engine) -> None:
        self._bounds, self._idle, self._engine = bounds, idle, engine
        self._connection: Connection

    def __enter__(self) -> Connection:
        try:
            self._connection = connection = self._idle.take(self._engine)
        except BaseException as error:
            raise_typed(error)
            raise
        self._or_roll_back(self._begin)
        return connection

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            self._or_roll_back(self._commit)
            self._idle.give(self._connection)
        else:
            self._roll_back()
            raise_typed(error)

    def _begin(self) -> None:
        if is_observed(self._connection):
            leave_transactions(self._connection)
        round_trips.begin(self._connection)
        self._bounds.begin(self._connection)

    def _commit(self) -> None:
        self._bounds.commit(self._connection)
        round_trips.end(self._connection)

    def _or_roll_back(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._roll_back()
            raise_typed(error)
            raise

    def _roll_back(self) -> None:
        """By giving the connection back to its pool, which rolls back what is open."""
        try:
            round_trips.abandon(self._connection)
        finally:
            self._connection.close()


def leave_transactions(connection: Connection) -> None:
    """Have the driver begin no transaction before its own statements: it would wait for the answer."""
    connection.execution_options(isolation_level="AUTOCOMMIT")


def is_silent(driver: Any) -> bool:
    """Whether an idle connection is open, and the server has not said that it closes it.

    To look at the socket costs nothing, where a statement would be a round trip.
    """
    connection: psycopg.Connection[Any] = driver
    return not connection.closed and not _can_be_read(connection.fileno())


if sys.platform != "win32":

    def _can_be_read(socket: int) -> bool:
        looked = poll()
        looked.register(socket, POLLIN)
        return bool(looked.poll(0))

else:

    def _can_be_read(socket: int) -> bool:
        with DefaultSelector() as selector:
            selector.register(socket, EVENT_READ)
            return bool(selector.select(0))
