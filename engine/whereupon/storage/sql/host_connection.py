"""Writing on a connection of the driver's own (`sqlite3`, `psycopg`) that a host lends.

Django, or a host that uses no ORM, has such a connection and a transaction on it. SQLAlchemy is put
over it for as long as a call of ours lasts, without the power to end the transaction or to close the
connection, and without leaving anything behind on it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import local
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine

from whereupon.errors import StoreError


class GuardedConnection:
    """A driver's connection that cannot be committed, rolled back, closed or set up anew.

    Args:
        driver: the connection.
        cursor: makes a cursor whose rows are tuples, whatever the host has set.
    """

    def __init__(self, driver: object, cursor: Callable[[], object]) -> None:
        self._driver = driver
        self.cursor = cursor

    def __getattr__(self, name: str) -> object:
        return getattr(self._driver, name)

    def commit(self) -> None:
        """Nothing: that is the host's to do."""

    rollback = close = commit

    def create_function(self, *_: object, **__: object) -> None:
        """Nothing: the functions of the connection are the host's."""

    add_notice_handler = create_function


class HostConnection:
    """Puts SQLAlchemy over connections that are lent.

    Args:
        url: of a database of that kind and driver; nothing is ever connected to.
        guard: checks a driver's connection and takes its powers away.
        options: for `create_engine`.
    """

    def __init__(
        self, url: str, guard: Callable[[Any], GuardedConnection], **options: object
    ) -> None:
        self._guarded = guard
        self._lent = local()
        self._engine: Engine = create_engine(
            url,
            creator=lambda: self._lent.connection,
            poolclass=NullPool,
            pool_reset_on_return=None,
            **options,
        )

    @contextmanager
    def connection(self, driver: object) -> Iterator[Connection]:
        """SQLAlchemy's view of the connection, for the block.

        Raises:
            StoreError: there is no transaction on it to take part in.
        """
        self._lent.connection = self._guarded(driver)
        with self._engine.connect() as connection:
            yield connection


def no_transaction() -> StoreError:
    """The error about a connection on which every statement is committed by itself."""
    reason = "the connection that was lent has no transaction: begin one, and end it afterwards"
    return StoreError(code="no-transaction", reason=reason)


def unusable(*, why: object) -> StoreError:
    """The error about a connection that can do nothing, such as a closed one."""
    return StoreError(code="no-connection", reason=f"the connection that was lent: {why}")
