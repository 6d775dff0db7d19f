"""The store in the host's own database: sessions, and opening what a URL or an engine leads to."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import URL, Connection, Engine, insert, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError

import whereupon.stores.rows as rows
from whereupon.errors import StoreError
from whereupon.ports import Settlement
from whereupon.state import Changes, Delivery
from whereupon.stores.dialects import Database
from whereupon.stores.names import Name, Names
from whereupon.stores.reading import Reading
from whereupon.stores.selects import Selects
from whereupon.stores.sqlite import Sqlite, open_engine
from whereupon.stores.tables import SCHEMA, Kept
from whereupon.stores.turns import Turns
from whereupon.stores.writes import META, Writes
from whereupon.stores.writing import Writing
from whereupon.times import as_micros


class SqlStore:
    """Keeps everything in tables beside the host's own.

    Args:
        url_or_engine: an SQLAlchemy URL, whose engine is the store's own; or an engine of the
            host's, whose settings and pool stay the host's affair.
    """

    def __init__(self, url_or_engine: object) -> None:
        self._own = not isinstance(url_or_engine, Engine)
        self._engine = (
            url_or_engine if isinstance(url_or_engine, Engine) else _engine(url_or_engine)
        )
        self._database = _database(self._engine)
        self._selects = Selects(self._database)
        self._writes = Writes(self._database)
        self._names: dict[Name, int] = {}
        self._turns = Turns()
        self._lender = self._database.lender()
        self._make_tables()

    @contextmanager
    def session(self, connection: object = None) -> Iterator["SqlSession"]:
        """A transaction: one of its own, or the host's, which the host ends."""
        if connection is None:
            with self._own_session() as session:
                yield session
        elif isinstance(connection, Connection):
            with self._part_of(connection) as session:
                yield session
        elif isinstance(connection, self._database.driver):
            with self._lender.connection(connection) as over, self._part_of(over) as session:
                yield session
        else:
            raise _no_connection(connection)

    @contextmanager
    def _part_of(self, connection: Connection) -> Iterator["SqlSession"]:
        self._database.join(connection)
        with connection.begin_nested():  # so that a host may survive a failing block, and commit
            yield self._on(connection)

    @contextmanager
    def _own_session(self) -> Iterator["SqlSession"]:
        with self._turns.take():
            with self._database.session(self._engine) as connection:
                session = self._on(connection)
                yield session
            session.share_names()

    def _on(self, connection: Connection) -> "SqlSession":
        names = Names(self._names, find=self._selects.name_id, add=self._writes.name)
        reading = (connection, self._database, self._selects, names)
        return SqlSession(*reading, Writing(connection, self._database, self._writes, names))

    def close(self) -> None:
        """Close the connections of the store's own engine; a host's stays open."""
        if self._own:
            self._engine.dispose()

    def _make_tables(self) -> None:
        try:
            with self._turns.take(), self._database.session(self._engine) as connection:
                _make_tables(connection)
        except DBAPIError as error:
            where = self._engine.url.render_as_string()
            reason = f"cannot open {where}: {error.orig}"
            raise StoreError(code="unreachable", reason=reason) from error


class SqlSession(Reading):
    """One transaction on the database; see `whereupon.ports.Session`."""

    def __init__(
        self,
        connection: Connection,
        database: Database,
        selects: Selects,
        names: Names,
        writing: Writing,
    ) -> None:
        super().__init__(connection, database, selects, names)
        self._writing = writing

    def allocate(self, count: int) -> int:
        """Reserve keys."""
        return self._writing.allocate(count)

    def lease_deliveries(
        self, until: datetime, leased_until: datetime, limit: int
    ) -> list[Delivery]:
        """Take deliveries that are due."""
        due = self._selects.due_deliveries.fetch(
            self._connection, until=as_micros(until), limit=limit
        )
        taken = list(map(rows.delivery_from, due))
        self._writing.lease(taken, as_micros(leased_until))
        return taken

    def settle(self, settlements: Iterable[Settlement]) -> None:
        """Write down the end of tries."""
        self._writing.settle(settlements)

    def flush(self, changes: Changes) -> None:
        """Write a batch's changes."""
        try:
            self._writing.write(changes)
        except IntegrityError as error:
            reason = f"somebody was first: {error.orig}"
            raise StoreError(code="conflict", reason=reason) from error

    def trim_skips(self, before: datetime) -> int:
        """Drop old skips."""
        return self._writing.trim_skips(as_micros(before))

    def share_names(self) -> None:
        """Let later sessions use the names learned here, once they are committed."""
        self._names.share()


def _no_connection(lent: object) -> StoreError:
    kind = f"{type(lent).__module__}.{type(lent).__name__}"
    reason = (
        f"connection= takes an SQLAlchemy Connection or one of the database's driver, not {kind}; "
        "of an ORM session, lend session.connection(), of Django, connection.connection"
    )
    return StoreError(code="no-connection", reason=reason)


def _engine(url: object) -> Engine:
    if not isinstance(url, str | URL):
        reason = f"a store is opened by an SQLAlchemy URL or engine, not by {type(url).__name__}"
        raise StoreError(code="bad-url", reason=reason)
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return open_engine(parsed)
    except (ArgumentError, ImportError) as error:  # not the URL itself: it may hold a password
        reason = f"that is not an SQLAlchemy URL such as sqlite:///shop.db: {error}"
        raise StoreError(code="bad-url", reason=reason) from error
    raise _unknown(parsed.get_backend_name())


def _database(engine: Engine) -> Database:
    if engine.dialect.name == "sqlite":
        return Sqlite(engine.url.database)
    raise _unknown(engine.dialect.name)


def _unknown(backend: str) -> StoreError:
    reason = f"{backend} is not a database that a store can be kept in: use sqlite"
    return StoreError(code="unknown-database", reason=reason)


def _make_tables(connection: Connection) -> None:
    version = None
    if inspect(connection).has_table(META.name):
        version = connection.scalar(select(META.c.value).where(META.c.name == "schema"))
    if version is not None and version > SCHEMA:
        reason = f"the tables are of version {version}, this library knows {SCHEMA}: upgrade it"
        raise StoreError(code="newer-schema", reason=reason)
    Kept.metadata.create_all(connection)
    if version is None:
        first = [{"name": "schema", "value": SCHEMA}, {"name": "next_key", "value": 1}]
        connection.execute(insert(META), first)
