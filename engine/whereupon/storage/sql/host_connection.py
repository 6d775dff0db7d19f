"""Writing on a connection of the driver (`sqlite3`, `psycopg`) that a host lends.

Django, and hosts without an ORM, have such a connection with an open transaction. For one call,
SQLAlchemy is put over it. SQLAlchemy can then neither end the transaction nor close the connection, and
leaves nothing behind on it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import local
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine

from whereupon.errors import StoreError


class GuardedConnection:
    """A driver's connection that cannot be committed, rolled back, closed or configured.

    Args:
        driver: the connection.
        cursor: makes a cursor whose rows are tuples, whatever row factory the host has set.
    """

    def __init__(self, driver: object, cursor: Callable[[], object]) -> None:
        self._driver = driver
        self.cursor = cursor

    def __getattr__(self, name: str) -> object:
        return getattr(self._driver, name)

    def commit(self) -> None:
        """Nothing: the host ends its transaction."""

    rollback = close = commit

    def create_function(self, *_: object, **__: object) -> None:
        """Nothing: the host configures its connection."""

    add_notice_handler = create_function


class HostConnection:
    """Puts SQLAlchemy over connections that hosts lend.

    Args:
        url: a URL of that database and driver; nothing is ever connected to.
        guard: checks a driver's connection and wraps it.
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
        """The connection as SQLAlchemy sees it, for the block.

        Raises:
            StoreError: if there is no transaction on it.
        """
        self._lent.connection = self._guarded(driver)
        with self._engine.connect() as connection:
            yield connection


def no_transaction() -> StoreError:
    """The error about a connection in autocommit mode."""
    reason = "the connection that was lent has no transaction: begin one, and end it afterwards"
    return StoreError(code="no-transaction", reason=reason)


def unusable(*, why: object) -> StoreError:
    """The error about a connection that cannot be used, such as a closed one."""
    return StoreError(code="no-connection", reason=f"the connection that was lent: {why}")
