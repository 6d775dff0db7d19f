"""SQLite: one writer at a time, a write-ahead log, and commits that are on the disk when they return."""

import re
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import (
    Connection,
    Engine,
    StaticPool,
    Table,
    create_engine,
    event,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError

import whereupon.storage.sql.driver_cursor as driver_cursor
from whereupon.errors import StoreError
from whereupon.messages.codec import encode
from whereupon.ports import Watch
from whereupon.storage.deadline import Deadline, busy
from whereupon.storage.sql.dialects import PATIENCE, Database, Statement
from whereupon.storage.sql.file_queue import FileQueue
from whereupon.storage.sql.host_connection import (
    GuardedConnection,
    HostConnection,
    no_transaction,
    unusable,
)
from whereupon.storage.sql.listed_values import (
    FEW,
    FewValues,
    ListingStatement,
    as_array,
    is_listing,
)
from whereupon.storage.sql.prefilter import SqlitePrefilterClauses
from whereupon.storage.sql.sqlite_errors import check_file, typed_errors
from whereupon.storage.sql.sqlite_transaction import SqliteTransaction
from whereupon.storage.sql.sqlite_writes import SqliteInsert, SqliteUpdate
from whereupon.storage.sql.watch_thread import FileWatch

_WHICH = re.compile(r"SELECT (\w+)((?:, 0)*) FROM (\w+) WHERE \1 = ANY\((:\w+)\)(?=$|\nUNION ALL)")
_JOINED = r"SELECT \3.\1\2 FROM json_each(\4) AS asked CROSS JOIN \3 ON \3.\1 = asked.value"
"""Which of a list's values a column has. For IN, SQLite would make an index of the list first."""
_EACH = re.compile(
    r"FROM (whereupon_identifier\b)(\n(?:LEFT JOIN .*\n)?WHERE \1\.value )= ANY\((:\w+)\)"
)
_LOOKED_UP = r"FROM json_each(\3) AS asked CROSS JOIN \1\2= asked.value"
"""Likewise of ids, which are in the order of the list then; as IN gives them where the list is sorted."""
_ANY = re.compile(r"= ANY\((:\w+)\)")
_ALL = re.compile(r"<> ALL\((:\w+)\)")
_LOCK = re.compile(r"\s+FOR UPDATE(?: OF \w+)?(?: SKIP LOCKED)?")
_OVERWRITES = "whereupon_overwrites"
PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 10000",
    "PRAGMA secure_delete = ON",
)
_ONE_WAIT = 0.1
"""Seconds that SQLite itself waits for a lock before it is asked again, until the deadline."""
_STATEMENTS = 512
"""Prepared statements that a connection of ours keeps: more than the engine has."""
_TAKE_THE_LOCK = "UPDATE whereupon_meta SET value = value WHERE name = 'schema'"


