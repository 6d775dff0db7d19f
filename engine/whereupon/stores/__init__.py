"""Where everything is kept: in memory, or in the host's own database.

sqlalchemy and sqlmodel are known in this package only.
"""

from whereupon.ports import Store
from whereupon.stores.memory import MemoryStore

__all__ = ["MemoryStore", "open_store"]


def open_store(url_or_engine: object) -> Store:
    """The store at an SQLAlchemy URL or behind an SQLAlchemy engine; ``memory://`` keeps nothing."""
    if url_or_engine == "memory://":
        return MemoryStore()
    from whereupon.stores.sql import SqlStore  # noqa: PLC0415 - a third of a second that memory saves

    return SqlStore(url_or_engine)
