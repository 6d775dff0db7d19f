"""A journey of five steps, the people who go through it, and stores with many of them inside."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import psycopg
from tests.benchmarks.population import conninfo, sqlite_connection
from tests.rule_files import book_of
from tests.shop import thanks

from whereupon.engine import Engine
from whereupon.messages.times import format_instant
from whereupon.rules.model import Rulebook
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage.sql.tables import Base

START = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
SIGNED_UP, CREATED = "Signed Up", "Project Created"
STEPS: list[dict[str, Any]] = [
    {
        "wait_for": [{"event": CREATED, "then": [{"send": "push", "title": "A first project!"}]}],
        "up_to": "2h",
        "else": [{"send": "email", "subject": "Create a project, {{ person.first_name }}"}],
    },
    {"wait": "1d"},
    {
        "branch": [
            {"if": {"plan": ["pro", "team"]}, "then": [{"send": "email", "subject": "For teams"}]},
            {"else": [{"send": "push", "title": "Try pro"}]},
        ]
    },
    {"wait": "7d"},
    {"send": "email", "subject": "A week of {{ properties.product }}"},
]
"""A wait for an event, a wait, a branch, a wait, a send."""

SOCKS = {"product": "socks"}

Wire = dict[str, Any]


def rules() -> Rulebook:
    """The journey, and twenty rules beside it that concern none of its messages."""
    others = (thanks(campaign=f"rule-{n}", when=f"event-{n}", where=SOCKS) for n in range(20))
    journey = thanks(campaign="welcome", when=SIGNED_UP, reentry="once", whereupon=STEPS)
    return book_of(journey, *others)


def person(number: int, at: datetime) -> list[Wire]:
    """What a person sends who signs up."""
    user = f"user-{number}"
    traits = {
        "first_name": f"Name{number % 5_000}",
        "email": f"{user}@example.com",
        "plan": ("free", "pro", "team")[number % 3],
    }
    told: Wire = {"userId": user, "timestamp": format_instant(at)}
    return [
        told | {"type": "identify", "messageId": f"i-{number}", "traits": traits},
        told
        | {
            "type": "track",
            "messageId": f"s-{number}",
            "event": SIGNED_UP,
            "properties": {"product": "socks", "price": 23.45},
        },
    ]


def year(count: int, *, seed: int = 5) -> Iterator[tuple[datetime, Wire]]:
    """Messages by time: so many people sign up within a year, and a third of them create a project in time."""
    chance, later = Random(seed), list[tuple[datetime, Wire]]()
    for number in range(count):
        at = START + number * (YEAR / count)
        while later and later[0][0] <= at:
            yield later.pop(0)
        for message in person(number, at):
            yield at, message
        if chance.random() < 1 / 3:
            created = at + timedelta(minutes=30)
            done: Wire = {"type": "track", "event": CREATED, "messageId": f"c-{number}"}
            done |= {"userId": f"user-{number}", "timestamp": format_instant(created)}
            later.append((created, done))
    yield from later


def fill(url: str, count: int, *, at: datetime = START) -> None:
    """Let so many people sign up at one time, with the library."""
    with Engine.open(url, rules=rules(), clock=FrozenClock(at)) as engine:
        for first in range(0, count, 500):
            batch = [m for n in range(first, min(first + 500, count)) for m in person(n, at)]
            assert engine.ingest(batch).accepted == len(batch)


# --- a store with very many ----------------------------------------------------------------------

_COPIED = ("whereupon_person", "whereupon_identifier", "whereupon_entry")
_KEYS = ("key", "person_key", "entrant")
_NAMES = ("user_id", "value", "occasion")
_APART = 10_000_000
"""Between the keys of one copy and of the next."""


def multiply(url: str, times: int) -> None:
    """Copy the people and entries of a store until there are so many times as many."""
    statements = [_copying(table, number) for number in range(1, times) for table in _COPIED]
    if url.startswith("sqlite"):
        with closing(sqlite_connection(url)) as connection:
            connection.execute("BEGIN")
            for statement in statements:
                connection.execute(statement)
            moved = f"UPDATE whereupon_meta SET value = {_APART * times} WHERE name = 'next_key'"  # noqa: S608
            connection.execute(moved)
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return
    with psycopg.connect(conninfo(url), autocommit=True) as shared:
        for statement in statements:
            shared.execute(statement.encode())
        shared.execute("SELECT setval('whereupon_key', %s)", (_APART * times,))
        for table in _COPIED:
            shared.execute(f"VACUUM ANALYZE {table}".encode())


def _copying(table: str, number: int) -> str:
    columns = [column.name for column in Base.metadata.tables[table].columns]
    values = ", ".join(_copied(column, number) for column in columns)
    into = f"INSERT INTO {table} ({', '.join(columns)})"
    return f"{into} SELECT {values} FROM {table} WHERE key < {_APART}"  # noqa: S608 - our own tables


def _copied(column: str, number: int) -> str:
    if column in _KEYS:
        return f"{column} + {number * _APART}"
    return f"{column} || '-{number}'" if column in _NAMES else column
