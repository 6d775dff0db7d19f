"""Entries that wait, four for each person of `population`, put into a store's tables as rows.

Entries come due one millisecond after another, in no order of their persons or rules. The same for the same seed,
of any number that four divides.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from itertools import islice
from random import Random

import orjson
import psycopg
from tests.benchmarks.population import (
    BATCH,
    FIRST_KEY,
    Row,
    conninfo,
    fill_postgres,
    fill_sqlite,
    inserted,
    sqlite_connection,
)
from tests.rule_files import book_of
from tests.shop import thanks

from whereupon.messages.times import as_micros
from whereupon.rules.model import Rule, Rulebook

PACE = timedelta(milliseconds=1)
EACH = 4
"""Entries of each person."""
WAIT = timedelta(hours=2)
_REENTRY = ("every_time", {"once_per": "7d"}, "once", "not_while_active")
_SLOTS = (None, "per:604800000000:2930", "once", "active")
_NOT_ENDED, _NO_TRAIL = (None,) * 5, (None,) * 5
"""What an entry's row says of its end and of operations, and behind its address, as long as it waits."""
_STEPS = [
    {"wait": "2h"},
    {
        "send": "push",
        "title": "Thanks, {{ person.first_name | default: 'friend' }}!",
        "body": "Your {{ properties.product }} are on the way.",
    },
]


def rules() -> Rulebook:
    """Twenty campaigns that wait and then send, of every kind of re-entry."""
    return book_of(
        *(
            thanks(
                campaign=f"rule-{place}",
                when=f"event-{place}",
                where={"product": "socks"},
                reentry=_REENTRY[place % len(_REENTRY)],
                whereupon=_STEPS,
            )
            for place in range(20)
        )
    )


def entries(count: int, first_due: datetime, *, seed: int = 4) -> Iterator[Row]:
    """Rows of ``whereupon_entry``."""
    campaigns, persons = rules().rules, count // EACH
    places = list(range(count))
    Random(seed).shuffle(places)
    for number, place in enumerate(places):
        due_at = first_due + number * PACE
        yield _entry(campaigns, place % persons, place // persons, number, persons, due_at)


def _entry(
    campaigns: Sequence[Rule], person: int, turn: int, number: int, persons: int, due_at: datetime
) -> Row:
    place = (turn * 5 + person) % len(campaigns)
    rule, happened, key = campaigns[place], as_micros(due_at - WAIT), FIRST_KEY + person
    facts = {
        "type": "track",
        "event": f"event-{place}",
        "properties": {"product": "socks", "price": 23.45, "order_id": f"o-{number}"},
        "context": {"ip": "192.0.2.1", "page": {"path": "/socks"}},
        "timestamp": (due_at - WAIT).isoformat(),
    }
    head = (FIRST_KEY + persons + number, rule.id, rule.digest, key, key, f"m-{number}")
    state = (0, _SLOTS[place % len(_SLOTS)], "active", as_micros(due_at))
    tail = (0, 0, "server", *_NOT_ENDED, "1", *_NO_TRAIL)
    return (*head, happened, happened, *state, orjson.dumps(facts).decode(), *tail)


def _batches(count: int, first_due: datetime) -> Iterator[list[Row]]:
    waiting = entries(count, first_due)
    while batch := list(islice(waiting, BATCH)):
        yield batch


def put_into_sqlite(url: str, count: int, first_due: datetime) -> None:
    """Make a store with so many entries and their persons in it, and empty its log."""
    fill_sqlite(url, count // EACH)
    with closing(sqlite_connection(url)) as connection:
        for batch in _batches(count, first_due):
            connection.execute("BEGIN")
            connection.executemany(inserted("whereupon_entry"), batch)
            connection.execute("COMMIT")
        moved = "UPDATE whereupon_meta SET value = value + ? WHERE name = 'next_key'"
        connection.execute(moved, (count,))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def put_into_postgres(url: str, count: int, first_due: datetime) -> None:
    """Put so many entries and their persons into a store, with keys that the store will not hand out."""
    fill_postgres(url, count // EACH)
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        with connection.cursor() as cursor:
            for batch in _batches(count, first_due):
                with cursor.copy("COPY whereupon_entry FROM STDIN") as copy:
                    for row in batch:
                        copy.write_row(row)
        after = FIRST_KEY + count // EACH + count
        connection.execute("SELECT setval('whereupon_key', %s)", ((after // 10**6 + 1) * 10**6,))
        connection.execute("VACUUM ANALYZE whereupon_entry")
        connection.execute("VACUUM ANALYZE whereupon_person")
