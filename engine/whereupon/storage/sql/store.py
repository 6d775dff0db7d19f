"""The store in the host's own database: transactions of its own, and parts of a host's."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, Engine, StaticPool, create_engine
from sqlalchemy.exc import DBAPIError, IntegrityError

import whereupon.storage.sql.rows as rows
from whereupon.conditions.prefilter import Prefilter
from whereupon.errors import StoreError
from whereupon.messages.times import as_micros
from whereupon.ports import DeadLetters, DueWork, Questions, Session, Settlement, Stretch, Watch
from whereupon.records import (
    BroadcastRun,
    Changes,
    Delivery,
    DeliveryState,
    Entry,
    PruneStep,
    RetentionCutoff,
)
from whereupon.runtime.forks import ForkAware, watch_forks
from whereupon.storage.deadline import Deadline, one_call
from whereupon.storage.sql.database_url import database_of, engine_of, schema_of, shown
from whereupon.storage.sql.dialects import PATIENCE, Database
from whereupon.storage.sql.erasure import Erasure
from whereupon.storage.sql.fork_guard import ForkGuard
from whereupon.storage.sql.group_commit import GroupCommit
from whereupon.storage.sql.host_connection import unusable
from whereupon.storage.sql.keys import new_block
from whereupon.storage.sql.ledger import SqlRequests
from whereupon.storage.sql.message_names import MessageNames
from whereupon.storage.sql.process_cache import Block, Name, Numbers, ProcessCache, SessionCache
from whereupon.storage.sql.queries import Queries
from whereupon.storage.sql.reading import SqlReads, meant
from whereupon.storage.sql.retry import LostRaceError, retry
from whereupon.storage.sql.row_locks import Rank, RowLocks
from whereupon.storage.sql.schema_version import is_current, prepare
from whereupon.storage.sql.side_transactions import SideTransactions
from whereupon.storage.sql.writing import SqlWrites
from whereupon.storage.write_lock import FairLock, NoLock, WriteLock, closed

T = TypeVar("T")

LAST_KEY = 2**63 - 1
_INHERITED: list[object] = []
"""Connections that a child has from its parent: never used, and never closed, for they are open there."""
_FORK_PATIENCE = 10.0
"""Seconds that a fork waits for sessions to end, where the database needs that."""


class SqlStore(ForkAware):
    """Keeps everything in tables beside the host's own.

    Args:
        url_or_engine: an SQLAlchemy URL, whose engine is the store's own; or an engine of the
            host's, whose settings and pool stay the host's affair.
        patience: seconds that a call waits for others, with all its transactions and tries;
            ``?patience=`` in a URL comes first.
        make: whether to make the tables where there are none.
        migrate: whether to change the database at all, to make tables or to bring them up to date.
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
        self._database = database_of(self._engine, patience=patience, schema=schema)
        self._queries = Queries(self._database)
        self._memory = ProcessCache()
        self._side: Engine | None = None
        self._turns: WriteLock = FairLock() if self._database.one_writer else NoLock()
        self._group = GroupCommit(self._turns, alone=self._alone, together=self._together)
        self._lender = self._database.lender()
        self._is_closed = False
        self._forks = (
            ForkGuard(min(patience, _FORK_PATIENCE), self._let_go)
            if self._database.one_writer
            else None
        )
        watch_forks(self)
        self._prepare(make=make, migrate=migrate)

    @contextmanager
    def session(self, connection: object = None) -> Iterator["SqlSession"]:
        """A transaction: one of its own, or the host's, which the host ends."""
        self._check_open()
        with self._undivided():
            if connection is None:
                patience = Deadline(self._patience)
                with one_call(), self._turns.take(patience), self._alone() as session:
                    yield session
            elif isinstance(connection, Connection):
                self._check(connection)
                with self._part_of(connection) as session:
                    yield session
            elif isinstance(connection, self._database.driver):
                with self._lender.connection(connection) as over, self._part_of(over) as session:
                    yield session
            else:
                raise _no_connection(connection)

    @contextmanager
    def reading(self) -> Iterator["SqlSession"]:
        """A transaction that only reads; what it learns is its own."""
        self._check_open()
        self._turns.refuse_nesting()
        with self._undivided():
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

    def _undivided(self) -> AbstractContextManager[None]:
        """A block amid which this process does not fork, where that matters."""
        return nullcontext() if self._forks is None else self._forks.session()

    def _check(self, lent: Connection) -> None:
        if lent.closed:
            raise unusable(why="it is closed")
        ours, theirs = (f"{d.name}+{d.driver}" for d in (self._engine.dialect, lent.dialect))
        if ours != theirs:
            raise unusable(why=f"it is one to {theirs}, and the store is in {ours}")

    @contextmanager
    def _part_of(self, connection: Connection) -> Iterator["SqlSession"]:
        with self._database.lent(connection):  # so that a host may survive a failing block
            yield self._on(connection, lent=True)

    def transact(self, work: Callable[[Session], T], *, alone: bool = False) -> T:
        """Do work: with one writer at a time, in groups; with many, until no race is lost."""
        self._check_open()
        with one_call():
            patience = Deadline(self._patience)
            if self._database.one_writer:
                with self._undivided():
                    return self._group.transact(work, patience, alone=alone)
            return retry(self.session, work, patience)

    @contextmanager
    def _alone(self) -> Iterator["SqlSession"]:
        with self._database.session(self._engine) as connection:
            session = self._on(connection)
            yield session
            session.recall.write(connection)
        session.recall.share()

    @contextmanager
    def _together(self) -> Iterator["_Divided"]:
        with self._database.session(self._engine) as connection:
            divided = _Divided(connection, self._on)
            yield divided
            divided.write_memory()
        divided.share_memory()

    @contextmanager
    def _beside(self) -> Iterator["SqlSession"]:
        """A session over a connection of its own, whatever the pool has to give."""
        if self._side is None:
            self._side = create_engine(self._engine.url, pool=self._engine.pool.recreate())
        try:
            with self._database.session(self._side) as connection:
                session = self._on(connection)
                yield session
                session.recall.write(connection)
            session.recall.share()
        finally:
            self._side.dispose()

    def _on(self, connection: Connection, *, lent: bool = False) -> "SqlSession":
        database = self._database
        beside = SideTransactions(self._beside) if lent and not database.one_writer else None
        recall = SessionCache(
            self._memory,
            read=self._queries.process,
            advance=self._queries.advance_process,
            lapse=self._queries.drop_lapsed_processes,
            lent=lent,
        )
        names = MessageNames(
            recall,
            find=self._queries.name_id,
            add=self._queries.add_name,
            beside=beside,
        )
        holding = None
        if not database.one_writer:
            patience = Deadline(self._patience)
            holding = RowLocks(connection, database, self._queries, patience, lent=lent)
        traces = Erasure(connection, database, self._queries)
        writing = SqlWrites(connection, database, self._queries, names, traces, recall, holding)
        announce = partial(database.announce, connection, lent=lent)
        return SqlSession(
            connection, database, self._queries, names, writing, holding, self._queries, announce
        )

    def scrub(self) -> bool:
        """Take what was erased out of the pages and logs that a database keeps beside its rows."""
        self._check_open()
        with self._undivided(), self._turns.take():
            return self._database.scrub(self._engine)

    def watch(self, changed: Callable[[], object]) -> Watch | None:
        """By the file, or by listening, as the database has it."""
        return self._database.watch(self._engine, changed)

    def close(self) -> None:
        """Close the connections of the store's own engine; a host's stays open."""
        self._is_closed = True
        if self._own:
            self._engine.dispose()

    def after_fork_in_child(self) -> None:
        """Begin anew: with connections, keys and turns of this process's own."""
        self._turns.begin_anew()
        self._group.begin_anew()
        self._database.begin_anew()
        self._memory.begin_anew()
        self._side = None
        if not self._database.one_writer:
            _INHERITED.append(self._engine.pool)
            self._engine.dispose(close=False)

    def _let_go(self) -> None:
        """Close the connections that nobody uses; a database in memory is its only connection."""
        if not isinstance(self._engine.pool, StaticPool):
            self._engine.dispose()

    def _is_current(self) -> bool:
        """Whether there is nothing to prepare, as a reader sees it that no writer keeps waiting."""
        if not self._database.one_writer or not self._database.is_there():
            return False  # elsewhere readers wait for nobody in any case
        connected = self._database.reading(self._engine)
        if connected is None:
            return False
        with self._undivided(), connected as connection:
            return is_current(connection)

    def _prepare(self, *, make: bool, migrate: bool) -> None:
        try:
            if self._is_current():
                return
            with (
                self._undivided(),
                self._turns.take(),
                self._database.session(self._engine) as connection,
            ):
                prepare(connection, self._database, make=make, migrate=migrate)
        except DBAPIError as error:
            self.close()
            reason = f"cannot open {shown(self._engine.url)}: {error.orig}"
            raise StoreError(code="unreachable", reason=reason) from error
        except BaseException:
            self.close()
            raise


