"""Opening stores, and their errors."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import cast

import pytest
from sqlalchemy import Engine, create_engine, inspect, text

from whereupon.errors import StoreError
from whereupon.messages.model import erased_name
from whereupon.messages.times import as_micros
from whereupon.ports import Settlement, Store
from whereupon.records import (
    Changes,
    DeliveryState,
    Device,
    Merge,
    MetricReport,
    ObjectRecord,
    Relationship,
)
from whereupon.storage import MemoryStore, open_store
from whereupon.storage.deadline import Deadline
from whereupon.storage.sql.file_queue import FileQueue
from whereupon.storage.sql.store import SqlStore
from whereupon.testing.contracts.samples import (
    ADA,
    BOB,
    NOON,
    all_of,
    delivery,
    message,
    save,
    saying,
)


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """A host's own engine with a table of the host's, on each kind of database."""
    engine = create_engine(database.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE orders (id INTEGER)"))
    yield engine
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE orders"))
    engine.dispose()


def is_known(store: Store, message_id: str) -> bool:
    """Whether a message is recorded."""
    with store.session() as session:
        return bool(session.known_messages([message_id]))


def orders(engine: Engine) -> int:
    """The number of the host's orders."""
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM orders")).scalar_one())


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("nonsense", "bad-url"),
        (cast("str", 42), "bad-url"),
        ("mysql://localhost/shop", "unknown-database"),
        ("sqlite:////nowhere/at/all/shop.db", "unreachable"),
        ("sqlite+nonsense:///shop.db", "bad-url"),
        ("postgresql://shop:secret@127.0.0.1:1/shop?patience=1", "unreachable"),
        ("postgresql+asyncpg://shop:secret@127.0.0.1/shop", "unknown-driver"),
        ("postgresql:///shop?host=/nowhere&password=secret", "unreachable"),
        ("nonsense://shop:secret@127.0.0.1/shop", "unknown-database"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused(address: str, code: str) -> None:
    """With a stable code and a sentence."""
    with pytest.raises(StoreError) as caught:
        open_store(address)
    assert caught.value.code == code
    assert "secret" not in str(caught.value)


def test_without_its_driver_postgres_says_what_to_install() -> None:
    """The driver is an extra of ours that most do without."""
    asked = """
import sys
sys.modules["psycopg"] = None
from whereupon.storage import open_store
try:
    open_store("postgresql://shop@127.0.0.1/shop")
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("StoreError missing-extra: ")
    assert "pip install 'whereupon[postgres]'" in done.stdout


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """The file is not changed."""
    path = tmp_path / "letter.txt"
    path.write_text("Dear Ada, " * 200)
    with pytest.raises(StoreError) as caught:
        open_store(f"sqlite:///{path}")
    assert caught.value.code == "unreachable"
    assert path.read_text() == "Dear Ada, " * 200


def test_a_store_is_found_again(tmp_path: Path) -> None:
    """Opened again, by another process or this one, it holds what it held."""
    url = f"sqlite:///{tmp_path}/store.db"
    first = open_store(url)
    save(first, all_of(ADA, start=10))
    first.close()
    second = open_store(url)
    assert is_known(second, "m-10")
    second.close()


def test_tables_of_a_newer_library_are_refused(tmp_path: Path) -> None:
    """An older library would write what the newer one cannot read."""
    url = f"sqlite:///{tmp_path}/store.db"
    open_store(url).close()
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        connection.execute("UPDATE whereupon_meta SET value = 99 WHERE name = 'schema'")
        connection.commit()
    with pytest.raises(StoreError) as caught:
        open_store(url)
    assert caught.value.code == "newer-schema"


def test_our_tables_stand_beside_the_hosts(engine: Engine) -> None:
    """All of ours begin with the library's name; the host's engine stays open when we close."""
    store = open_store(engine)
    store.close()
    with engine.connect() as connection:
        ours = set(inspect(connection).get_table_names()) - {"orders"}
    assert all(name.startswith("whereupon_") for name in ours)
    assert orders(engine) == 0


def test_a_hosts_transaction_commits_both(engine: Engine) -> None:
    """The order and its record become visible together, when the host commits."""
    store = open_store(engine)
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO orders VALUES (1)"))
        with store.session(connection) as session:
            first = session.allocate(1)
            session.flush(Changes(messages=[message(first)]))
        assert connection.in_transaction()
        connection.commit()
    assert is_known(store, f"m-{first}")
    assert orders(engine) == 1


def test_a_hosts_rollback_takes_both_back(engine: Engine) -> None:
    """Neither the order, nor its record, nor the new names stay."""
    store = open_store(engine)
    with engine.connect() as connection:
        with store.session(connection) as session:
            session.flush(Changes(messages=[message(1, name="new")]))
        connection.execute(text("INSERT INTO orders VALUES (1)"))
        connection.rollback()
    assert not is_known(store, "m-1")
    assert orders(engine) == 0
    save(store, Changes(messages=[message(2, name="other"), message(3, name="new")]))
    with store.session() as session:
        found = session.owned_messages([ADA], NOON)
    assert [m.name for m in found] == ["other", "new"]


def test_a_failing_block_leaves_the_hosts_transaction_alone(engine: Engine) -> None:
    """The host may go on and commit its order; of our record nothing is left."""
    store = open_store(engine)
    save(store, Changes(messages=[message(1)]))
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO orders VALUES (1)"))
        with pytest.raises(StoreError), store.session(connection) as session:  # noqa: PT012 - the block
            session.flush(Changes(messages=[message(2)]))
            session.flush(Changes(messages=[message(1)]))
    assert orders(engine) == 1
    assert not is_known(store, "m-2")


def test_names_of_a_failed_session_are_not_trusted(tmp_path: Path) -> None:
    """The number of a name that was rolled back may become that of another name."""
    store = open_store(f"sqlite:///{tmp_path}/store.db")
    with pytest.raises(ZeroDivisionError), store.session() as session:  # noqa: PT012 - the block
        session.flush(Changes(messages=[message(1, name="lost")]))
        raise ZeroDivisionError
    save(store, Changes(messages=[message(1, name="other")]))
    save(store, Changes(messages=[message(2, name="lost")]))
    with store.session() as session:
        assert [m.name for m in session.owned_messages([ADA], NOON)] == ["other", "lost"]
    store.close()


def test_a_connection_must_be_one(engine: Engine) -> None:
    """An engine or an ORM session is not a connection, and a store in memory has no connections."""
    for store in (open_store(engine), MemoryStore()):
        with pytest.raises(StoreError) as caught, store.session(engine):
            pass
        assert caught.value.code == "no-connection"


def test_a_session_within_a_session_is_refused(place: str) -> None:
    """It would wait for itself for ever."""
    store = open_store(place)
    with store.session(), pytest.raises(StoreError) as caught, store.session():
        pass
    assert caught.value.code == "nested-session"
    assert not is_known(store, "m-1")
    store.close()


def test_a_locked_database_is_reported(tmp_path: Path) -> None:
    """A host that keeps its transaction open and does not pass its connection is told so."""
    engine = create_engine(f"sqlite:///{tmp_path}/shop.db")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE orders (id INTEGER)"))
    impatient = create_engine(engine.url, connect_args={"timeout": 0})
    store = SqlStore(impatient, patience=0)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO orders VALUES (1)"))
        with pytest.raises(StoreError) as caught:
            save(store, Changes(messages=[message(1)]))
    assert caught.value.code == "busy"
    save(store, Changes(messages=[message(1)]))
    impatient.dispose()
    engine.dispose()


def test_a_locked_database_is_waited_for(tmp_path: Path) -> None:
    """A lock that is held for less than the patience delays a call, and breaks none."""
    url = f"sqlite:///{tmp_path}/shop.db"
    store = open_store(url)
    engine = create_engine(url, connect_args={"check_same_thread": False})
    written = Thread(target=save, args=(store, Changes(messages=[message(1)])))
    with engine.connect() as connection:
        connection.execute(text("UPDATE whereupon_meta SET value = value"))
        written.start()
        connection.rollback()
    written.join()
    assert is_known(store, "m-1")
    engine.dispose()
    store.close()


def test_patience_is_a_number_of_seconds(tmp_path: Path) -> None:
    """In a URL as in a call; other values are refused."""
    open_store(f"sqlite:///{tmp_path}/shop.db?patience=2.5").close()
    with pytest.raises(StoreError) as caught:
        open_store(f"sqlite:///{tmp_path}/shop.db?patience=long")
    assert caught.value.code == "bad-url"


def test_the_first_to_wait_for_the_database_is_next(tmp_path: Path) -> None:
    """No later caller is let in first, however well timed."""
    queue = FileQueue(f"{tmp_path}/shop.db")
    place = queue.wait(Deadline(0))
    with pytest.raises(StoreError) as caught:
        FileQueue(f"{tmp_path}/shop.db").wait(Deadline(0.01))
    assert caught.value.code == "busy"
    queue.leave(place)
    queue.leave(queue.wait(Deadline(0)))


def test_two_stores_of_one_file_wait_for_each_other(tmp_path: Path) -> None:
    """As two processes would: no lost update, no locked database, no key twice."""
    url = f"sqlite:///{tmp_path}/store.db"

    def write() -> None:
        store = open_store(url)
        for _ in range(20):
            with store.session() as session:
                first = session.allocate(5)
                session.flush(Changes(messages=[message(first + n) for n in range(5)]))
        store.close()

    threads = [Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = open_store(url)
    with store.session() as session:
        assert session.counts().messages == 300
    store.close()


def test_an_id_with_a_nul_is_refused(database: str) -> None:
    """SQLite would look up the text before it, and PostgreSQL cannot store it."""
    store = open_store(database)
    with pytest.raises(StoreError) as caught, store.session() as session:
        session.known_messages(["m\0"])
    assert caught.value.code == "bad-text"
    store.close()


def test_half_a_character_is_refused_by_postgres(postgres: str) -> None:
    """UTF-8 cannot encode it."""
    store = open_store(postgres)
    with pytest.raises(StoreError) as caught:
        save(store, Changes(messages=[saying(message(1), message_id="\ud800")]))
    assert caught.value.code == "bad-text"
    store.close()


def test_a_nul_outside_of_ids_is_escaped_by_postgres(postgres: str) -> None:
    """A device's token and a channel's error may hold any text."""
    store = open_store(postgres)
    save(store, Changes(deliveries=[delivery(1)]))
    settled = Settlement(1, DeliveryState.DEAD, 1, NOON, "it said \0")
    with store.session() as session:
        session.flush(Changes(devices={"t\0": Device("t\0", ADA, None, {"a\0": "\0"}, NOON)}))
        session.settle([settled])
        assert session.deliveries([DeliveryState.DEAD], 1)[0].reason == "it said ␀"
    store.close()


def test_nothing_of_an_erased_person_is_in_the_file(tmp_path: Path) -> None:
    """Not in any table, and not in the free pages of the file."""
    store = open_store(f"sqlite:///{tmp_path}/store.db")
    save(store, all_of(BOB, start=20))
    save(store, all_of(ADA, start=10))
    save(store, Changes(messages=[message(5, name="buy")]))
    save(store, Changes(merges=[Merge(BOB, ADA, "ada", "m-10", NOON)]))
    save(store, Changes(erased_persons=[BOB]))
    store.close()
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    traces = [b"ada", b"user-2", b"anon-11", b"anon-21", b"Thanks", b"t-1", b"acme", b"m-10"]
    assert [trace for trace in traces if trace in held] == []


@pytest.mark.parametrize("erased_persons", [[], [ADA]])
def test_memory_moves_and_erases_what_no_read_shows(erased_persons: list[int]) -> None:
    """Devices, relationships and merge records follow a merge, and are erased with a person."""
    store = MemoryStore()
    for owner in (ADA, BOB):
        save(store, all_of(owner, start=10 * owner))
    save(store, Changes(merges=[Merge(ADA, BOB, "user-2", "m-20", NOON)]))
    save(store, Changes(erased_persons=erased_persons))
    left = 0 if erased_persons else 1
    kept = store.schema
    assert len(kept.devices.rows) == 2 * left
    assert all(device.person_key == ADA for device in kept.devices.rows.values())
    assert len(kept.relationships.rows) == left
    assert len(kept.merges.rows) == left


def test_sqlite_moves_what_no_read_shows(tmp_path: Path) -> None:
    """The same on SQLite: two devices, and the relationship that both had."""
    store = open_store(f"sqlite:///{tmp_path}/store.db")
    for owner in (ADA, BOB):
        save(store, all_of(owner, start=10 * owner))
    save(store, Changes(merges=[Merge(ADA, BOB, "user-2", "m-20", NOON)]))
    store.close()
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        devices = connection.execute("SELECT person_key FROM whereupon_device").fetchall()
        ties = connection.execute("SELECT person_key FROM whereupon_relationship").fetchall()
    assert (devices, ties) == ([(ADA,), (ADA,)], [(ADA,)])


def test_what_no_read_shows_is_written_and_erased(tmp_path: Path) -> None:
    """Objects are written and deleted; a report stays without the name when its person is erased."""
    acme, gone = ObjectRecord("1", "acme", {"seats": 3}, NOON), ObjectRecord("1", "gone", {}, NOON)
    report = MetricReport("m-7", "delivery", "i-1", "opened", "ada", NOON)
    tie = Relationship(BOB, "1", "acme")
    device = Device("t-9", BOB, None, {}, NOON)
    first = Changes(objects={("1", "acme"): acme, ("1", "gone"): gone}, reports=[report])
    first.relationships[tie] = True
    first.devices["t-9"] = device
    second = Changes(objects={("1", "gone"): None}, relationships={tie: False})
    second.devices["t-9"] = None
    memory, sqlite = MemoryStore(), open_store(f"sqlite:///{tmp_path}/store.db")
    for store in (memory, sqlite):
        for changes in (all_of(ADA, start=10), first, second, Changes(erased_persons=[ADA])):
            save(store, changes)
    sqlite.close()
    kept = memory.schema
    assert kept.objects.rows == {("1", "acme"): acme}
    nameless = erased_name("m-7")
    assert kept.reports.rows == {nameless: report.without_person(nameless)}
    assert (kept.devices.rows, kept.relationships.rows) == ({}, {})
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        tables = ("thing", "report", "device", "relationship")
        left = [connection.execute(f"SELECT * FROM whereupon_{t}").fetchall() for t in tables]  # noqa: S608 - our own names
    at = as_micros(NOON)
    things, reports = [("1", "acme", '{"seats":3}', at)], [(nameless, "delivery", "", "opened")]
    assert left == [things, [(*reports[0], None, at, None)], [], []]
