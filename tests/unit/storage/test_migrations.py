"""Versions of the tables: older ones are brought up to date, newer ones are refused."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from tests.paths import RULES
from tests.servers import Server
from tests.stores import tables_in
from tests.threads import in_threads

from whereupon import Engine
from whereupon.errors import StoreError
from whereupon.messages.model import SenderClass, Source, erased_digest
from whereupon.records import Entry, EntryFilter
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage import open_store
from whereupon.storage.sql.database_url import engine_of
from whereupon.storage.sql.migrations.running import config
from whereupon.storage.sql.schema_version import revisions
from whereupon.storage.sql.tables import VERSIONS, Base

SCHEMAS = Path(__file__).parents[3] / "fixtures" / "schemas"
NEWEST = revisions()[-1]
THEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""When the older databases were last used."""
PLANNED_NOW = "weekly-digest"
"""A scheduled broadcast that `rules/` has today, so that the engine plans its first run as it opens."""


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A connection whose writes are committed."""
    engine, _ = engine_of(url, patience=30)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without any tables, once on each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/shop.db"
        return
    server: Server = request.getfixturevalue("server")
    with server.empty() as url:
        yield url


@pytest.fixture
def old(empty: str) -> str:
    """The URL of a database that a library of version 1 has made, with people in it."""
    with connected(empty) as connection:
        kind = connection.dialect.name
        script = (SCHEMAS / f"version-1.{kind}.sql").read_text()
        driver = connection.connection.driver_connection
        assert driver is not None
        if kind == "sqlite":
            driver.executescript(script)
        else:
            driver.execute(script)
    return empty


def kept(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Every row except those about the store itself."""
    rows = tables_in(url)
    return {n: r for n, r in rows.items() if n not in {"whereupon_meta", VERSIONS.name}}


def drift(url: str) -> list[object]:
    """The differences between the existing tables and the described ones."""
    with connected(url) as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_name": lambda name, kind, _: (
                    kind != "table" or name in Base.metadata.tables
                ),
            },
        )
        return list(compare_metadata(context, Base.metadata))


def about_itself(url: str) -> tuple[list[str], list[str]]:
    """The counters of the store, and its sequences."""
    with connected(url) as connection:
        numbers = connection.execute(text("SELECT name FROM whereupon_meta ORDER BY name"))
        names = [str(name) for (name,) in numbers]
        sequences = (
            sorted(inspect(connection).get_sequence_names())
            if connection.dialect.supports_sequences
            else []
        )
        version = connection.scalar(text("SELECT value FROM whereupon_meta WHERE name = 'schema'"))
        assert version == int(NEWEST)
    return names, sequences


def test_an_older_database_opens_with_everything_in_it(old: str) -> None:
    """Recorded messages, decisions and due work are as they were, and go on."""
    before = kept(old)
    with Engine.open(old, rules=RULES, clock=FrozenClock(THEN)) as engine:
        expected = before | _standing_for_themselves(before) | _erased_of_any(before)
        after = kept(old)
        expected["whereupon_entry"], stood = _without_numbers(before["whereupon_entry"])
        assert {entry.key: entry.address for entry in _entries(engine)} == stood
        tables = ("message", "request", "entry", "delivery", "run", "person")
        for wider in (f"whereupon_{each}" for each in tables):
            earlier = expected.pop(wider)
            now = [row for row in after.pop(wider) if row[0] != PLANNED_NOW]
            found = [row[: len(earlier[0])] for row in now]
            assert list(map(_of_any_version, found)) == list(map(_of_any_version, earlier))
        versions = expected.pop("whereupon_wording")
        assert set(versions) <= set(after.pop("whereupon_wording"))  # and those in use now
        assert after == {name: expected.get(name, []) for name in after}
        assert engine.explain("bob", "sock-thanks")[0].message_id == "m-4"
        assert {(each.kind, each.topic) for each in engine.deliveries()} == {("marketing", None)}
        assert engine.track("purchase", user_id="ada", message_id="m-3").duplicates == 1
        engine.identify("zoe", anonymous_id="anon-2")
    rows = kept(old)
    keys = [int(str(row[0])) for row in rows["whereupon_message"]]
    assert len(keys) == len(set(keys)) == len(before["whereupon_message"]) + 1
    assert max(keys) >= 805


