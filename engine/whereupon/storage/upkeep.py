"""Making and migrating tables without opening a store: under another role, or as SQL for others to run."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, create_mock_engine
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import ClauseElement

from whereupon.errors import StoreError
from whereupon.storage.sql.database_url import database_of, engine_of, schema_of
from whereupon.storage.sql.dialects import PATIENCE, Database
from whereupon.storage.sql.schema_version import first_rows, revision_of, revisions
from whereupon.storage.sql.store import SqlStore
from whereupon.storage.sql.tables import Base


@dataclass(frozen=True, slots=True)
class Migrated:
    """The versions of the tables before and after; None before, if there were none."""

    before: str | None
    after: str


def migrate(url_or_engine: object, *, schema: str | None = None) -> Migrated:
    """Make the tables, or migrate them.

    Raises:
        StoreError: as when a store is opened.
    """
    with _looking(url_or_engine, schema) as (connection, _):
        before = None if connection is None else revision_of(connection)
    SqlStore(url_or_engine, schema=schema).close()
    return Migrated(before, revisions()[-1])


def sql_of_migrating(url_or_engine: object, *, schema: str | None = None) -> str:
    """The SQL that `migrate` would run. The database is only read.

    Raises:
        StoreError: with the code ``no-sql``, if a step has to ask the database first.
    """
    with _looking(url_or_engine, schema) as (connection, database):
        found = None if connection is None else revision_of(connection)
    newest = revisions()[-1]
    if found == newest:
        return ""
    body = _made(database, newest) if found is None else _upgraded(database, found, newest)
    place = database.schema_sql(make=found is None)
    return "\n".join(["BEGIN;", *place, *body, "COMMIT;", ""])


@contextmanager
def _looking(
    url_or_engine: object, schema: str | None
) -> Iterator[tuple[Connection | None, Database]]:
    """A connection to read with, if there is a database."""
    engine, patience = engine_of(url_or_engine, patience=PATIENCE)
    database = database_of(engine, patience=patience, schema=schema_of(url_or_engine, schema))
    try:
        if not database.is_there():
            yield None, database
            return
        with database.schema_session(engine) as connection:
            yield connection, database
    finally:
        if engine is not url_or_engine:
            engine.dispose()


def _made(database: Database, newest: str) -> list[str]:
    statements: list[str] = []
    dialect = database.dialect

    def note(statement: ClauseElement, *_: object, **__: object) -> None:
        statements.append(_sql(statement, dialect))

    mock = create_mock_engine(f"{dialect.name}+{dialect.driver}://", note)
    Base.metadata.create_all(mock, checkfirst=False)
    statements += [_sql(row, dialect) for row in first_rows(database, newest)]
    return statements


def _upgraded(database: Database, found: str, newest: str) -> list[str]:
    from whereupon.storage.sql.migrations.running import sql_of_upgrade  # noqa: PLC0415 - Alembic is slow to import

    body = sql_of_upgrade(database.dialect.name, found)
    if body is None:
        reason = (
            f"what leads from version {found} to {newest} looks at the database first and cannot be written "
            "down: run `whereupon migrate --store URL` without --sql"
        )
        raise StoreError(code="no-sql", reason=reason)
    number = f"UPDATE whereupon_meta SET value = {int(newest)} WHERE name = 'schema';"  # noqa: S608 - a number
    return [body.strip(), number]


def _sql(statement: ClauseElement, dialect: Dialect) -> str:
    compiled = statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    return f"{str(compiled).strip()};"
