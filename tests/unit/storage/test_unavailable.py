"""Stores that cannot write: typed errors, no partial batch, and the next call works."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from sqlite3 import Connection as Driver

import pytest
from sqlalchemy import Engine as Database
from sqlalchemy import create_engine, event
from tests.rule_files import book_of
from tests.servers import Server, mortal
from tests.shop import purchase, thanks

from whereupon import Engine, StoreError
from whereupon.records import Changes
from whereupon.storage.sql.database_url import engine_of

_RULES = book_of(thanks(whereupon=[{"send": "push", "title": "Thanks " * 100}]))


def _known(engine: Engine, numbers: range) -> set[str]:
    with engine.store.session() as session:
        return session.known_messages([f"purchase-{number}" for number in numbers])


def _counts(engine: Engine) -> tuple[int, int, int]:
    with engine.store.session() as session:
        counts = session.counts()
    return counts.messages, counts.entries, counts.deliveries


class _SmallDisk:
    """A database whose file may not grow beyond so many pages."""

    def __init__(self, file: Path) -> None:
        self.pages = 150
        self.database: Database = create_engine(f"sqlite:///{file}")
        event.listen(self.database, "checkout", self._limit)

    def _limit(self, connection: Driver, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {self.pages}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[_SmallDisk]:
    """A disk with room for some batches."""
    disk = _SmallDisk(tmp_path / "shop.db")
    yield disk
    disk.database.dispose()


def _fill(engine: Engine) -> int:
    """Send batches of ten until one is refused; return how many were accepted."""
    taken = 0
    with pytest.raises(StoreError) as caught:  # noqa: PT012 - one of them is refused
        for taken in range(1_000):
            engine.ingest([purchase(taken * 10 + place) for place in range(10)])
    assert caught.value.code == "full"
    return taken


def test_a_full_disk_refuses_a_batch_as_a_whole_and_keeps_what_it_had(disk: _SmallDisk) -> None:
    """Every accepted message is there, and none of the refused batch."""
    engine = Engine.open(disk.database, rules=_RULES)
    taken = _fill(engine)
    assert taken > 1
    assert _counts(engine) == (taken * 10,) * 3
    assert len(_known(engine, range(taken * 10))) == taken * 10


def test_a_batch_that_found_no_room_goes_in_when_there_is_some(disk: _SmallDisk) -> None:
    """The sender sends it again, and nothing else is needed."""
    engine = Engine.open(disk.database, rules=_RULES)
    taken = _fill(engine)
    disk.pages = 100_000
    refused = [purchase(taken * 10 + place) for place in range(10)]
    assert engine.ingest(refused).accepted == 10
    assert _counts(engine) == ((taken + 1) * 10,) * 3


@pytest.mark.slow
def test_a_full_disk_keeps_deliveries_for_later(disk: _SmallDisk) -> None:
    """They wait in the outbox; a sent delivery that could not be settled is sent again."""
    engine = Engine.open(disk.database, rules=_RULES)
    engine.channel("push")(lambda _: None)
    taken = _fill(engine)
    disk.pages = 100_000
    assert engine.run_due().dispatched.sent == taken * 10


def test_a_database_whose_folder_is_gone_is_an_error_and_not_a_loss(tmp_path: Path) -> None:
    """SQLite alone would go on writing into the deleted file."""
    home = tmp_path / "data"
    home.mkdir()
    engine = Engine.open(f"sqlite:///{home}/shop.db", rules=_RULES)
    engine.ingest([purchase(1)])
    home.rename(tmp_path / "elsewhere")
    with pytest.raises(StoreError) as caught:
        engine.ingest([purchase(2)])
    assert caught.value.code == "unreachable"
    (tmp_path / "elsewhere").rename(home)
    assert engine.ingest([purchase(1), purchase(2)]).accepted == 1
    assert _known(engine, range(3)) == {"purchase-1", "purchase-2"}
    engine.close()


def test_a_database_that_was_restored_from_a_backup_is_opened_anew(tmp_path: Path) -> None:
    """Later messages are recorded in the new file."""
    file = tmp_path / "shop.db"
    Engine.open(f"sqlite:///{file}", rules=_RULES).close()
    shutil.copy(file, tmp_path / "backup.db")
    engine = Engine.open(f"sqlite:///{file}", rules=_RULES)
    engine.ingest([purchase(1)])
    for left in tmp_path.glob("shop.db*"):
        left.unlink()
    shutil.copy(tmp_path / "backup.db", file)
    assert engine.ingest([purchase(2)]).accepted == 1
    engine.close()
    again = Engine.open(f"sqlite:///{file}", rules=_RULES)
    assert _known(again, range(3)) == {"purchase-2"}
    again.close()


def test_a_database_that_was_replaced_by_an_empty_one_says_so(tmp_path: Path) -> None:
    """Tables are made when a store is opened, not later."""
    file = tmp_path / "shop.db"
    engine = Engine.open(f"sqlite:///{file}", rules=_RULES)
    for left in tmp_path.glob("shop.db*"):
        left.unlink()
    file.touch()
    with pytest.raises(StoreError) as caught:
        engine.ingest([purchase(1)])
    assert caught.value.code == "no-tables"
    engine.close()


def test_a_file_that_is_damaged_is_named_as_such(tmp_path: Path) -> None:
    """Neither a driver's error nor an empty answer is given."""
    file = tmp_path / "shop.db"
    with Engine.open(f"sqlite:///{file}", rules=_RULES) as engine:
        engine.ingest([purchase(number) for number in range(100)])
    content = file.read_bytes()
    file.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    database = create_engine(f"sqlite:///{file}")
    with pytest.raises(StoreError) as caught:
        Engine.open(database, rules=_RULES).ingest([purchase(1)])
    assert caught.value.code == "damaged"
    database.dispose()


