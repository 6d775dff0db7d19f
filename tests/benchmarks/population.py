"""A population for broadcasts: persons with the attributes that a shop knows, put into a store's tables as rows.

Everybody is of one of a hundred cohorts, and of age. The same for the same seed, of any size.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from random import Random

import orjson
import psycopg
from sqlalchemy.engine import make_url

from whereupon.storage import open_store
from whereupon.storage.sql.sqlite import PRAGMAS
from whereupon.storage.sql.tables import Base

COHORTS = 100
FIRST_KEY = 1_000
BATCH = 10_000
_SAID_AT = 1_772_366_400_000_000
_PLANS = ("free", "free", "free", "pro", "pro", "team")
_COUNTRIES = ("FR", "DE", "IT", "ES", "GB", "NO")
_CITIES = ("Oslo", "Paris", "Rome", "Bergen", "Bonn")

Row = tuple[object, ...]


def inserted(table: str, place: str = "?") -> str:
    """The statement that inserts whole rows into a table; ``place`` is how the driver marks a value."""
    columns = Base.metadata.tables[table].columns
    return f"INSERT INTO {table} VALUES ({', '.join(place for _ in columns)})"  # noqa: S608 - our own tables


def persons(count: int, *, seed: int = 3) -> Iterator[Row]:
    """Rows of ``whereupon_person``."""
    draw = Random(seed)
    for number in range(count):
        attributes = {
            "first_name": f"Name{draw.randrange(5_000)}",
            "email": f"user-{number}@example.com",
            "plan": draw.choice(_PLANS),
            "country": draw.choice(_COUNTRIES),
            "age": draw.randrange(18, 90),
            "score": round(draw.random() * 100, 2),
            "cohort": f"c-{draw.randrange(COHORTS)}",
            "tags": draw.sample("abcdef", 2),
            "address": {"city": draw.choice(_CITIES), "zip": str(draw.randrange(10_000, 99_999))},
            "signed_up": f"2025-{draw.randrange(1, 13):02}-01T00:00:00Z",
        }
        stamps = dict.fromkeys(attributes, _SAID_AT + number)
        texts = orjson.dumps(attributes).decode(), orjson.dumps(stamps).decode()
        person = (FIRST_KEY + number, f"user-{number}", _SAID_AT + number, *texts)
        yield (*person, attributes["email"])


def fill_sqlite(url: str, count: int) -> None:
    """Make a store with so many persons in it, and empty its log."""
    open_store(url).close()
    with closing(sqlite_connection(url)) as connection:
        for batch in _batches(count):
            connection.execute("BEGIN")
            connection.executemany(inserted("whereupon_person"), batch)
            names = [(user_id, "user", key) for key, user_id, *_ in batch]
            connection.executemany(inserted("whereupon_identifier"), names)
            connection.execute("COMMIT")
        moved = "UPDATE whereupon_meta SET value = ? WHERE name = 'next_key'"
        connection.execute(moved, (FIRST_KEY + count,))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def fill_postgres(url: str, count: int) -> None:
    """Put so many persons into a store; their keys are of a block that the store will not hand out."""
    with psycopg.connect(conninfo(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT nextval('whereupon_key')")
        for batch in _batches(count):
            with cursor.copy("COPY whereupon_person FROM STDIN") as copy:
                for row in batch:
                    copy.write_row(row)
            with cursor.copy("COPY whereupon_identifier FROM STDIN") as copy:
                for key, user_id, *_ in batch:
                    copy.write_row((user_id, "user", key))
            connection.commit()
        cursor.execute("ANALYZE whereupon_person")


def _batches(count: int) -> Iterator[list[Row]]:
    waiting = persons(count)
    while batch := list(islice(waiting, BATCH)):
        yield batch


def sqlite_connection(url: str) -> sqlite3.Connection:
    """A connection of the bare driver, that waits for the disk as the store's do."""
    connection = sqlite3.connect(str(make_url(url).database), isolation_level=None)
    for pragma in PRAGMAS:
        connection.execute(pragma)
    return connection


def conninfo(url: str) -> str:
    """Where the tests' own server is, as its driver wants it."""
    query = make_url(url).query
    return f"host={query['host']} user=postgres dbname=postgres options={query['options']}"