class Sqlite(Database):
    """The statements and transactions of SQLite.

    Args:
        file: the path of the database; None if it is in memory.
        patience: seconds that a transaction waits for its turn.
        keeps_connection: whether the connection that writes is kept from one transaction to the next. To take it
            from SQLAlchemy's pool, and to give it back, costs more than BEGIN and COMMIT. Writers come one by one.
    """

    one_writer = True
    file = "sqlite"
    placeholder = "?"
    prefilters = SqlitePrefilterClauses()

    def __init__(
        self,
        file: str | None = None,
        *,
        patience: float = PATIENCE,
        keeps_connection: bool = False,
    ) -> None:
        super().__init__(sqlite.dialect())
        self._gate = FileQueue(file)
        self._file = None if file == ":memory:" or (file or "").startswith("file:") else file
        self._patience = patience
        self._has_log: bool | None = None
        self._keeps_connection = keeps_connection
        self._kept: Connection | None = None

    def session(self, engine: Engine) -> SqliteTransaction:
        """Begins with the write lock, so that what is read stays true until the commit."""
        return SqliteTransaction(self, engine)

    def begin(self, engine: Engine) -> Connection:
        """Begin to write, on the connection that was kept, or on another one."""
        connection, self._kept = self._kept, None
        if connection is None:
            connection = _connected(engine)
            _overwrite_freed_bytes(connection)
            _begin_at_sqlalchemy(connection)  # which has begun on a connection that was kept
        try:
            self._begin(connection)
        except BaseException:
            self.roll_back(connection)
            raise
        return connection

    def commit(self, connection: Connection) -> None:
        """Commit, and keep the connection."""
        try:
            driver_cursor.run(connection, "COMMIT")
        except BaseException:
            self.roll_back(connection)
            raise
        if self._keeps_connection:
            self._kept = connection
        else:
            connection.close()

    def roll_back(self, connection: Connection) -> None:
        """Roll back, and keep the connection no longer."""
        try:
            if not connection.invalidated:  # an interrupt has closed it, which rolls back
                connection.connection.rollback()  # no error if SQLite has done so already
        finally:
            connection.close()

    def close_idle(self) -> None:
        """Give back the connection that was kept."""
        connection, self._kept = self._kept, None
        if connection is not None:
            connection.close()

    def reading(self, engine: Engine) -> AbstractContextManager[Connection] | None:
        """Beside a writer, as of the last commit, if there is a write-ahead log."""
        if self._file is None or isinstance(engine.pool, StaticPool):
            return None
        if self._has_log is None:
            with typed_errors(), _connected(engine) as connection:
                mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
            self._has_log = str(mode) == "wal"
        return self._reading(engine) if self._has_log else None

    @contextmanager
    def _reading(self, engine: Engine) -> Iterator[Connection]:
        with typed_errors(), _connected(engine) as connection:
            try:
                while not check_file(connection, self._file):
                    pass
                _begin_at_sqlalchemy(connection)
                driver_cursor.run(connection, "BEGIN")
                yield connection
            finally:
                if not connection.invalidated:
                    connection.connection.rollback()

    def _begin(self, connection: Connection) -> None:
        self._lock(connection)
        try:
            while not check_file(connection, self._file):
                _begin_at_sqlalchemy(connection)
                self._lock(connection)
        except StoreError:
            connection.connection.rollback()
            raise

    def _lock(self, connection: Connection) -> None:
        deadline, queue = Deadline(self._patience), self._gate
        place = queue.wait(deadline)
        try:
            while not _locks(connection, "BEGIN IMMEDIATE"):
                if not deadline.wait():
                    raise busy()
        finally:
            queue.leave(place)

    def is_there(self) -> bool:
        """Whether the file exists."""
        return self._file is None or Path(self._file).exists()

    def reset_after_fork(self) -> None:
        """Leave the parent's place in the queue."""
        self._gate.reset_after_fork()

    @property
    def driver(self) -> type[sqlite3.Connection]:
        """Of the standard library."""
        return sqlite3.Connection

    def host_connections(self) -> HostConnection:
        """A transaction begins with the first write, unless the host has turned that off."""
        return HostConnection("sqlite://", _guarded)

    @contextmanager
    def lent(self, connection: Connection) -> Iterator[None]:
        """Takes the write lock first: a host's transaction may not have begun to write."""
        _overwrite_freed_bytes(connection)
        _begin_at_sqlalchemy(connection)
        with typed_errors():
            if not _locks(connection, _TAKE_THE_LOCK):
                raise busy()
            if not _in_transaction(connection):  # autocommit
                raise no_transaction()
            with connection.begin_nested():
                yield

    def statement(self, sql: str) -> Statement:
        """With a text of its own for each number of few values."""
        return (
            ListingStatement(sql, super().statement) if is_listing(sql) else super().statement(sql)
        )

    def rewritten(self, sql: str) -> str:
        """A list is a JSON array; there are no row locks."""
        joined = _EACH.sub(_LOOKED_UP, _WHICH.sub(_JOINED, _LOCK.sub("", sql)))
        listed = _ANY.sub(r"IN (SELECT value FROM json_each(\1))", joined)
        return _ALL.sub(r"NOT IN (SELECT value FROM json_each(\1))", listed)

    def insert(self, table: Table, sql: str) -> Statement:
        """By several rows in one statement."""
        return SqliteInsert(table, self.statement(sql))

    def change(self, table: Table, names: Sequence[str], *, only: str | None = None) -> Statement:
        """By one statement for rows that get the same values."""
        return SqliteUpdate(table, super().change(table, names, only=only))

    def lock_schema(self, connection: Connection) -> None:
        """Nothing to do: a transaction locks the whole database."""

    def scrub(self, engine: Engine) -> bool:
        """Empty the write-ahead log, which holds pages as they were before the deletion.

        If a reader or a writer is in the way, SQLite does what it can, and says so.
        """
        with _connected(engine) as connection:
            before = int(connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one())
            connection.exec_driver_sql("PRAGMA busy_timeout = 0")
            try:
                checkpoint = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                blocked = checkpoint.one()[0]
            except OperationalError as error:
                if "locked" not in str(error.orig):
                    raise
                blocked = 1
            finally:
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {before}")
        return not blocked

    def watch(self, engine: Engine, changed: Callable[[], object]) -> Watch | None:
        """By looking at the file; a database in memory has no other process."""
        del engine
        return None if self._file is None else FileWatch(self._file, changed)

    def members(self, values: Collection[int] | Collection[str]) -> object:
        """The values themselves if they are few, else a JSON array. SQLite would cut a text at a NUL, so that is refused."""
        if len(values) <= FEW:
            few = FewValues(values)
            if not few or type(few[0]) is int or "\0" not in "".join(few):  # type: ignore[arg-type]  # texts
                return few
        else:
            array = as_array(values)
            if "\\u0000" not in array:
                return array
        reason = "an id holds the character NUL, which a database cannot look up"
        raise StoreError(code="bad-text", reason=reason)

    def rows(self, numbers: Collection[tuple[int, ...]]) -> object:
        """A JSON array of arrays."""
        return encode(list(numbers)).decode()


