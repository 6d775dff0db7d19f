"""Every kind of store, and how a property gets an empty one for each of its examples."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from typing import TypeAlias

from sqlalchemy import Engine, StaticPool, create_engine, delete, inspect, table, text
from tests.servers import Server

from whereupon.ports import Store
from whereupon.storage import open_store
from whereupon.storage.memory.store import MemoryStore
from whereupon.storage.memory.tables import Table
from whereupon.storage.sql.addresses import engine_of

KINDS = ("memory", "sqlite", "postgres")

Opener: TypeAlias = Callable[[], AbstractContextManager[Store]]
"""Lends an empty store for one block."""

_LASTING = {"whereupon_meta", "whereupon_name", "whereupon_version"}  # what a store remembers


def contents(store: Store) -> dict[str, tuple[Mapping[object, object], object]]:
    """Every row that a store in memory keeps, by table, and every index."""
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
    """One store again and again: to open one for each example would take too long."""
    store = open_store(database)
    try:
        yield partial(_emptied, database, store)
    finally:
        store.close()
        database.dispose()


@contextmanager
def _emptied(database: Engine, store: Store) -> Iterator[Store]:
    with database.begin() as connection:
        names = inspect(connection).get_table_names()
        for name in sorted(set(names) - _LASTING):
            if name.startswith("whereupon_"):
                connection.execute(delete(table(name)))
        connection.execute(text("DELETE FROM whereupon_meta WHERE name LIKE 'process:%'"))
    yield store