def _of_any_version(row: tuple[object, ...]) -> tuple[object, ...]:
    """A row without the digest of a broadcast's run, which waits for the version that is in use."""
    return tuple(value for place, value in enumerate(row) if place != 2 or "@" not in str(row[1]))


def _without_numbers(
    entries: list[tuple[object, ...]],
) -> tuple[list[tuple[object, ...]], dict[object, str]]:
    """Entries of the time when steps had numbers, without them; and those numbers by key, which are addresses now."""
    place = 11
    rows = [(*row[:place], *row[place + 1 :]) for row in entries]
    return rows, {row[0]: str(row[place]) for row in entries}


def _entries(engine: Engine) -> list[Entry]:
    with engine.store.session() as session:
        return session.entries_after(EntryFilter(), 0, 1_000, 1_000)[0]


def _standing_for_themselves(
    before: dict[str, list[tuple[object, ...]]],
) -> dict[str, list[tuple[object, ...]]]:
    """The tombstones of version 1, which did not know the person with whom they were made."""
    name = "whereupon_tombstone"
    return {name: [(digest, digest, *rest) for digest, *rest in before[name]]}


def _erased_of_any(
    before: dict[str, list[tuple[object, ...]]],
) -> dict[str, list[tuple[object, ...]]]:
    """The erased ids of the time when ids were unique among all senders."""
    name = "whereupon_erased"
    return {name: [(f"{digest}-of-any",) for (digest,) in before[name]]}


@pytest.mark.parametrize(
    ("statement", "source"),
    [
        ("UPDATE whereupon_message SET source = 'server' WHERE key = 2", SenderClass.SERVER),
        ("UPDATE whereupon_message SET source = 'client' WHERE key = 2", SenderClass.CLIENT),
        ("UPDATE whereupon_entry SET depth = 1 WHERE key = 79", SenderClass.CLIENT),
        ("DELETE FROM whereupon_message WHERE key = 2", SenderClass.CLIENT),
        ("UPDATE whereupon_entry SET message_key = 0 WHERE key = 79", SenderClass.SERVER),
    ],
)
def test_an_older_entry_is_of_the_class_of_its_opening_message(
    old: str, statement: str, source: SenderClass
) -> None:
    """If it is unknown, or if a step may have hidden the sender, the class is the client's."""
    with connected(old) as connection:
        connection.execute(text(statement))
    with closing(open_store(old)) as store, store.session() as session:
        entries = {entry.key: entry for entry in session.active_entries([77])}
    assert (entries[79].source, entries[79].ended) == (source, None)


def test_an_older_id_is_a_clients_where_a_client_sent_it(old: str) -> None:
    """Ids were unique among all senders; the class of an erased id is no longer known."""
    statement = {"type": "track", "event": "purchase", "userId": "bob"}
    with connected(old) as connection:
        connection.execute(text("UPDATE whereupon_message SET source = 'client'"))
        gone = text("INSERT INTO whereupon_erased VALUES (:digest)")
        connection.execute(gone, {"digest": erased_digest("gone")})
    with Engine.open(old, rules=RULES, clock=FrozenClock(THEN)) as engine:
        assert engine.explain("bob", "sock-thanks")[0].message_id == "m-4"
        cases: list[tuple[str, Source, int]] = [
            *(("m-4", "client", 0), ("m-4", "server", 1), ("m-4", "server", 0)),
            *(("gone", "client", 0), ("gone", "server", 0)),
        ]
        for message_id, source, fresh in cases:
            result = engine.ingest([{**statement, "messageId": message_id}], source=source)
            assert result.accepted == fresh


