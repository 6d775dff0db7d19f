"""Facts about a database for those who look after it, found without changing anything."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from whereupon.errors import StoreError
from whereupon.storage.sql.database_url import database_of, engine_of, schema_of, shown
from whereupon.storage.sql.schema_version import revision_of, revisions

_PATIENCE = 5.0
"""Seconds to wait for a database."""

_SETTINGS = ("fsync", "full_page_writes", "synchronous_commit", "default_transaction_read_only")
_TABLES = """
SELECT p.name || ' ON ' || c.relname FROM pg_class c
CROSS JOIN (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) p(name)
WHERE c.relkind = 'r' AND c.relname LIKE 'whereupon\\_%%' AND pg_table_is_visible(c.oid)
  AND NOT has_table_privilege(c.oid, p.name)
UNION ALL
SELECT 'USAGE ON SEQUENCE ' || c.relname FROM pg_class c
WHERE c.relkind = 'S' AND c.relname LIKE 'whereupon\\_%%' AND pg_table_is_visible(c.oid)
  AND CASE c.relkind WHEN 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE') END
ORDER BY 1"""


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What was found.

    Attributes:
        shown: the URL without a password.
        product: the database's name and version.
        version: of the tables; None if there are none.
        newest: the version that this library makes.
        clock: the database's time; of a database in this process, the machine's.
        settings: of the server, as far as they matter.
        missing_grants: what the role may not do, such as ``INSERT ON whereupon_person``.
        free: bytes that are free on the disk of the file; None if the database is no file here.
    """

    shown: str
    product: str
    version: str | None
    newest: str
    clock: datetime
    settings: Mapping[str, str]
    missing_grants: tuple[str, ...]
    free: int | None


def inspect_store(url: str, *, schema: str | None = None) -> StoreFacts:
    """Look at a database.

    Raises:
        StoreError: it cannot be reached, or there is no such file (``no-store``).
    """
    engine, _ = engine_of(url, patience=_PATIENCE)
    try:
        return _inspected(engine, url, schema)
    except DBAPIError as error:
        reason = f"cannot open {shown(engine.url)}: {error.orig}"
        raise StoreError(code="unreachable", reason=reason) from error
    finally:
        engine.dispose()


def _inspected(engine: Engine, url: str, schema: str | None) -> StoreFacts:
    database = database_of(engine, patience=_PATIENCE, schema=schema_of(url, schema))
    is_server = engine.dialect.name == "postgresql"
    file = None if is_server or not engine.url.database else Path(engine.url.database)
    if file is not None and not file.exists():
        raise StoreError(code="no-store", reason=f"there is no file {file}")
    connected = (None if is_server else database.reading(engine)) or database.schema_session(engine)
    with connected as connection:
        name = "PostgreSQL" if is_server else "SQLite"
        number = ".".join(map(str, engine.dialect.server_version_info or ()))
        return StoreFacts(
            shown=shown(engine.url),
            product=f"{name} {number}".strip(),
            version=revision_of(connection),
            newest=revisions()[-1],
            clock=_clock(connection, is_server=is_server),
            settings=_settings(connection) if is_server else {},
            missing_grants=_missing(connection) if is_server else (),
            free=None if file is None else shutil.disk_usage(file.parent).free,
        )


def _clock(connection: Connection, *, is_server: bool) -> datetime:
    asked = (
        "SELECT extract(epoch FROM clock_timestamp())::float8"
        if is_server
        else "SELECT (julianday('now') - 2440587.5) * 86400.0"
    )
    return datetime.fromtimestamp(float(connection.exec_driver_sql(asked).scalar_one()), UTC)


def _settings(connection: Connection) -> dict[str, str]:
    asked = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)"
    rows = connection.exec_driver_sql(asked, ([*_SETTINGS],))
    return {str(name): str(value) for name, value in rows}


def _missing(connection: Connection) -> tuple[str, ...]:
    return tuple(str(row[0]) for row in connection.exec_driver_sql(_TABLES, ()))