class _Divided:
    """One transaction of SQLite's, in parts that are taken back alone."""

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
        self._connection.exec_driver_sql("SAVEPOINT whereupon_part")
        try:
            yield session
        except BaseException:
            if self.is_open():
                self._connection.exec_driver_sql("ROLLBACK TO whereupon_part")
                self._connection.exec_driver_sql("RELEASE whereupon_part")
            raise
        self._connection.exec_driver_sql("RELEASE whereupon_part")
        self._kept.append(session)

    def is_open(self) -> bool:
        """Whether nothing has ended the transaction: SQLite does when the disk is full.

        An interruption from the keyboard, within a statement, costs the connection.
        """
        if self._connection.invalidated:
            return False
        return bool(getattr(self._connection.connection.driver_connection, "in_transaction", False))

    def write_memory(self) -> None:
        """Put the process's row up, if a part has learned anything."""
        for session in self._kept:
            session.recall.write(self._connection)

    def share_memory(self) -> None:
        """Let later sessions use what the parts learned."""
        for session in self._kept:
            session.recall.share()


class SqlSession(SqlReads, SqlRequests, Questions, DueWork):
    """One transaction on the database; see `whereupon.ports.Session`."""

    def __init__(  # noqa: PLR0913, PLR0917 - its parts, one by one
        self,
        connection: Connection,
        database: Database,
        selects: Queries,
        names: MessageNames,
        writing: SqlWrites,
        holding: RowLocks | None,
        ledger: Queries,
        announce: Callable[[], None],
    ) -> None:
        SqlReads.__init__(self, connection, database, selects, names, writing.recall)
        SqlRequests.__init__(self, connection, database, ledger, holding)
        self.recall = writing.recall
        self._writing = writing
        self._announce = announce

    def allocate(self, count: int) -> int:
        """Reserve keys."""
        return self._writing.allocate(count)

    def lock(
        self,
        persons: Collection[int],
        anonymous: Collection[int],
        unknown: Collection[str] = (),
    ) -> bool:
        """Keep others away, where there are others."""
        return self._holding is not None and self._holding.hold(persons, anonymous, unknown)

    def take_audience(self, after: int, limit: int, prefilter: Prefilter, reach: int) -> Stretch:
        """Persons who pass a prefilter, of the next so many; the last statement holds them."""
        if self._holding is not None:
            self._holding.reach(Rank.PERSONS, again=True)
        behind = self._selects.person_behind.fetch(self._connection, key=after, skipped=reach - 1)
        end = int(behind[0][0]) if behind else None
        found = self._selects.audience(prefilter).fetch(
            self._connection, key=after, until=LAST_KEY if end is None else end, limit=limit
        )
        persons = list(map(rows.person_from, found))
        if self._holding is not None:
            self._holding.note(person.key for person in persons)
        return Stretch(persons, persons[-1].key if len(persons) == limit else end)

    def take_due_entries(
        self, until: datetime, limit: int, versions: Collection[str] | None = None
    ) -> list[Entry]:
        """Entries that are due, of persons whom nobody else holds."""
        if self._holding is None:
            return self.due_entries(until, limit, versions)
        return self._holding.due_entries(as_micros(until), limit, versions)

    def take_run(self, run: BroadcastRun) -> BroadcastRun | None:
        """A run for this transaction to send."""
        return run if self._holding is None else self._holding.run(run)

    def lock_runs(self) -> list[BroadcastRun]:
        """Every broadcast run that is not done."""
        return self.waiting_runs() if self._holding is None else self._holding.runs()

    def lease_deliveries(
        self,
        until: datetime,
        leased_until: datetime,
        limit: int,
        channels: Collection[str] | None = None,
    ) -> list[Delivery]:
        """Take deliveries that are due, or held."""
        selects, asked = self._selects, dict[str, object](until=as_micros(until), limit=limit)
        due, held = selects.due_deliveries, selects.held_deliveries
        if channels is not None:
            due, held = selects.due_deliveries_of, selects.held_deliveries_of
            asked["channels"] = self._database.members(channels)
        taken = list(map(rows.delivery_from, due.fetch(self._connection, **asked)))
        self._writing.lease(taken, as_micros(leased_until))
        if len(taken) < limit:
            asked["limit"] = limit - len(taken)
            found = list(map(rows.delivery_from, held.fetch(self._connection, **asked)))
            self._writing.take_held(found, as_micros(leased_until))
            taken += [d._replace(state=DeliveryState.PENDING, reason=None) for d in found]
        return taken

    def hold_deliveries(
        self, until: datetime, channels: Collection[str], limit: int
    ) -> dict[str, int]:
        """Hold deliveries of other channels."""
        members = self._database.members(channels)
        asked = {"until": as_micros(until), "channels": members, "limit": limit}
        found = self._selects.foreign_deliveries.fetch(self._connection, **asked)
        self._writing.hold(key for key, _ in found)
        return Counter(str(channel) for _, channel in found)

    def revive_some(self, which: DeadLetters, due_at: datetime, limit: int) -> int:
        """Put dead deliveries back; how many."""
        found = self._selects.dead_keys.fetch(self._connection, **meant(which), limit=limit)
        self._writing.revive_some((key for (key,) in found), as_micros(due_at))
        self._announce()
        return len(found)

    def settle(self, settlements: Iterable[Settlement]) -> None:
        """Write down the end of tries."""
        self._writing.settle(settlements)

    def revive(self, key: int, due_at: datetime) -> bool:
        """Put a dead delivery back; whether it was one."""
        self._announce()
        return self._writing.revive(key, as_micros(due_at))

    def flush(self, changes: Changes) -> None:
        """Write a batch's changes."""
        try:
            self._writing.write(changes)
            self.write_ledger(changes)
            if _makes_due(changes):
                self._announce()
        except IntegrityError as error:
            raise LostRaceError(reason=f"somebody was first: {error.orig}") from error

    def prune(self, cutoff: RetentionCutoff, after: int, reach: int) -> PruneStep:
        """Drop what is done with and old."""
        return self._writing.bygone.let_go(cutoff, after, reach)

    def count_prunable(self, cutoff: RetentionCutoff) -> PruneStep:
        """TextTest much that would be."""
        return self._writing.bygone.count(cutoff)

    def number(self, names: Collection[Name]) -> Numbers:
        """Number names."""
        return self._names.number(self._connection, names)

    def reserve(self, count: int) -> Block:
        """Reserve a block of so many keys."""
        self.recall.learned.block = new_block(self._connection, self._selects.take_blocks, count)
        return self.recall.learned.block


def _makes_due(changes: Changes) -> bool:
    """Whether there is more due work than before, now or later."""
    return bool(
        changes.claim_jobs
        or any(delivery.state is DeliveryState.PENDING for delivery in changes.deliveries)
        or any(entry.due_at is not None for entry in changes.entries.values())
        or any(run.cursor is not None for run in changes.runs.values())
        or any(request.outcome.is_open for request in changes.requests.values())
    )


def _no_connection(lent: object) -> StoreError:
    kind = f"{type(lent).__module__}.{type(lent).__name__}"
    reason = (
        f"connection= takes an SQLAlchemy Connection or one of the database's driver, not {kind}; "
        "of an ORM session, lend session.connection(), of Django, connection.connection"
    )
    return StoreError(code="no-connection", reason=reason)