def test_an_upgraded_database_is_like_a_new_one(old: str, tmp_path: Path) -> None:
    """Tables, columns, indexes and counters are those of a new store."""
    open_store(old).close()
    assert drift(old) == []
    if old.startswith("sqlite"):
        new = f"sqlite:///{tmp_path}/new.db"
        open_store(new).close()
        assert about_itself(old) == about_itself(new)
    assert tables_in(old)[VERSIONS.name] == [(NEWEST,)]


def test_a_new_database_is_as_described(empty: str) -> None:
    """It has the newest version at once."""
    open_store(empty).close()
    assert drift(empty) == []
    assert tables_in(empty)[VERSIONS.name] == [(NEWEST,)]
    assert about_itself(empty)[0] in (["next_key", "schema"], ["erasures", "schema"])


def test_on_postgres_an_upgraded_database_counts_like_a_new_one(server: Server) -> None:
    """Keys come from the sequence, and the counter is gone."""
    with server.empty() as new, server.empty() as upgraded:
        open_store(new).close()
        with connected(upgraded) as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.execute((SCHEMAS / "version-1.postgresql.sql").read_text())
        open_store(upgraded).close()
        assert about_itself(upgraded) == about_itself(new)


@pytest.mark.parametrize(
    "newer",
    [
        "UPDATE whereupon_version SET version_num = '9999'",
        "UPDATE whereupon_meta SET value = 9999 WHERE name = 'schema'",
    ],
)
def test_tables_of_a_newer_library_are_refused(empty: str, newer: str) -> None:
    """An older library would write what the newer one cannot read."""
    open_store(empty).close()
    with connected(empty) as connection:
        connection.execute(text(newer))
    with pytest.raises(StoreError, match="9999") as caught:
        open_store(empty)
    assert caught.value.code == "newer-schema"


def test_many_may_open_a_new_database_at_once(empty: str) -> None:
    """One thread makes the tables; the others wait, and find them ready."""
    open_at_once(empty)


def test_many_may_open_an_older_database_at_once(old: str) -> None:
    """One thread migrates the tables; the others wait, and find them ready."""
    open_at_once(old)


def open_at_once(url: str) -> None:
    """Open a store in several threads, and check that it was prepared once."""

    def work(_: int) -> None:
        store = open_store(url)
        with store.session() as session:
            session.counts()
        store.close()

    in_threads(5, work)
    assert drift(url) == []
    assert len(tables_in(url)[VERSIONS.name]) == 1


def test_a_hosts_own_migrations_are_left_alone(old: str) -> None:
    """Alembic's usual table is the host's."""
    with connected(old) as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('host')"))
    open_store(old).close()
    with connected(old) as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "host"


def test_a_store_is_not_made_where_none_is_wanted(empty: str) -> None:
    """A read in a database without our tables makes none."""
    with pytest.raises(StoreError) as caught:
        open_store(empty, make=False)
    assert caught.value.code == "no-store"
    with connected(empty) as connection:
        assert inspect(connection).get_table_names() == []


def test_migrations_stand_in_one_line(tmp_path: Path) -> None:
    """Each follows the one before, and its file's name starts with its number."""
    with connected(f"sqlite:///{tmp_path}/any.db") as connection:
        scripts = ScriptDirectory.from_config(config(connection))
        found = [script.revision for script in scripts.walk_revisions()]
    assert found[::-1] == revisions()
    assert len(scripts.get_heads()) == 1


def test_a_new_store_needs_no_migrations(tmp_path: Path) -> None:
    """It imports neither Alembic nor the driver of another database: both are slow to import."""
    asked = f"""
import sys
from whereupon import Engine
for _ in range(2):
    Engine.open("sqlite:///{tmp_path}/shop.db").close()
print([name for name in ("alembic", "psycopg") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
