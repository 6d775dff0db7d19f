"""Every kind of store: an empty one for each test or example, and its contents."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from typing import TypeAlias

from sqlalchemy import Engine, StaticPool, create_engine, inspect, text
from tests.servers import Server

import whereupon
from whereupon.ports import Store
from whereupon.storage import open_store
from whereupon.storage.memory.store import MemoryStore
from whereupon.storage.memory.tables import Table
from whereupon.storage.sql.database_url import engine_of

KINDS = ("memory", "sqlite", "postgres")

Tables: TypeAlias = dict[str, list[tuple[object, ...]]]
"""Rows by the name of their table."""

Opener: TypeAlias = Callable[[], AbstractContextManager[Store]]
"""Lends an empty store for one block."""

_LASTING = {"whereupon_meta", "whereupon_name", "whereupon_version"}  # what a store remembers


def contents(store: Store) -> dict[str, tuple[Mapping[object, object], object]]:
    """Every row of a store in memory by table, and every index."""
    assert isinstance(store, MemoryStore)
    named = vars(store.schema).items()
    tables = {name: each for name, each in named if isinstance(each, Table)}
    return {
        name: (table.rows, [vars(index) for index in vars(table)["_indexes"]])
        for name, table in tables.items()
    }


@contextmanager
def in_memory() -> Iterator[Store]:
    """An empty store without a database."""
    with closing(open_store("memory://")) as store:
        yield store


@contextmanager
def on_sqlite() -> Iterator[Opener]:
    """Stores on SQLite, without a file."""
    database = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    with _on(database) as opener:
        yield opener


@contextmanager
def on_postgres(server: Server) -> Iterator[Opener]:
    """Stores on a server."""
    with server.clean() as url:
        database, _ = engine_of(url, patience=30)
        with _on(database) as opener:
            yield opener


@contextmanager
def _on(database: Engine) -> Iterator[Opener]:
    """One store for many examples: to open one for each would take too long."""
    store = open_store(database)
    try:
        yield partial(_emptied, database, _emptying(database), store)
    finally:
        store.close()
        database.dispose()


def _emptying(database: Engine) -> list[str]:
    """What empties a store; PostgreSQL takes all of it at once."""
    names = sorted(set(inspect(database).get_table_names()) - _LASTING)
    emptying = [f"DELETE FROM {name}" for name in names if name.startswith("whereupon_")]  # noqa: S608
    emptying.append("DELETE FROM whereupon_meta WHERE name LIKE 'process:%'")
    return emptying if database.dialect.name == "sqlite" else ["; ".join(emptying)]


@contextmanager
def _emptied(database: Engine, emptying: list[str], store: Store) -> Iterator[Store]:
    with database.begin() as connection:
        for statement in emptying:
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    yield store


def tables_of(engine: whereupon.Engine) -> Tables:
    """All rows of the engine's store in memory, without the counter of keys."""
    return {
        name: sorted((repr(row),) for key, row in rows.items() if key != "next_key")
        for name, (rows, _) in contents(engine.store).items()
    }


def tables_in(database: str) -> Tables:
    """All rows of our tables in a database, without the counter of keys and the marks of processes."""
    engine, _ = engine_of(database, patience=30)
    with engine.connect() as connection:
        names = [n for n in inspect(connection).get_table_names() if n.startswith("whereupon_")]
        rows = {
            name: [tuple(row) for row in connection.execute(text(f"SELECT * FROM {name}"))]  # noqa: S608
            for name in names
        }
    engine.dispose()
    rows["whereupon_meta"] = [
        row
        for row in rows["whereupon_meta"]
        if row[0] != "next_key" and not str(row[0]).startswith("process:")
    ]
    return {name: sorted(found, key=repr) for name, found in rows.items()}


def owners_of(engine: whereupon.Engine) -> dict[str, str]:
    """The owner of each message by its id: a user id, or for a waiting message its anonymous id."""
    store = engine.store
    assert isinstance(store, MemoryStore)
    schema = store.schema
    return {
        message.message_id: schema.persons.rows[message.owner].user_id
        if message.owner in schema.persons.rows
        else f"waits: {message.anonymous_id}"
        for message in schema.messages.rows.values()
    }
