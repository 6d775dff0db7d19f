"""What every store must do, as tests: subclass, say how yours is made, and let pytest run them.

    from whereupon.testing.contracts import StoreContract

    class TestMyStore(StoreContract):
        def make_store(self, folder):
            return MyStore(folder / "data")

This package needs pytest; nothing else in the library imports it. Each module holds the tests of one part of
the port.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from whereupon.ports import Store
from whereupon.testing.contracts.claims import Claims
from whereupon.testing.contracts.deciding import Deciding
from whereupon.testing.contracts.entries import Entries
from whereupon.testing.contracts.erasing import Erasing
from whereupon.testing.contracts.ledger import Ledger
from whereupon.testing.contracts.outbox import Outbox
from whereupon.testing.contracts.people import People
from whereupon.testing.contracts.recording import Recording
from whereupon.testing.contracts.sessions import Sessions


class StoreContract(
    Recording, People, Claims, Entries, Outbox, Ledger, Deciding, Sessions, Erasing
):
    """The tests. Each gets a store of its own, empty."""

    def make_store(self, folder: Path) -> Store:
        """Make an empty store; ``folder`` is an empty folder, for a store that keeps files."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        """The store under test."""
        store = self.make_store(tmp_path)
        yield store
        store.close()
