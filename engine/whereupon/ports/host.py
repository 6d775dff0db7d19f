"""What a host lends for one call."""

from typing import Protocol


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
