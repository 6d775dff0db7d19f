"""Statements of one transaction on PostgreSQL, many of them in one round trip.

A statement whose answer nobody waits for is sent at once, and its answer is read with the next one that is waited
for: so locks, writes and the commit wait together. Reads whose answers will be wanted soon are asked ahead. The
server runs all of them one after another, in the order in which they are given.

If one fails, the server skips those that were sent behind it. Whatever waits next raises the error.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import psycopg
from sqlalchemy import Connection
from sqlalchemy.pool import ConnectionPoolEntry

import whereupon.storage.sql.driver_cursor as driver_cursor
from whereupon.storage.sql.driver_cursor import Parameters, Rows
from whereupon.storage.sql.libpq_statements import Answer, LibpqStatements

_KEPT = "whereupon_statements"
"""Where a pooled connection keeps its statements."""
_open: dict[Connection, "RoundTrips"] = {}
"""Those of the connections that are in a block now."""


class RoundTrips:
    """The statements of one transaction.

    Args:
        connection: SQLAlchemy's, on a connection of psycopg.
        statements: the same connection's.
    """

    def __init__(self, connection: Connection, statements: LibpqStatements) -> None:
        self._connection = connection
        self._statements = statements
        self._ahead: dict[tuple[str, Parameters], Answer] = {}
        self._is_asking = False

    def send(self, sql: str, parameters: Parameters = ()) -> Answer:
        """Send a statement, and wait for nothing."""
        try:
            return self._statements.send(sql, parameters)
        except BaseException as error:  # noqa: BLE001 - an interrupt costs the connection
            self._fail(error)

    def send_each(self, sql: str, rows: Sequence[Parameters]) -> list[Answer]:
        """Send a statement for each row of parameters, and wait for nothing."""
        return [self.send(sql, row) for row in rows]

    def run_each(self, sql: str, rows: Sequence[Parameters]) -> int:
        """Run a statement for each row of parameters; how many rows it wrote."""
        answers = self.send_each(sql, rows)
        self.settle()
        return sum(answer.count for answer in answers)

    def run(self, sql: str, parameters: Parameters) -> int:
        """Run a statement; how many rows it wrote."""
        return self.run_each(sql, [parameters])

    def fetch(self, sql: str, parameters: Parameters) -> Rows:
        """The rows of a read; none while reads are asked ahead."""
        if self._is_asking:
            if (sql, parameters) not in self._ahead:
                self._ahead[sql, parameters] = self.send(sql, parameters)
            return ()
        answer = self._ahead.pop((sql, parameters), None) or self.send(sql, parameters)
        if answer.result is None:
            self.settle()
        return self._statements.rows(answer)

    def ask(self, read: Callable[[], object]) -> None:
        """Ask reads ahead, each of which finds no rows now; those who read the same later find the answers."""
        before, self._is_asking = self._is_asking, True
        try:
            read()
        finally:
            self._is_asking = before

    def forget(self) -> None:
        """Forget answers that were asked ahead: what is read from now on may differ."""
        self._ahead.clear()

    def copy(self, sql: str, types: Sequence[str], rows: Iterable[Parameters]) -> None:
        """COPY rows in binary form, which libpq does outside of pipelines."""
        self.settle()
        try:
            copy_rows(self._connection.connection.driver_connection, sql, types, rows)  # type: ignore[arg-type]
        except BaseException as error:  # noqa: BLE001 - an interrupt costs the connection
            self._fail(error)

    def settle(self) -> None:
        """Wait for everything that was sent."""
        try:
            self._statements.wait()
        except BaseException as error:  # noqa: BLE001 - an interrupt costs the connection
            self._fail(error)

    def abandon(self) -> None:
        """End what was sent, whatever its answers are."""
        self._ahead.clear()
        self._statements.abandon()

    def _fail(self, error: BaseException) -> NoReturn:
        """Raise what a statement raised, once nothing is on its way."""
        self.abandon()
        driver_cursor.raise_as_sqlalchemy(self._connection, error, None, "", ())


def begin(connection: Connection, *, lent: bool = False) -> None:
    """From now on the statements of a connection share round trips.

    A pooled connection of ours keeps its prepared statements; on one that a host has lent, nothing is left behind. If anybody listens to the connection's statements, or SQLAlchemy logs them, each goes by itself through SQLAlchemy.
    """
    if driver_cursor.is_observed(connection):
        return
    kept: LibpqStatements | None = None if lent else connection.info.get(_KEPT)
    driver: Any = connection.connection.driver_connection
    _open[connection] = RoundTrips(connection, kept or LibpqStatements(driver, prepares=False))


def end(connection: Connection) -> None:
    """Wait for what is on its way; then they share no more."""
    trips = _open.get(connection)
    if trips is not None:
        trips.settle()
        del _open[connection]


def abandon(connection: Connection) -> None:
    """The same, whatever the answers are."""
    trips = _open.pop(connection, None)
    if trips is not None:
        trips.abandon()


@contextmanager
def pipelined(connection: Connection) -> Iterator[None]:
    """A block in which the statements of a connection that a host has lent share round trips."""
    begin(connection, lent=True)
    try:
        yield
        end(connection)
    except BaseException:
        abandon(connection)
        raise


def round_trips(connection: Connection) -> RoundTrips | None:
    """Those of a connection, within such a block."""
    return _open.get(connection)


def keep_statements(driver: psycopg.Connection[Any], record: ConnectionPoolEntry) -> None:
    """Have a new connection of our own pool keep its prepared statements, which nobody else discards."""
    driver.prepare_threshold = None  # else psycopg would discard all with its own
    record.info[_KEPT] = LibpqStatements(driver, prepares=True)


def copy_rows(
    driver: psycopg.Connection[Any], sql: str, types: Sequence[str], rows: Iterable[Parameters]
) -> None:
    """Write rows by COPY in binary form.

    Args:
        sql: ends in ``FROM STDIN (FORMAT BINARY)``.
        types: of the columns, as the server calls them.
    """
    with driver.cursor() as cursor, cursor.copy(sql.encode()) as copy:
        copy.set_types(types)
        write = copy.write_row
        for row in rows:
            write(row)
