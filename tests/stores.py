"""Every kind of store that the suite asks for by name, each empty: the one list to add a store to."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from functools import cache

from sqlalchemy import Engine, StaticPool, create_engine, delete, inspect, table

from whereupon.ports import Store
from whereupon.stores import open_store

_LASTING = {"whereupon_meta", "whereupon_name"}  # what a store remembers of its database


@contextmanager
def _memory() -> Iterator[Store]:
    with closing(open_store("memory://")) as store:
        yield store


@contextmanager
def _sqlite() -> Iterator[Store]:
    database, store = _sqlite_in_memory()
    empty(database)
    yield store


@cache
def _sqlite_in_memory() -> tuple[Engine, Store]:
    database = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    return database, open_store(database)


def empty(database: Engine) -> None:
    """Take all that a store keeps out of its database."""
    names = {name for name in inspect(database).get_table_names() if name.startswith("whereupon_")}
    with database.begin() as connection:
        for name in sorted(names - _LASTING):
            connection.execute(delete(table(name)))


STORES: Mapping[str, Callable[[], AbstractContextManager[Store]]] = {
    "memory": _memory,
    "sqlite": _sqlite,
}
"""By name: lends an empty store for one block. Making a database for each would take too long."""
