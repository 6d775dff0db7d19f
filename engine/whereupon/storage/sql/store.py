"""The store in the host's own database: transactions of its own, and parts of a host's."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import TracebackType
from typing import TypeVar

from sqlalchemy import Connection, Engine, StaticPool, create_engine
from sqlalchemy.exc import DBAPIError

import whereupon.storage.sql.driver_cursor as driver_cursor
from whereupon.errors import StoreError
from whereupon.ports import Session, Watch
from whereupon.runtime.forks import ForkAware, watch_forks
from whereupon.runtime.lazy import cached_property
from whereupon.storage.deadline import Deadline, one_call
from whereupon.storage.sql.database_url import database_of, engine_of, schema_of, shown
from whereupon.storage.sql.dialects import PATIENCE
from whereupon.storage.sql.fork_guard import ForkGuard
from whereupon.storage.sql.group_commit import GroupCommit
from whereupon.storage.sql.host_connection import unusable
from whereupon.storage.sql.message_names import MessageNames, NumberStatements, SkippedLists
from whereupon.storage.sql.process_cache import ProcessCache, RowStatements, SessionCache
from whereupon.storage.sql.queries import Queries
from whereupon.storage.sql.row_locks import RowLocks
from whereupon.storage.sql.schema_version import is_current, prepare
from whereupon.storage.sql.session import SqlSession
from whereupon.storage.sql.side_transactions import SideTransactions
from whereupon.storage.sql.transaction_retry import retry
from whereupon.storage.sql.writes import SqlWrites
from whereupon.storage.write_lock import FairLock, NoLock, WriteLock, closed

T = TypeVar("T")

LAST_KEY = 2**63 - 1
_INHERITED: list[object] = []
"""Connections that a child has from its parent. They are never used, and never closed: the parent uses them."""
_FORK_PATIENCE = 10.0
"""The most seconds that a fork waits for sessions to end, where the database needs that."""


class SqlStore(ForkAware):
    """Keeps everything in tables beside the host's own.

    Args:
        url_or_engine: an SQLAlchemy URL, or an engine of the host. The store does not change the settings
            and the pool of a host's engine.
        patience: seconds that a call waits for others, with all its transactions and attempts;
            ``?patience=`` in a URL comes first.
        make: whether to make the tables if there are none.
        migrate: whether to change the schema at all, to make tables or to migrate them.
        schema: where the tables are, on PostgreSQL; ``?schema=`` in a URL comes first.
    """

    def __init__(
        self,
        url_or_engine: object,
        *,
        patience: float = PATIENCE,
        make: bool = True,
        migrate: bool = True,
        schema: str | None = None,
    ) -> None:
        self._own = not isinstance(url_or_engine, Engine)
        self._engine, patience = engine_of(url_or_engine, patience=patience)
        self._patience = patience
        schema = schema_of(url_or_engine, schema)
        self._database = database_of(
            self._engine, patience=patience, schema=schema, keeps_connection=self._own
        )
        self._queries = Queries(self._database)
        self._memory = ProcessCache()
        self._side: Engine | None = None
        self._write_lock: WriteLock = FairLock() if self._database.one_writer else NoLock()
        self._group = GroupCommit(self._write_lock, alone=self._alone, together=self._together)
        self._host_connections = self._database.host_connections()
        self._is_closed = False
        self._undivided: AbstractContextManager[None] = (
            ForkGuard(min(patience, _FORK_PATIENCE), self._close_idle)
            if self._database.one_writer
            else nullcontext()
        )  # a block in which this process does not fork, where that matters
        watch_forks(self)
        self._prepare(make=make, migrate=migrate)

    @contextmanager
    def session(self, connection: object = None) -> Iterator["SqlSession"]:
        """A transaction of its own, or a part of the host's."""
        self._check_open()
        with self._undivided:
            if connection is None:
                deadline = Deadline(self._patience)
                with one_call(), self._write_lock.take(deadline), self._alone() as session:
                    yield session
            elif isinstance(connection, Connection):
                self._check(connection)
                with self._part_of(connection) as session:
                    yield session
            elif isinstance(connection, self._database.driver):
                with (
                    self._host_connections.connection(connection) as over,
                    self._part_of(over) as session,
                ):
                    yield session
            else:
                raise _no_connection(connection)

    @contextmanager
    def reading(self) -> Iterator["SqlSession"]:
        """A transaction that only reads; it adds nothing to the cache."""
        self._check_open()
        self._write_lock.refuse_nesting()
        with self._undivided:
            connected = self._database.reading(self._engine)
            if connected is not None:
                with connected as connection:
                    yield self._on(connection)
                return
        with self.session() as session:
            yield session

    def _check_open(self) -> None:
        if self._is_closed:
            raise closed()

    def _check(self, lent: Connection) -> None:
        if lent.closed:
            raise unusable(why="it is closed")
        ours, theirs = (f"{d.name}+{d.driver}" for d in (self._engine.dialect, lent.dialect))
        if ours != theirs:
            raise unusable(why=f"it is one to {theirs}, and the store is in {ours}")

    @contextmanager
    def _part_of(self, connection: Connection) -> Iterator["SqlSession"]:
        with self._database.lent(
            connection
        ):  # so that the host's transaction survives a failing block
            yield self._on(connection, lent=True)

    def transact(self, work: Callable[[Session], T], *, alone: bool = False) -> T:
        """Do work: in groups, if there is one writer at a time; else again until no race is lost."""
        self._check_open()
        if self._database.one_writer:
            with self._undivided:
                return self._group.transact(work, self._patience, alone=alone)
        with one_call():
            return retry(self.session, work, Deadline(self._patience))

    def is_awaited(self) -> bool | None:
        """Whether work waits for a common transaction, where there is one writer at a time."""
        return self._group.waiting > 0 if self._database.one_writer else None

    def _alone(self) -> "_OwnTransaction":
        return _OwnTransaction(self._database.session(self._engine), self._on)

    @contextmanager
    def _together(self) -> Iterator["_Divided"]:
        with self._database.session(self._engine) as connection:
            divided = _Divided(connection, self._on)
            yield divided
            divided.write_cache()
        divided.share_cache()

    @contextmanager
    def _side_session(self) -> Iterator["SqlSession"]:
        """A session on a connection of its own, outside of the pool."""
        if self._side is None:
            self._side = create_engine(self._engine.url, pool=self._engine.pool.recreate())
        try:
            with _OwnTransaction(self._database.session(self._side), self._on) as session:
                yield session
        finally:
            self._side.dispose()

    def _on(self, connection: Connection, *, lent: bool = False) -> "SqlSession":
        database, queries = self._database, self._queries
        side, locks = None, None
        if not database.one_writer:
            side = SideTransactions(self._side_session) if lent else None
            locks = RowLocks(connection, database, queries, Deadline(self._patience), lent=lent)
        rows, names, lists = self._numbering
        cache = SessionCache(self._memory, rows, lent)
        numbers = MessageNames(cache, names, side, SkippedLists(cache, lists, side))
        writes = SqlWrites(connection, database, queries, numbers, cache, locks)
        return SqlSession(connection, database, queries, numbers, writes, locks, lent)

    @cached_property
    def _numbering(self) -> tuple[RowStatements, NumberStatements, NumberStatements]:
        """The statements for the process's row, and for the numbers of names and of rule lists."""
        to = self._queries
        return (
            RowStatements(to.process, to.advance_process, to.drop_lapsed_processes),
            NumberStatements(to.name_id, to.add_name),
            NumberStatements(to.skipped_list_id, to.add_skipped_list),
        )

    def scrub(self) -> bool:
        """Remove erased bytes from free pages and logs."""
        self._check_open()
        with self._undivided, self._write_lock.take():
            return self._database.scrub(self._engine)

    def watch(self, changed: Callable[[], object]) -> Watch | None:
        """By the file or by notifications, as the database has it."""
        return self._database.watch(self._engine, changed)

    def close(self) -> None:
        """Close the connections of the store's own engine; a host's engine stays open."""
        self._is_closed = True
        self._database.close_idle()
        if self._own:
            self._engine.dispose()

    def after_fork_in_child(self) -> None:
        """Begin with connections, keys and locks of this process."""
        self._write_lock.reset_after_fork()
        self._group.reset_after_fork()
        self._database.reset_after_fork()
        self._memory.reset_after_fork()
        self._side = None
        if not self._database.one_writer:
            _INHERITED.append(self._engine.pool)
            self._engine.dispose(close=False)

    def _close_idle(self) -> None:
        """Close idle connections; a database in memory is its only connection."""
        self._database.close_idle()
        if not isinstance(self._engine.pool, StaticPool):
            self._engine.dispose()

    def _is_current(self) -> bool:
        """Whether there is nothing to prepare, read without waiting for a writer."""
        if not self._database.one_writer or not self._database.is_there():
            return False  # elsewhere readers never wait
        connected = self._database.reading(self._engine)
        if connected is None:
            return False
        with self._undivided, connected as connection:
            return is_current(connection)

    def _prepare(self, *, make: bool, migrate: bool) -> None:
        try:
            if self._is_current():
                return
            with (
                self._undivided,
                self._write_lock.take(),
                self._database.schema_session(self._engine) as connection,
            ):
                prepare(connection, self._database, make=make, migrate=migrate)
        except DBAPIError as error:
            self.close()
            reason = f"cannot open {shown(self._engine.url)}: {error.orig}"
            raise StoreError(code="unreachable", reason=reason) from error
        except BaseException:
            self.close()
            raise


