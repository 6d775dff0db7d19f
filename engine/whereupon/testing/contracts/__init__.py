"""What every store must do, as tests: subclass, say how yours is made, and let pytest run them.

    from whereupon.testing.contracts import StoreContract

    class TestMyStore(StoreContract):
        def make_store(self, folder):
            return MyStore(folder / "data")

A store implements `Reads`, `Writes` and `DueWork` of the port; `Questions` has defaults, which are tested,
too. This package needs pytest; nothing else in the library imports it. Each module tests one phase of the
port, or a part of it.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from whereupon.ports import Store
from whereupon.testing.contracts.api_keys import ApiKeysContract
from whereupon.testing.contracts.counted_sends import CountedSendsContract
from whereupon.testing.contracts.due_work import DueWorkContract
from whereupon.testing.contracts.entries import EntriesContract
from whereupon.testing.contracts.erasure import ErasureContract
from whereupon.testing.contracts.inbox import InboxContract
from whereupon.testing.contracts.operations import OperationsContract
from whereupon.testing.contracts.pages import PagesContract
from whereupon.testing.contracts.questions import QuestionsContract
from whereupon.testing.contracts.reads import ReadsContract
from whereupon.testing.contracts.reports import ReportsContract
from whereupon.testing.contracts.silences import SilencesContract
from whereupon.testing.contracts.skipped_lists import SkippedListsContract
from whereupon.testing.contracts.timers import TimersContract
from whereupon.testing.contracts.transactions import TransactionsContract
from whereupon.testing.contracts.writes import WritesContract


class StoreContract(
    ReadsContract,
    WritesContract,
    EntriesContract,
    ErasureContract,
    DueWorkContract,
    CountedSendsContract,
    QuestionsContract,
    InboxContract,
    OperationsContract,
    PagesContract,
    ReportsContract,
    ApiKeysContract,
    SilencesContract,
    SkippedListsContract,
    TimersContract,
    TransactionsContract,
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
