"""Storage: everything that the engine keeps, in memory or in the host's own database.

The package implements the port (`whereupon.ports`) and decides nothing. It knows no rule; a condition reaches it only as
a prefilter. Only this package imports sqlalchemy, sqlmodel, alembic and psycopg.

For others: `open_store`, `StoreAddress`, `closed`, `MemoryStore`, `deadline` (how long a call may wait), and
`upkeep` for the commands on a store.
"""

from typing import TYPE_CHECKING, TypeAlias

from whereupon.ports import Store
from whereupon.storage.memory.store import MemoryStore
from whereupon.storage.write_lock import closed

if TYPE_CHECKING:
    from sqlalchemy import Engine as DatabaseEngine

__all__ = ["MemoryStore", "StoreAddress", "closed", "open_store"]

StoreAddress: TypeAlias = "str | DatabaseEngine"
"""An SQLAlchemy URL or engine; ``memory://`` keeps nothing."""


def open_store(
    url_or_engine: StoreAddress,
    *,
    patience: float | None = None,
    make: bool = True,
    migrate: bool = True,
    schema: str | None = None,
) -> Store:
    """The store at an SQLAlchemy URL or behind an SQLAlchemy engine; ``memory://`` keeps nothing.

    Args:
        url_or_engine: where.
        patience: seconds that a call waits for others before it gives up, 30 by default;
            ``?patience=`` in a URL comes first.
        make: whether to make our tables where there are none.
        migrate: whether to change the database at all: to make tables, or to bring them up to date.
        schema: where they are, on PostgreSQL; ``?schema=`` in a URL comes first.
    """
    if url_or_engine == "memory://":
        return MemoryStore(patience=patience)
    from whereupon.storage.sql.dialects import PATIENCE  # noqa: PLC0415 - as below
    from whereupon.storage.sql.store import SqlStore  # noqa: PLC0415 - a third of a second that memory saves

    patience = PATIENCE if patience is None else patience
    return SqlStore(url_or_engine, patience=patience, make=make, migrate=migrate, schema=schema)
