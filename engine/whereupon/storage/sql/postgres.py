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
from sqlalchemy.exc import DisconnectionError

from whereupon.ports import Watch
from whereupon.storage.deadline import Deadline
from whereupon.storage.sql.base import Base
from whereupon.storage.sql.dialects import PATIENCE, Database, Statement
from whereupon.storage.sql.host_connection import (
    GuardedConnection,
    HostConnection,
    no_transaction,
    unusable,
)
from whereupon.storage.sql.notifications import NOTIFY, NotificationListener
from whereupon.storage.sql.postgres_errors import failed_transaction, typed_errors
from whereupon.storage.sql.postgres_statements import (
    ArraysStatement,
    CopiedStatement,
    PostgresStatement,
    array,
    array_of,
)
from whereupon.storage.sql.postgres_transaction import (
    IdleConnections,
    PostgresTransaction,
    is_silent,
    leave_transactions,
)
from whereupon.storage.sql.prefilter import PostgresPrefilterClauses
from whereupon.storage.sql.round_trips import keep_statements, pipelined, round_trips
from whereupon.storage.sql.schema_location import SchemaLocation

DRIVER = "postgresql+psycopg"
_TABLE = re.compile(r"\b(FROM|JOIN|INTO|UPDATE)\s+(whereupon_\w+)")
_SCHEMA_LOCK = 0x77686572  # "wher", in our tables' name
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
        keeps_connections: see `IdleConnections`.
    """

    one_writer = False
    announces = True
    asks_ahead = True
    file = "postgres"
    placeholder = "%s"
    prefilters = PostgresPrefilterClauses()

    def __init__(
        self,
        *,
        patience: float = PATIENCE,
        schema: str | None = None,
        keeps_connections: bool = False,
    ) -> None:
        super().__init__(PGDialect_psycopg(paramstyle="format"))  # type: ignore[no-untyped-call]
        self._origin = token_hex(8)
        self._patience = patience
        self._schema = SchemaLocation.of(schema)
        self._settings = PostgresStatement(_LIMIT + self._schema.setting, ("limit",), {})
        self._idle = IdleConnections(keeps=keeps_connections)

    def session(self, engine: Engine) -> PostgresTransaction:
        """Waits for locks of others until the deadline; statements share round trips."""
        return PostgresTransaction(self, self._idle, engine)

    @contextmanager
    def schema_session(self, engine: Engine) -> Iterator[Connection]:
        """Likewise, without sharing round trips: SQLAlchemy reads each answer at once."""
        with typed_errors(), engine.connect() as connection:
            leave_transactions(connection)
            with connection.begin():
                self.begin(connection)
                yield connection
                self.commit(connection)

    def begin(self, connection: Connection) -> None:
        """Begin a transaction that waits for locks until the deadline, and finds our tables."""
        left = Deadline(self._patience).left
        _BEGIN.send(connection)
        self._settings.send(connection, limit=_milliseconds(left))

    def commit(self, connection: Connection) -> None:
        """Commit it."""
        _COMMIT.send(connection)

    def close_idle(self) -> None:
        """Give connections back to the pool."""
        self._idle.close()

    def reset_after_fork(self) -> None:
        """A child's notifications and connections are not the parent's own."""
        self._origin = token_hex(8)
        self._idle.reset_after_fork()

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
        with typed_errors(), connection.begin_nested(), self._schema.within(connection):
            asked = "SELECT current_setting('lock_timeout')"
            before = connection.exec_driver_sql(asked).scalar_one()
            self.limit_waiting(connection, deadline.left)
            with pipelined(connection):
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
        """As arrays, or by COPY, if there are several rows."""
        name, one = self._schema.qualified(table.name), self.statement(sql).sql
        return CopiedStatement(name, table, one, self._insert_arrays(table))

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
        many = f"{self._insert_arrays(table)} {otherwise}"
        keys = [place for place, column in enumerate(table.c) if column.primary_key]
        return ArraysStatement(one, many, itemgetter(*keys))

    def _insert_arrays(self, table: Table) -> str:
        columns = ", ".join(f'"{column.name}"' for column in table.c)
        place = self._schema.qualified(table.name)
        return f"INSERT INTO {place} ({columns}) SELECT * FROM {_given([*table.c])}"  # noqa: S608 - our own names

    def scrub(self, engine: Engine) -> bool:
        """Have the server remove dead rows from the pages of our tables; readers and writers go on.

        Rows that an older transaction may still see stay. The write-ahead log, and the bytes of free space until
        something is written there, are the server's own (see engine/docs/deletions.md).
        """
        with engine.connect() as connection:
            leave_transactions(connection)
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
        raise failed_transaction()
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
    """Have the pool replace an idle connection that the server has closed."""
    if not is_silent(driver):
        raise DisconnectionError