def _guarded(driver: sqlite3.Connection) -> GuardedConnection:
    try:
        driver.cursor().close()
    except sqlite3.ProgrammingError as error:
        raise unusable(why=error) from error
    if driver.isolation_level is None and not driver.in_transaction:
        raise no_transaction()

    def cursor() -> sqlite3.Cursor:
        made = driver.cursor()
        made.row_factory = None
        return made

    return GuardedConnection(driver, cursor)


def open_engine(url: URL, *, patience: float = PATIENCE) -> Engine:
    """An engine of the store's own; in memory, all threads share one connection.

    With ``?synchronous=OFF`` in the URL a commit is not on the disk when it returns. That is for stores that
    are thrown away.
    """
    lasting = url.query.get("synchronous") != "OFF"
    url = url.difference_update_query(["synchronous"])
    arguments: dict[str, object] = {
        "timeout": min(patience, _ONE_WAIT),
        "cached_statements": _STATEMENTS,
    }
    if url.database in {None, "", ":memory:"}:
        shared = {**arguments, "check_same_thread": False}
        engine = create_engine(url, poolclass=StaticPool, connect_args=shared, hide_parameters=True)
    else:  # errors are logged, data is not
        engine = create_engine(url, connect_args=arguments, hide_parameters=True)
    event.listen(engine, "connect", partial(_prepare, patience=patience))
    if not lasting:
        event.listen(engine, "connect", _do_not_wait)
    return engine


def _connected(engine: Engine) -> Connection:
    """A connection that begins no transaction by itself.

    Python's driver begins one only before a statement that changes something. Turning that off through
    SQLAlchemy for a while would run a pragma when the connection goes back to the pool, and SQLite would
    then prepare every statement anew. A driver that always has a transaction open leaves no choice.
    """
    connection = engine.connect()
    if getattr(connection.connection.driver_connection, "autocommit", None) is False:
        return connection.execution_options(isolation_level="AUTOCOMMIT")
    return connection


def _begin_at_sqlalchemy(connection: Connection) -> None:
    """Tell SQLAlchemy that a transaction begins, or it would roll one back when a statement fails."""
    if not connection.in_transaction():
        connection.begin()


def _overwrite_freed_bytes(connection: Connection) -> None:
    """Have freed bytes overwritten with zeros, also on a host's connections; once each."""
    if _OVERWRITES not in connection.info:
        connection.exec_driver_sql("PRAGMA secure_delete = ON")
        connection.info[_OVERWRITES] = True


def _do_not_wait(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")


def _prepare(connection: sqlite3.Connection, _record: object, *, patience: float) -> None:
    left = Deadline(patience)
    try:
        for pragma in PRAGMAS:
            while not _sets(connection, pragma):
                if not left.wait():
                    connection.close()
                    raise busy()
    except sqlite3.Error as error:
        connection.close()
        raise StoreError(code="unreachable", reason=f"cannot open the database: {error}") from error


def _sets(connection: sqlite3.Connection, pragma: str) -> bool:
    """Whether a pragma could be set now; SQLite does not wait while another process makes the log."""
    try:
        connection.execute(pragma)
    except sqlite3.OperationalError as error:
        if not _is_locked(error):
            raise
        return False
    return True


def _locks(connection: Connection, how: str) -> bool:
    try:
        driver_cursor.run(connection, how)
    except OperationalError as error:
        if not _is_locked(error.orig):
            raise
        return False
    return True


def _in_transaction(connection: Connection) -> bool:
    return bool(getattr(connection.connection.driver_connection, "in_transaction", False))


def _is_locked(error: BaseException | None) -> bool:
    return "locked" in str(error)
