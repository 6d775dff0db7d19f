"""Every store of the library keeps the store's contract."""

from pathlib import Path

import pytest
from tests.contracts.plain import PlainStore

from whereupon.ports import DueWork, Questions, Reads, Session, Store
from whereupon.storage import open_store
from whereupon.storage.sql.store import SqlSession
from whereupon.testing.contracts import StoreContract


class TestMemoryStore(StoreContract):
    """The store without a database."""

    def make_store(self, folder: Path) -> Store:
        """Nothing on the disk."""
        assert folder.is_dir()
        return open_store("memory://")


class TestPlainStore(StoreContract):
    """A store that implements no method that has a default, as a third party's may."""

    def make_store(self, folder: Path) -> Store:
        """Nothing on the disk."""
        assert folder.is_dir()
        return PlainStore()


def test_the_databases_answer_every_read_themselves() -> None:
    """A default would read whole tables: none of them is left in a session on a database."""
    phases = (Reads, Questions, DueWork)
    asked = {name for phase in phases for name in vars(phase) if not name.startswith("_")}
    own = {name for name in asked if getattr(SqlSession, name) is not getattr(Session, name)}
    assert asked - own == set()


class TestSqliteFile(StoreContract):
    """SQLite as it is used."""

    def make_store(self, folder: Path) -> Store:
        """A file of its own for each test."""
        return open_store(f"sqlite:///{folder}/store.db")


class TestSqliteInMemory(StoreContract):
    """SQLite without a file: all threads share one connection."""

    def make_store(self, folder: Path) -> Store:
        """Nothing on the disk."""
        assert folder.is_dir()
        return open_store("sqlite://")


class TestPostgres(StoreContract):
    """PostgreSQL as it is used."""

    url: str

    @pytest.fixture(autouse=True)
    def _database(self, postgres: str) -> None:
        self.url = postgres

    def make_store(self, folder: Path) -> Store:
        """A database of its own for each test."""
        assert folder.is_dir()
        return open_store(self.url)
