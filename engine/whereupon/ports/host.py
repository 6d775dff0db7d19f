"""What the engine needs from its host: a clock, channels that send deliveries, a transaction to share."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeAlias

from whereupon.records import Delivery


class Clock(Protocol):
    """Says what time it is."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...


Channel: TypeAlias = Callable[[Delivery], object]
"""Sends one delivery. If it raises, the delivery is tried again; `delivery.RetryLater` says when."""

NO_CHANNEL = "no-channel"
"""The reason of a held delivery: no process that looked at it had its channel."""


class HostTransaction(Protocol):
    """A connection of the host's whose open transaction a call may use.

    An SQLAlchemy ``Connection``, or one of the driver: ``sqlite3.Connection``, ``psycopg.Connection``. The
    engine calls neither method: ending the transaction is the host's affair.
    """

    def commit(self) -> object:
        """End the transaction for good."""
        ...

    def rollback(self) -> object:
        """Take the transaction back."""
        ...
