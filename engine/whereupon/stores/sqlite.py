"""SQLite: one writer at a time, write-ahead log, and a commit that is on the disk when it returns."""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    FromClause,
    StaticPool,
    Table,
    bindparam,
    create_engine,
    event,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError
from sqlalchemy.sql.elements import ClauseElement

from whereupon.codec import encode
from whereupon.errors import StoreError
from whereupon.stores.dialects import Database
from whereupon.stores.lending import Borrowed, Lender, no_transaction
from whereupon.stores.refusals import check_file, told

_PATIENCE_MS = 30_000
PRAGMAS = (
    f"PRAGMA busy_timeout = {_PATIENCE_MS}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 10000",
    "PRAGMA secure_delete = ON",
)


class Sqlite(Database):
    """The statements and transactions of SQLite."""

    def __init__(self, file: str | None = None) -> None:
        super().__init__(sqlite.dialect())
        self._file = None if file == ":memory:" or (file or "").startswith("file:") else file

    @contextmanager
    def session(self, engine: Engine) -> Iterator[Connection]:
        """Begin by locking, so that what is read stays true until the commit."""
        with told(), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            self._begin(connection)
            try:
                yield connection
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                connection.connection.rollback()  # no error when SQLite has rolled back already
                raise

    def _begin(self, connection: Connection) -> None:
        _lock(connection, "BEGIN IMMEDIATE")
        try:
            while not check_file(connection, self._file):
                _lock(connection, "BEGIN IMMEDIATE")
        except StoreError:
            connection.connection.rollback()
            raise

    @property
    def driver(self) -> type[sqlite3.Connection]:
        """Those of the standard library."""
        return sqlite3.Connection

    def lender(self) -> Lender:
        """A transaction begins with the first write, unless the host turned that off."""
        return Lender("sqlite://", _borrow)

    def join(self, connection: Connection) -> None:
        """Take the write lock, for a host's transaction may not have begun to write."""
        _lock(connection, "UPDATE whereupon_meta SET value = value WHERE name = 'schema'")

    def among(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """Membership in a JSON array: one parameter, however many members."""
        listed = func.json_each(bindparam(name)).table_valued("value")
        return column.in_(select(listed.c.value))

    def members(self, values: Collection[int] | Collection[str]) -> object:
        """A JSON array; SQLite would cut a text short at a NUL, so that is refused."""
        text = encode(list(values)).decode()
        if "\\u0000" in text:
            reason = "an id holds the character NUL, which a database cannot look up"
            raise StoreError(code="bad-text", reason=reason)
        return text

    def rows(self, numbers: Collection[tuple[int, ...]]) -> object:
        """A JSON array of arrays."""
        return encode(list(numbers)).decode()

    def needs(self) -> FromClause:
        """Rows of a JSON array of arrays."""
        listed = func.json_each(bindparam("needs")).table_valued("value")
        parts = [func.json_extract(listed.c.value, literal_column(f"'$[{n}]'")) for n in range(3)]
        names = ("owner", "since", "name_id")
        labelled = [part.label(name) for part, name in zip(parts, names, strict=True)]
        return select(*labelled).subquery("need")

    def upsert(
        self, table: Table, *, on: Sequence[str], change: Sequence[str], append: Sequence[str] = ()
    ) -> ClauseElement:
        """SQLite's own upsert, which is PostgreSQL's."""
        insert = sqlite.insert(table)
        if not change:
            return insert.on_conflict_do_nothing(index_elements=list(on))
        changed: dict[str, ColumnElement[Any]] = {name: insert.excluded[name] for name in change}
        for name in append:
            changed[name] = table.c[name] + literal_column("','") + insert.excluded[name]
        return insert.on_conflict_do_update(index_elements=list(on), set_=changed)


def _borrow(driver: sqlite3.Connection) -> Borrowed:
    if driver.isolation_level is None and not driver.in_transaction:
        raise no_transaction()

    def cursor() -> sqlite3.Cursor:
        made = driver.cursor()
        made.row_factory = None
        return made

    return Borrowed(driver, cursor)


def open_engine(url: URL) -> Engine:
    """An engine of the store's own; in memory, all threads share the one connection.

    With ``?synchronous=OFF`` in the URL a commit is not on the disk when it returns: for stores that
    are thrown away.
    """
    lasting = url.query.get("synchronous") != "OFF"
    url = url.difference_update_query(["synchronous"])
    if url.database in {None, "", ":memory:"}:
        engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    else:
        engine = create_engine(url)
    event.listen(engine, "connect", _prepare)
    if not lasting:
        event.listen(engine, "connect", _do_not_wait)
    return engine


def _do_not_wait(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    try:
        for pragma in PRAGMAS:
            connection.execute(pragma)
    except sqlite3.Error as error:
        connection.close()
        raise StoreError(code="unreachable", reason=f"cannot open the database: {error}") from error


def _lock(connection: Connection, how: str) -> None:
    try:
        connection.exec_driver_sql(how)
    except OperationalError as error:
        if "locked" not in str(error.orig):
            raise
        reason = (
            "another transaction keeps the database locked: "
            "end it, or lend its connection with connection="
        )
        raise StoreError(code="busy", reason=reason) from error
