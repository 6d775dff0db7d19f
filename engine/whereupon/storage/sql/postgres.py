"""PostgreSQL: many writers, which lock the rows that they decide about and write in one order.

Needs psycopg 3 (``pip install 'whereupon[postgres]'``). Transactions are READ COMMITTED: each statement
sees what others have committed. So rows are read again after they are locked, and then stay as they are.

A text of PostgreSQL cannot hold the character NUL. Messages keep it in their properties, and JSON keeps it
escaped. Ids with a NUL are refused before they get here. In other texts (tokens, ids of objects, errors of
channels) it is kept as U+2400.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from operator import itemgetter
from secrets import token_hex
from selectors import EVENT_READ, DefaultSelector
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Table,
    create_engine,
    event,
)
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from whereupon.errors import StoreError
from whereupon.ports import Watch
from whereupon.storage.deadline import Deadline, busy
from whereupon.storage.sql.base import Base
from whereupon.storage.sql.dialects import PATIENCE, Database, Statement
from whereupon.storage.sql.driver_cursor import is_observed
from whereupon.storage.sql.grants import NO_GRANT, no_grant
from whereupon.storage.sql.host_connection import (
    GuardedConnection,
    HostConnection,
    no_transaction,
    unusable,
)
from whereupon.storage.sql.notifications import NOTIFY, NotificationListener
from whereupon.storage.sql.postgres_statements import (
    ArraysStatement,
    CopiedStatement,
    PostgresStatement,
    array,
    array_of,
)
from whereupon.storage.sql.prefilter import PostgresPrefilterClauses
from whereupon.storage.sql.round_trips import keep_statements, pipelined, round_trips
from whereupon.storage.sql.schema_location import SchemaLocation
from whereupon.storage.sql.transaction_retry import LostRaceError

DRIVER = "postgresql+psycopg"
_TABLE = re.compile(r"\b(FROM|JOIN|INTO|UPDATE)\s+(whereupon_\w+)")
_SCHEMA_LOCK = 0x77686572  # "wher", in our tables' name
_LOST = {"23505", "40001", "40P01"}  # unique_violation, serialization_failure, deadlock_detected
_DISCARDED = "26000"  # invalid_sql_statement_name
_AWAY = {"57P01", "57P02", "57P03"}  # the server is shut down, has crashed, or is starting
_CODES = {
    "53100": ("full", "there is no room left for the database: make room"),
    "25006": ("read-only", "the database may not be written: is this a standby?"),
    "25P01": ("no-transaction", "the connection that was lent has no transaction: begin one"),
    "25P02": ("no-transaction", "the transaction that was lent has failed: roll it back"),
    "3F000": ("no-schema", "there is no schema for our tables that this role may use"),
    "42P01": ("no-tables", "our tables are not there any more: was the database replaced?"),
}
_LOCK_TIMEOUT = "55P03"  # lock_not_available
_LIMIT = "SELECT set_config('lock_timeout', %s, true)"
_WAITING = PostgresStatement(_LIMIT, ("limit",), {})
_BEGIN = PostgresStatement("BEGIN ISOLATION LEVEL READ COMMITTED", (), {})
_COMMIT = PostgresStatement("COMMIT", (), {})
_NOTIFY = PostgresStatement(NOTIFY, ("origin",), {})


class Postgres(Database):
    """The statements and transactions of PostgreSQL.

    Args:
        patience: seconds that a call waits for others.
        schema: where our tables are; by default where the connection's ``search_path`` finds them.
    """

    one_writer = False
    announces = True
    file = "postgres"
    placeholder = "%s"
    prefilters = PostgresPrefilterClauses()

    def __init__(self, *, patience: float = PATIENCE, schema: str | None = None) -> None:
        super().__init__(PGDialect_psycopg(paramstyle="format"))  # type: ignore[no-untyped-call]
        self._origin = token_hex(8)
        self._patience = patience
        self._schema = SchemaLocation.of(schema)

    @contextmanager
    def session(self, engine: Engine) -> Iterator[Connection]:
        """Waits for locks of others until the deadline; statements share round trips."""
        with _typed_errors(), engine.connect() as connection:
            if is_observed(connection):
                _leave_transactions(connection)
            with pipelined(connection), self._begun(connection):
                yield connection

    @contextmanager
    def schema_session(self, engine: Engine) -> Iterator[Connection]:
        """Likewise, without sharing round trips: SQLAlchemy reads each answer at once."""
        with _typed_errors(), engine.connect() as connection:
            _leave_transactions(connection)
            with connection.begin(), self._begun(connection):
                yield connection

    @contextmanager
    def _begun(self, connection: Connection) -> Iterator[None]:
        deadline = Deadline(self._patience)
        limit = PostgresStatement(_LIMIT + self._schema.setting, ("limit",), {})
        _BEGIN.send(connection)
        limit.send(connection, limit=_milliseconds(deadline.left))
        yield
        _COMMIT.send(connection)

    def reset_after_fork(self) -> None:
        """A child's notifications are not the parent's own."""
        self._origin = token_hex(8)

    def limit_waiting(self, connection: Connection, seconds: float) -> None:
        """By the timeout of locks, which counts for each statement."""
        _WAITING.send(connection, limit=_milliseconds(seconds))

    @property
    def driver(self) -> type[psycopg.Connection[Any]]:
        """Of psycopg 3."""
        return psycopg.Connection

    def host_connections(self) -> HostConnection:
        """A transaction begins with the first statement, unless the host has turned that off."""
        return HostConnection(f"{DRIVER}://", _guarded, use_native_hstore=False)

    @contextmanager
    def lent(self, connection: Connection) -> Iterator[None]:
        """A savepoint; the host's settings are restored afterwards.

        Raises:
            StoreError: with the code ``other-schema``, if the connection finds other tables than ours.
        """
        deadline = Deadline(self._patience)
        with _typed_errors(), connection.begin_nested(), self._schema.within(connection):
            asked = "SELECT current_setting('lock_timeout')"
            before = connection.exec_driver_sql(asked).scalar_one()
            self.limit_waiting(connection, deadline.left)
            with pipelined(connection, lent=True):
                yield
            connection.exec_driver_sql(_LIMIT, (before,))

    def ask(self, connection: Connection, read: Callable[[], object]) -> None:
        """In the next round trip."""
        trips = round_trips(connection)
        if trips is not None:
            trips.ask(read)

    def forget(self, connection: Connection) -> None:
        """What was asked before a lock is asked again behind it."""
        trips = round_trips(connection)
        if trips is not None:
            trips.forget()

    def lock_schema(self, connection: Connection) -> None:
        """By an advisory lock until the end of the transaction."""
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_SCHEMA_LOCK,))

    def schema_sql(self, *, make: bool) -> list[str]:
        """If a schema is named."""
        return self._schema.sql(make=make)

    def make_schema(self, connection: Connection) -> None:
        """If a schema is named that does not exist."""
        self._schema.make(connection)

    def note_schema(self, connection: Connection) -> None:
        """As a connection of ours finds them."""
        self._schema.note(connection)

    def rewritten(self, sql: str) -> str:
        """As it is, but a percent sign begins a parameter of the driver."""
        return sql.replace("%", "%%")

    def _statement(self, sql: str, names: Sequence[str], fixed: Mapping[str, object]) -> Statement:
        return PostgresStatement(_TABLE.sub(self._qualified, sql), names, fixed)

    def _qualified(self, found: re.Match[str]) -> str:
        return f"{found[1]} {self._schema.qualified(found[2])}"

    def insert(self, table: Table, sql: str) -> Statement:
        """By COPY, if there are several rows."""
        return CopiedStatement(self._schema.qualified(table.name), table, self.statement(sql).sql)

    def change(self, table: Table, names: Sequence[str], *, only: str | None = None) -> Statement:
        """In one statement for all rows; one statement a row would be a round trip each."""
        one = super().change(table, names, only=only).sql
        given = [*names, "key"]
        changed = ", ".join(f"{name} = given.{name}" for name in names)
        kept = "" if only is None else f" AND {table}.state = '{only}'"
        many = (
            f"UPDATE {self._schema.qualified(table.name)} SET {changed} "  # noqa: S608 - our own names
            f"FROM {_given([table.c[name] for name in given])} AS given ({', '.join(given)}) "
            f"WHERE {table}.key = given.key{kept}"
        )
        return ArraysStatement(one, many, itemgetter(-1))

    def put(self, table: Table, insert: str, otherwise: str) -> Statement:
        """In one statement for all rows, likewise."""
        one = super().put(table, insert, otherwise).sql
        columns = ", ".join(f'"{column.name}"' for column in table.c)
        many = (
            f"INSERT INTO {self._schema.qualified(table.name)} ({columns}) "  # noqa: S608 - our own names
            f"SELECT * FROM {_given([*table.c])} {otherwise}"
        )
        keys = [place for place, column in enumerate(table.c) if column.primary_key]
        return ArraysStatement(one, many, itemgetter(*keys))

    def scrub(self, engine: Engine) -> bool:
        """Have the server remove dead rows from the pages of our tables; readers and writers go on.

        Rows that an older transaction may still see stay. The write-ahead log, and the bytes of free space until
        something is written there, are the server's own (see engine/docs/deletions.md).
        """
        with engine.connect() as connection:
            _leave_transactions(connection)
            connection.exec_driver_sql("SET lock_timeout = '1s'")
            for table in Base.metadata.sorted_tables:
                connection.exec_driver_sql(
                    f"VACUUM (SKIP_LOCKED) {self._schema.qualified(table.name)}"
                )
            connection.exec_driver_sql("RESET lock_timeout")
        return True

    def watch(self, engine: Engine, changed: Callable[[], object]) -> Watch | None:
        """By notifications."""
        return NotificationListener(engine, self._origin, changed)

    def announce(self, connection: Connection, *, lent: bool) -> None:
        """By a notification that the commit sends. This process hears it, too, if a host commits."""
        _NOTIFY.send(connection, origin="" if lent else self._origin)

    def members(self, values: Collection[int] | Collection[str]) -> object:
        """An array."""
        return array([*values])

    def rows(self, numbers: Collection[tuple[int, ...]]) -> object:
        """An array of arrays."""
        return f"{{{','.join([array(row) for row in numbers])}}}"


def _given(columns: Sequence[Column[Any]]) -> str:
    """Rows whose columns are bound as arrays."""
    return f"unnest({', '.join(f'CAST(%s AS {array_of(column)})' for column in columns)})"


def _milliseconds(seconds: float) -> str:
    """As a timeout of the server, for which zero would mean no timeout."""
    return f"{max(1, int(seconds * 1000))}ms"


def _guarded(driver: psycopg.Connection[Any]) -> GuardedConnection:
    if driver.closed:
        raise unusable(why="it is closed")
    status = driver.info.transaction_status
    if status is TransactionStatus.INERROR:
        code, reason = _CODES["25P02"]
        raise StoreError(code=code, reason=reason)
    if driver.autocommit and status is TransactionStatus.IDLE:
        raise no_transaction()
    return GuardedConnection(driver, partial(driver.cursor, row_factory=tuple_row))


def open_engine(url: URL, *, patience: float = PATIENCE) -> Engine:
    """An engine of the store's own. A connection that the server has closed is replaced."""
    engine = create_engine(url, pool_timeout=patience, hide_parameters=True)
    event.listen(engine, "connect", keep_statements)
    event.listen(engine, "checkout", _check_open)
    return engine


