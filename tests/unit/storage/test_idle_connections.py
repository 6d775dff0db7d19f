"""Connections beside the pool: taken again, and none is left open behind a close."""

from collections import deque

from sqlalchemy import Connection, create_engine
from typing_extensions import override

from whereupon.storage.sql.postgres_transaction import IdleConnections


class _Raced(deque[Connection]):
    """What waits, and another thread closes all just before one more is added."""

    def __init__(self, idle: IdleConnections) -> None:
        super().__init__()
        self._of = idle

    @override
    def append(self, connection: Connection, /) -> None:
        self._of.close()
        super().append(connection)


def _connection() -> Connection:
    return create_engine("sqlite://").connect()


def test_one_that_was_given_back_waits_open_until_all_are_closed() -> None:
    """It is closed then, and so is one that comes behind."""
    idle, first, second = IdleConnections(keeps=True), _connection(), _connection()
    idle.give(first)
    assert not first.closed
    idle.close()
    idle.give(second)
    assert first.closed
    assert second.closed


def test_one_that_is_given_back_while_all_are_closed_ends_closed() -> None:
    """The store is closed by one thread while another one ends its transaction."""
    idle, connection = IdleConnections(keeps=True), _connection()
    vars(idle)["_idle"] = _Raced(idle)
    idle.give(connection)
    assert connection.closed


def test_those_of_a_host_are_never_kept() -> None:
    """They belong to its pool."""
    idle, connection = IdleConnections(keeps=False), _connection()
    idle.give(connection)
    assert connection.closed