def test_a_database_that_may_only_be_read_says_so(tmp_path: Path) -> None:
    """As with a file system that is mounted read-only."""
    file = tmp_path / "shop.db"
    Engine.open(f"sqlite:///{file}", rules=_RULES).close()
    database = create_engine(f"sqlite:///file:{file}?mode=ro&uri=true")
    with pytest.raises(StoreError) as caught:
        Engine.open(database, rules=_RULES).ingest([purchase(1)])
    assert caught.value.code == "read-only"
    database.dispose()


# --- PostgreSQL ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def frail() -> Iterator[Server]:
    """A server for this file alone, which may be stopped."""
    with mortal() as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("how", [Server.stop, Server.crash])
def test_a_server_that_is_away_is_an_error_and_the_next_call_works_when_it_is_back(
    how: Callable[[Server], None], frail: Server
) -> None:
    """Accepted messages are there; the same engine accepts the others without a restart."""
    with frail.empty() as url, Engine.open(url, rules=_RULES) as engine:
        engine.ingest([purchase(1)])
        how(frail)
        with pytest.raises(StoreError) as caught:
            engine.ingest([purchase(2)])
        assert caught.value.code == "unreachable"
        frail.start()
        assert engine.ingest([purchase(1), purchase(2)]).accepted == 1
        assert _counts(engine) == (2, 2, 2)


@pytest.mark.slow
def test_a_server_that_goes_away_in_the_middle_of_a_transaction_keeps_nothing_of_it(
    frail: Server,
) -> None:
    """The error is typed, too, if the first statements had succeeded."""
    with frail.empty() as url, Engine.open(url, rules=_RULES) as engine:
        with pytest.raises(StoreError) as caught, engine.store.session() as session:  # noqa: PT012
            session.flush(Changes(rule_versions={"d1": ("thanks", b"{}")}))
            frail.crash()
            session.flush(Changes(rule_versions={"d2": ("thanks", b"{}")}))
        assert caught.value.code == "unreachable"
        frail.start()
        with engine.store.session() as session:
            assert session.rule_version("d1") is None


def test_a_server_that_only_reads_says_so(postgres: str) -> None:
    """As a standby does."""
    Engine.open(postgres, rules=_RULES).close()
    engine = Engine.open(f"{postgres}%20-cdefault_transaction_read_only%3Don")
    with pytest.raises(StoreError) as caught:
        engine.ingest([purchase(1)])
    assert caught.value.code == "read-only"
    engine.close()


def test_what_is_accepted_is_on_the_disk_unless_the_store_is_to_be_thrown_away(
    tmp_path: Path,
) -> None:
    """Each commit waits for the disk, with SQLite's strictest usual setting."""
    for query, level in (("", 2), ("?synchronous=OFF", 0)):  # FULL is 2
        database, _ = engine_of(f"sqlite:///{tmp_path}/shop.db{query}", patience=30)
        with database.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == level
        database.dispose()