def _check_open(driver: psycopg.Connection[Any], *_: object) -> None:
    """Have the pool replace an idle connection on which the server has said something: that it is closed.

    To look at the socket costs nothing, where a statement would be a round trip.
    """
    if driver.closed:
        raise DisconnectionError
    with DefaultSelector() as selector:
        selector.register(driver.fileno(), EVENT_READ)
        if selector.select(0):
            raise DisconnectionError


def _leave_transactions(connection: Connection) -> None:
    """Have the driver begin no transaction before its own statements: it would wait for the answer."""
    connection.execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def _typed_errors() -> Iterator[None]:
    """Raise errors of the database as a `StoreError`, if the caller can do something about them."""
    try:
        yield
    except NoConnectionError as error:
        reason = "every connection of the engine's pool is in use"
        raise StoreError(code="busy", reason=reason) from error
    except DBAPIError as error:
        typed = _typed(error.orig, unreachable=error.connection_invalidated)
        if typed is None:
            raise
        raise typed from error
    except psycopg.Error as error:  # from a COPY, which SQLAlchemy knows nothing of
        typed = _typed(error)
        if typed is None:
            raise
        raise typed from error
    except UnicodeEncodeError as error:
        raise _bad_text() from error


def _typed(said: BaseException | None, *, unreachable: bool = False) -> StoreError | None:
    state = getattr(said, "sqlstate", None)
    if state in _LOST:
        return LostRaceError(reason=f"somebody was first: {said}")
    if state == _DISCARDED:
        return LostRaceError(reason=f"somebody has discarded what was prepared: {said}")
    if state == _LOCK_TIMEOUT:
        return busy()
    if state == NO_GRANT:
        return no_grant(said)
    if state in _CODES:
        code, reason = _CODES[state]
        return StoreError(code=code, reason=f"{reason} ({said})")
    if (
        unreachable
        or state in _AWAY
        or (isinstance(said, psycopg.OperationalError) and state is None)
    ):
        return StoreError(code="unreachable", reason=f"the database cannot be reached: {said}")
    if isinstance(said, psycopg.DataError) and "NUL" in str(said):
        return _bad_text()
    return None


def _bad_text() -> StoreError:
    """The error about text that no column of PostgreSQL can hold."""
    reason = "a text holds the character NUL or half a character, which the database cannot keep"
    return StoreError(code="bad-text", reason=reason)
