"""Every store of the library keeps the contract of stores."""

from pathlib import Path

import pytest
from tests.contracts.plain import PlainStore

from whereupon.ports import DueWork, Questions, Reads, Session, Store
from whereupon.storage import open_store
from whereupon.storage.sql.session import SqlSession
from whereupon.testing.contracts import StoreContract


class TestMemoryStore(StoreContract):
    """The store without a database."""

    def make_store(self, folder: Path) -> Store:
        """Return a store without files."""
        assert folder.is_dir()
        return open_store("memory://")


class TestPlainStore(StoreContract):
    """A store that implements no method that has a default, as a third party's may."""

    def make_store(self, folder: Path) -> Store:
        """Return a store without files."""
        assert folder.is_dir()
        return PlainStore()


def test_the_databases_answer_every_read_themselves() -> None:
    """A default would read whole tables: none of them is left in a session on a database."""
    phases = (Reads, Questions, DueWork)
    asked = {name for phase in phases for name in vars(phase) if not name.startswith("_")}
    own = {name for name in asked if getattr(SqlSession, name) is not getattr(Session, name)}
    assert asked - own == set()


class TestSqliteFile(StoreContract):
    """SQLite in a file."""

    def make_store(self, folder: Path) -> Store:
        """Return a store in a new file."""
        return open_store(f"sqlite:///{folder}/store.db")


class TestSqliteInMemory(StoreContract):
    """SQLite without a file: all threads share one connection."""

    def make_store(self, folder: Path) -> Store:
        """Return a store without files."""
        assert folder.is_dir()
        return open_store("sqlite://")


class TestPostgres(StoreContract):
    """PostgreSQL."""

    url: str

    @pytest.fixture(autouse=True)
    def _database(self, postgres: str) -> None:
        self.url = postgres

    def make_store(self, folder: Path) -> Store:
        """Return a store in a database of its own."""
        assert folder.is_dir()
        return open_store(self.url)
