"""Statements of one transaction on PostgreSQL, many of them in one round trip.

A statement whose answer nobody waits for is sent at once, and its answer is read with the next one that is waited
for: so locks, writes and the commit wait together. Reads whose answers will be wanted soon are asked ahead. The
server runs all of them one after another, in the order in which they are given.

If one fails, the server skips those that were sent behind it. Whatever waits next raises the error.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, NamedTuple, NoReturn, TypeAlias

import psycopg
from psycopg.pq import Format
from psycopg.rows import tuple_row
from sqlalchemy import Connection

import whereupon.storage.sql.driver_cursor as driver_cursor
from whereupon.storage.sql.driver_cursor import Parameters, Rows

_KEY, _KEPT = "whereupon_round_trips", "whereupon_cursors"
_MOST_KEPT = 256
"""Cursors that a connection keeps: more than most processes have statements."""
_MOST_ROWS = 100
"""A cursor holds on to its rows, so one that had more is not kept."""


class KeptCursor(NamedTuple):
    """A cursor, and the text that it executes. For the same text, the driver need not find out again how to adapt values."""

    text: bytes
    cursor: psycopg.Cursor[Any]


KeptCursors: TypeAlias = dict[str, KeptCursor]
"""Those of a connection that nothing waits for, by their statements."""


class _Question(NamedTuple):
    """A read that is asked ahead; its answer is in the cursor once the pipeline has ended."""

    sql: str
    parameters: Parameters
    kept: KeptCursor
    pipeline: AbstractContextManager[psycopg.Pipeline] | None


class RoundTrips:
    """The statements of one transaction.

    Args:
        connection: SQLAlchemy's, on a connection of psycopg in a transaction or in autocommit mode. Else psycopg
            would wait for a BEGIN of its own.
        cursors: those that may be used again.
    """

    def __init__(self, connection: Connection, cursors: KeptCursors) -> None:
        self._connection = connection
        self._cursors = cursors
        self._used: list[tuple[str, KeptCursor]] = []
        self._driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
        self._pipeline: AbstractContextManager[psycopg.Pipeline] | None = None
        self._ahead: list[_Question] = []
        self._is_asking = False

    def send(self, sql: str, parameters: Parameters = ()) -> psycopg.Cursor[Any]:
        """Send a statement, and wait for nothing."""
        kept = self._send(sql, parameters)
        self._used.append((sql, kept))
        return kept.cursor

    def _send(self, sql: str, parameters: Parameters) -> KeptCursor:
        try:
            self._begin()
            kept = self._cursors.pop(sql, None) or KeptCursor(sql.encode(), self._new_cursor())
            kept.cursor.execute(kept.text, parameters)
        except BaseException as error:  # noqa: BLE001 - an interrupt costs the connection
            self._fail(error)
        return kept

    def _keep(self, sql: str, kept: KeptCursor) -> None:
        """Keep a cursor whose answer was read."""
        if len(self._cursors) < _MOST_KEPT and kept.cursor.rowcount <= _MOST_ROWS:
            self._cursors[sql] = kept

    def send_each(self, sql: str, rows: Sequence[Parameters]) -> psycopg.Cursor[Any]:
        """Send a statement for each row of parameters, and wait for nothing."""
        if len(rows) == 1:
            return self.send(sql, rows[0])
        try:
            self._begin()
            cursor = self._new_cursor()
            cursor.executemany(sql.encode(), rows)
        except BaseException as error:  # noqa: BLE001 - an interrupt costs the connection
            self._fail(error)
        return cursor

    def run_each(self, sql: str, rows: Sequence[Parameters]) -> int:
        """Run a statement for each row of parameters; how many rows it wrote."""
        cursor = self.send_each(sql, rows)
        self.settle()
        return cursor.rowcount

    def run(self, sql: str, parameters: Parameters) -> int:
        """Run a statement; how many rows it wrote."""
        cursor = self.send(sql, parameters)
        self.settle()
        return cursor.rowcount

    def fetch(self, sql: str, parameters: Parameters) -> Rows:
        """The rows of a read; none while reads are asked ahead."""
        asked = self._asked(sql, parameters)
        if self._is_asking:
            if asked is None:
                kept = self._send(sql, parameters)
                self._ahead.append(_Question(sql, parameters, kept, self._pipeline))
            return ()
        if asked is None:
            kept = self._send(sql, parameters)
            self.settle()
        else:
            kept = asked.kept
            self._ahead.remove(asked)
            if asked.pipeline is self._pipeline:
                self.settle()
        cursor = kept.cursor
        answer = cursor.pgresult  # the cursor's `description` would look up the type of each column
        rows: Rows = cursor.fetchall() if answer is not None and answer.nfields else ()
        self._keep(sql, kept)
        return rows

    def _asked(self, sql: str, parameters: Parameters) -> _Question | None:
        for question in self._ahead:
            if question.sql == sql and question.parameters == parameters:
                return question
        return None

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
        """COPY rows in binary form, which the driver does outside of pipelines."""
        self.settle()
        try:
            copy_rows(self._driver, sql, types, rows)
        except BaseException as error:  # noqa: BLE001 - an interrupt costs the connection
            self._fail(error)

    def settle(self) -> None:
        """Wait for everything that was sent."""
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is None:
            return
        try:
            pipeline.__exit__(None, None, None)
        except BaseException as error:  # noqa: BLE001 - an interrupt costs the connection
            self._fail(error)
        used, self._used = self._used, []
        for sql, kept in used:
            self._keep(sql, kept)

    def abandon(self) -> None:
        """End what was sent, whatever its answers are."""
        pipeline, self._pipeline = self._pipeline, None
        self._used.clear()
        if pipeline is not None:
            with suppress(psycopg.Error):
                pipeline.__exit__(None, None, None)

    def _begin(self) -> None:
        if self._pipeline is None:
            pipeline = self._driver.pipeline()
            pipeline.__enter__()
            self._pipeline = pipeline

    def _new_cursor(self) -> psycopg.Cursor[Any]:
        # A host's connection may make cursors of another class, which know no binary answers: Django's does.
        cursor = psycopg.Cursor(self._driver, row_factory=tuple_row)
        cursor.format = Format.BINARY
        return cursor

    def _fail(self, error: BaseException) -> NoReturn:
        """Raise what a statement raised, once nothing is on its way."""
        self.abandon()
        driver_cursor.raise_as_sqlalchemy(self._connection, _first(error), None, "", ())


def _first(error: BaseException) -> BaseException:
    """The error that had the server skip what was sent behind it."""
    while isinstance(error, psycopg.errors.PipelineAborted) and error.__context__ is not None:
        error = error.__context__
    return error


@contextmanager
def pipelined(connection: Connection, *, lent: bool = False) -> Iterator[None]:
    """A block in which the statements of a connection share round trips; nothing is on its way afterwards.

    A connection of ours keeps its cursors; on one that a host has lent, nothing is left behind. If anybody listens to the connection's statements, or SQLAlchemy logs them, each goes by itself through SQLAlchemy.
    """
    if driver_cursor.is_observed(connection):
        yield
        return
    info = connection.info  # of a connection that is lost one cannot ask for it
    cursors: KeptCursors = {} if lent else info.setdefault(_KEPT, {})
    trips = RoundTrips(connection, cursors)
    info[_KEY] = trips
    try:
        yield
        trips.settle()
    except BaseException:
        trips.abandon()
        raise
    finally:
        info.pop(_KEY, None)


def round_trips(connection: Connection) -> RoundTrips | None:
    """Those of a connection, within such a block."""
    found: RoundTrips | None = connection.info.get(_KEY)
    return found


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
