"""What a URL or an engine leads to: the engine, and the kind of database behind it."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError

from whereupon.errors import StoreError
from whereupon.storage.sql.dialects import Database
from whereupon.storage.sql.sqlite import Sqlite
from whereupon.storage.sql.sqlite import open_engine as open_sqlite

_BACKENDS = "sqlite:///shop.db or postgresql://user@host/shop"
_DRIVER = "postgresql+psycopg"


def engine_of(url_or_engine: object, *, patience: float) -> tuple[Engine, float]:
    """The engine, and the seconds of patience that a URL may name itself."""
    if isinstance(url_or_engine, Engine):
        return url_or_engine, patience
    if not isinstance(url_or_engine, str | URL):
        kind = type(url_or_engine).__name__
        reason = f"a store is opened by an SQLAlchemy URL or engine, not by {kind}"
        raise StoreError(code="bad-url", reason=reason)
    try:
        url = make_url(url_or_engine)
        patience = _patience(url, patience)
        return _open(url.difference_update_query(["patience", "schema"]), patience), patience
    except (ArgumentError, ImportError) as error:  # not the URL itself: it may hold a password
        reason = f"that is not an SQLAlchemy URL such as {_BACKENDS}: {error}"
        raise StoreError(code="bad-url", reason=reason) from error
    except ValueError as error:  # nor what it says of the port: that may be a part of a password
        reason = f"the port is no number; write {_BACKENDS}, and a password's / : @ as %2F %3A %40"
        raise StoreError(code="bad-url", reason=reason) from error


def schema_of(url_or_engine: object, otherwise: str | None) -> str | None:
    """The schema that a URL may name itself; only databases that have some take one."""
    if isinstance(url_or_engine, Engine):
        backend, said = url_or_engine.dialect.name, None
    else:
        url = make_url(str(url_or_engine) if not isinstance(url_or_engine, URL) else url_or_engine)
        backend, said = url.get_backend_name(), url.query.get("schema")
    schema = otherwise if said is None else str(said)
    if schema is not None and backend == "sqlite":
        reason = "SQLite has no schemas: give each tenant a file of its own"
        raise StoreError(code="no-schema", reason=reason)
    if schema == "":
        raise StoreError(code="bad-url", reason="schema= in a URL is a schema's name")
    return schema


def _patience(url: URL, otherwise: float) -> float:
    said = url.query.get("patience")
    if said is None:
        return otherwise
    try:
        seconds = float(str(said))
    except ValueError:
        seconds = -1
    if not 0 <= seconds < float("inf"):
        raise StoreError(code="bad-url", reason="patience= in a URL is a number of seconds")
    return seconds


def _open(url: URL, patience: float) -> Engine:
    match url.get_backend_name():
        case "sqlite":
            return open_sqlite(url, patience=patience)
        case "postgresql" | "postgres":
            if url.drivername in {"postgresql", "postgres"}:
                url = url.set(drivername=_DRIVER)
            _check_driver(url.drivername)
            with _extra():
                from whereupon.storage.sql.postgres import open_engine  # noqa: PLC0415 - an extra
            return open_engine(url, patience=patience)
        case other:
            raise _unknown(other)


def database_of(
    engine: Engine,
    *,
    patience: float,
    schema: str | None = None,
    keeps_connection: bool = False,
) -> Database:
    """What is particular about an engine's database (of ``keeps_connection`` see `Sqlite` and `IdleConnections`)."""
    match engine.dialect.name:
        case "sqlite":
            file = engine.url.database
            return Sqlite(file, patience=patience, keeps_connection=keeps_connection)
        case "postgresql":
            _check_driver(f"postgresql+{engine.dialect.driver}")
            with _extra():
                from whereupon.storage.sql.postgres import Postgres  # noqa: PLC0415 - an extra
            return Postgres(patience=patience, schema=schema, keeps_connections=keeps_connection)
        case other:
            raise _unknown(other)


def shown(url: URL) -> str:
    """A URL as it may be printed: no password in it, wherever it stood."""
    secret = [name for name in url.query if "pass" in name.lower()]
    return url.difference_update_query(secret).render_as_string()


def _check_driver(name: str) -> None:
    if name != _DRIVER:
        reason = f"{name} is not a driver that a store runs on: use {_DRIVER}"
        raise StoreError(code="unknown-driver", reason=reason)


@contextmanager
def _extra() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        reason = f"PostgreSQL needs psycopg 3; pip install 'whereupon[postgres]' ({error})"
        raise StoreError(code="missing-extra", reason=reason) from error


def _unknown(backend: str) -> StoreError:
    reason = f"{backend} is not a database that a store can be kept in: use {_BACKENDS}"
    return StoreError(code="unknown-database", reason=reason)
