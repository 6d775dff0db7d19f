"""Every store of the library keeps the store's contract."""

from pathlib import Path

import pytest

from whereupon.ports import Store
from whereupon.storage import open_store
from whereupon.testing.contracts import StoreContract


class TestMemoryStore(StoreContract):
    """The store without a database."""

    def make_store(self, folder: Path) -> Store:
        """Nothing on the disk."""
        assert folder.is_dir()
        return open_store("memory://")


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