class _OwnTransaction:
    """A session in a transaction of its own. A generator would cost a single call more."""

    __slots__ = ("_connection", "_open_session", "_session", "_transaction")

    def __init__(
        self,
        transaction: AbstractContextManager[Connection],
        open_session: Callable[[Connection], "SqlSession"],
    ) -> None:
        self._transaction, self._open_session = transaction, open_session
        self._connection: Connection
        self._session: SqlSession

    def __enter__(self) -> "SqlSession":
        self._connection = self._transaction.__enter__()
        try:
            self._session = self._open_session(self._connection)
        except BaseException:
            self._transaction.__exit__(*sys.exc_info())
            raise
        return self._session

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            try:
                self._session.cache.write(self._connection)
            except BaseException:
                self._transaction.__exit__(*sys.exc_info())
                raise
        self._transaction.__exit__(kind, error, trace)
        if error is None:
            self._session.cache.share()


class _Divided:
    """One transaction of a database with one writer, in parts that are rolled back alone."""

    def __init__(
        self, connection: Connection, open_session: Callable[[Connection], "SqlSession"]
    ) -> None:
        self._connection = connection
        self._open_session = open_session
        self._kept: list[SqlSession] = []

    @contextmanager
    def part(self) -> Iterator["SqlSession"]:
        """A session between savepoints."""
        session = self._open_session(self._connection)
        driver_cursor.run(self._connection, "SAVEPOINT whereupon_part")
        try:
            yield session
        except BaseException:
            if self.is_open():
                driver_cursor.run(self._connection, "ROLLBACK TO whereupon_part")
                driver_cursor.run(self._connection, "RELEASE whereupon_part")
            raise
        driver_cursor.run(self._connection, "RELEASE whereupon_part")
        self._kept.append(session)

    def whole(self) -> "SqlSession":
        """A session without savepoints."""
        session = self._open_session(self._connection)
        self._kept.append(session)
        return session

    def is_open(self) -> bool:
        """Whether the transaction still exists. SQLite ends it when the disk is full.

        A keyboard interrupt within a statement costs the connection.
        """
        if self._connection.invalidated:
            return False
        return bool(getattr(self._connection.connection.driver_connection, "in_transaction", False))

    def write_cache(self) -> None:
        """Advance the process's row, if a part has new facts."""
        for session in self._kept:
            session.cache.write(self._connection)

    def share_cache(self) -> None:
        """Add the parts' new facts to the cache."""
        for session in self._kept:
            session.cache.share()


def _no_connection(lent: object) -> StoreError:
    kind = f"{type(lent).__module__}.{type(lent).__name__}"
    reason = (
        f"connection= takes an SQLAlchemy Connection or one of the database's driver, not {kind}; "
        "of an ORM session, lend session.connection(), of Django, connection.connection"
    )
    return StoreError(code="no-connection", reason=reason)
