"""The floor under recording: the same rows, inserted by the bare driver into the same schema.

    python tests/benchmarks/store_floor.py [messages]

prints how much longer `flush` takes than that, for batches of 1,000 messages with what comes along.
"""

import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter

from sqlalchemy import Table, insert
from sqlalchemy.engine import make_url

from whereupon.messages import Message, MessageType, Origin, Source
from whereupon.state import (
    Changes,
    Delivery,
    Entry,
    EntryState,
    Identifier,
    IdKind,
    Person,
    Skips,
    StoredMessage,
)
from whereupon.stores import open_store
from whereupon.stores.sqlite import PRAGMAS, open_engine
from whereupon.stores.tables import Kept

Tables = dict[str, list[tuple[object, ...]]]

_THERE = ("whereupon_meta", "whereupon_version")  # their rows are there from the start

BATCH = 1_000
_START = datetime(2026, 3, 1, tzinfo=UTC)
_BODY = b'{"data":{"product":"socks","price":23.45,"note":"' + b"x" * 400 + b'"},"context":{}}'


def insert_rows(url: str, tables: dict[str, list[tuple[object, ...]]], batch: int = BATCH) -> float:
    """Insert rows into an empty store's schema; the seconds it took.

    The n-th ``batch`` of rows of every table goes in with the n-th transaction.
    """
    open_store(url).close()
    with closing(_connect(url)) as connection:
        statements = {name: _insert_statement(connection, name) for name in tables}
        batches = max((len(rows) + batch - 1) // batch for rows in tables.values())
        begun = perf_counter()
        for start in range(0, batches * batch, batch):
            connection.execute("BEGIN IMMEDIATE")
            for name, rows in tables.items():
                connection.executemany(statements[name], rows[start : start + batch])
            connection.execute("COMMIT")
        return perf_counter() - begun


def insert_rows_by_core(url: str, tables: Tables, batch: int = BATCH) -> float:
    """The same by SQLAlchemy's ``insert()``, as an application writes it; the seconds it took."""
    open_store(url).close()
    engine = open_engine(make_url(url))
    known = {str(table.name): table for table in Kept.metadata.sorted_tables}
    named = {name: _as_mappings(known[name], rows) for name, rows in tables.items()}
    batches = max((len(rows) + batch - 1) // batch for rows in named.values())
    for name in _THERE:
        del named[name]
    begun = perf_counter()
    for start in range(0, batches * batch, batch):
        with engine.begin() as connection:
            for name, rows in named.items():
                if part := rows[start : start + batch]:
                    connection.execute(insert(known[name]), part)
    spent = perf_counter() - begun
    engine.dispose()
    return spent


def _as_mappings(table: Table, rows: list[tuple[object, ...]]) -> list[dict[str, object]]:
    names = [column.name for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in rows]


def read_rows(url: str) -> Tables:
    """Every row of every table of a store, in the order of their keys."""
    with closing(_connect(url)) as connection:
        listed = "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'whereupon!_%'"
        names = [name for (name,) in connection.execute(f"{listed} ESCAPE '!'")]
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}  # noqa: S608 - names of our own tables


def _connect(url: str) -> sqlite3.Connection:
    parsed = make_url(url)
    connection = sqlite3.connect(str(parsed.database), isolation_level=None)
    for pragma in PRAGMAS:
        connection.execute(pragma)
    if parsed.query.get("synchronous") == "OFF":
        connection.execute("PRAGMA synchronous = OFF")
    return connection


def _insert_statement(connection: sqlite3.Connection, table: str) -> str:
    columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
    places = ", ".join("?" * len(columns))
    verb = "INSERT OR REPLACE" if table in _THERE else "INSERT"
    return f"{verb} INTO {table} VALUES ({places})"


def batches(count: int) -> Iterator[Changes]:
    """Messages of a thousand people: one in twenty enters and is sent to, the others are skipped."""
    for first in range(1_001, 1_001 + count, BATCH):
        keys = range(first, first + BATCH)
        entered = [key for key in keys if key % 20 == 0]
        changes = Changes(messages=[_message(key) for key in keys])
        changes.skips = [_skips(key) for key in keys if key % 20]
        changes.entries = {key + 10**9: _entry(key) for key in entered}
        changes.new_entries = set(changes.entries)
        changes.deliveries = [_delivery(key) for key in entered]
        if first == 1_001:
            people = range(1, 1_001)
            changes.identifiers = [Identifier(IdKind.USER, f"user-{k}", k) for k in people]
            changes.persons = {k: Person(k, f"user-{k}", _START, {"plan": "pro"}) for k in people}
        yield changes


def _message(key: int) -> StoredMessage:
    at = _START + timedelta(seconds=key)
    owner = 1 + key * 7919 % 1_000
    said = Message(
        message_id=f"0190a1b2-c3d4-7e5f-8a9b-{key:012d}",
        type=MessageType.TRACK,
        name=f"event-{key % 50}",
        user_id=f"user-{owner}",
        anonymous_id=None,
        target_id=None,
        timestamp=at,
        received_at=at,
        original_timestamp=at,
        source=Source.SERVER,
        origin=Origin.LIVE,
        body=_BODY,
    )
    return StoredMessage(key, owner, said)


def _skips(key: int) -> Skips:
    verdict = ("sock-thanks", "d" * 64, "where", "price > 20", {"price": 5})
    return Skips(key, 1 + key * 7919 % 1_000, _START, False, (verdict,))


def _entry(key: int) -> Entry:
    owner, at = 1 + key * 7919 % 1_000, _START + timedelta(seconds=key)
    return Entry(
        key=key + 10**9,
        rule="sock-thanks",
        digest="d" * 64,
        person_key=owner,
        entrant=owner,
        occasion=f"0190a1b2-c3d4-7e5f-8a9b-{key:012d}",
        timestamp=at,
        entered_at=at,
        retroactive=False,
        slot=None,
        state=EntryState.ACTIVE,
        position=1,
        due_at=at,
        facts={"event": "buy", "properties": {"product": "socks", "price": 23.45}},
        message_key=key,
    )


def _delivery(key: int) -> Delivery:
    owner, at = 1 + key * 7919 % 1_000, _START + timedelta(seconds=key)
    who, content = f"user-{owner}", {"title": "Thanks", "body": "Your socks are on the way."}
    return Delivery(key + 2 * 10**9, f"i-{key}", "sock-thanks", owner, who, "push", at, content)


def flush_all(url: str, made: list[Changes]) -> float:
    """Flush the batches, each in a session of its own; the seconds it took."""
    store = open_store(url)
    begun = perf_counter()
    for changes in made:
        with store.session() as session:
            session.flush(changes)
    spent = perf_counter() - begun
    store.close()
    return spent


def messages_only(made: list[Changes]) -> list[Changes]:
    """The same batches without what comes along."""
    return [Changes(messages=changes.messages) for changes in made]


def compare(made: list[Changes], rounds: int = 3) -> tuple[float, float]:
    """Seconds of the flush and of the bare insert, medians of alternating rounds."""
    flushed, bare = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            store, floor = (f"sqlite:///{Path(folder) / name}" for name in ("a.db", "b.db"))
            flushed.append(flush_all(store, made))
            bare.append(insert_rows(floor, read_rows(store)))
    return median(flushed), median(bare)


def main() -> None:
    """Print both comparisons."""
    count = int(next(islice(sys.argv, 1, None), "20000"))
    made = list(batches(count))
    for title, part in (("messages alone", messages_only(made)), ("whole batches", made)):
        flushed, bare = compare(part)
        print(  # noqa: T201 - a program's output
            f"{title}: flush {count / flushed:,.0f}/s, bare insert {count / bare:,.0f}/s, "
            f"ratio {flushed / bare:.2f}"
        )


if __name__ == "__main__":
    main()
