"""The cost of one call, counted and not timed: SQLite's statements beside ours, and reads of a text."""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
from sqlalchemy import create_engine, event
from sqlalchemy.pool import Pool
from tests.rule_files import book_of
from tests.shop import purchase, thanks

from whereupon import Engine
from whereupon.messages.codec import encode
from whereupon.messages.model import Origin, SenderClass
from whereupon.messages.times import FIRST_INSTANT
from whereupon.pipeline.ingestion import read_batch


@contextmanager
def traced() -> Iterator[list[str]]:
    """Every statement that SQLite runs on connections that are opened from now on."""
    ran: list[str] = []

    def trace(connection: sqlite3.Connection, _: object) -> None:
        connection.set_trace_callback(ran.append)

    event.listen(Pool, "connect", trace)
    try:
        yield ran
    finally:
        event.remove(Pool, "connect", trace)


@pytest.mark.parametrize("hosted", [False, True])
def test_a_call_sets_nothing_by_which_sqlite_forgets_its_statements(
    hosted: bool,
    tmp_path: Path,
) -> None:
    """Setting a pragma expires every prepared statement, and each would be prepared again."""
    url = f"sqlite:///{tmp_path}/shop.db"
    with traced() as ran:
        database = create_engine(url) if hosted else url
        with Engine.open(database, rules=book_of(thanks())) as engine:
            for number in range(3):
                ran.clear()
                engine.ingest([purchase(number)])
                engine.deliveries()
    assert any(statement.startswith("INSERT") for statement in ran)
    assert [statement for statement in ran if statement.upper().startswith("PRAGMA")] == []
    if not isinstance(database, str):
        database.dispose()


def calls(text: bytes) -> int:
    """How many functions of Python and of libraries are called to read a text."""
    count = 0

    def note(_: FrameType, kind: str, __: object) -> None:
        nonlocal count
        count += kind in {"call", "c_call"}

    def read() -> None:
        reading = read_batch(
            [text],
            received_at=FIRST_INSTANT,
            source=SenderClass.SERVER,
            origin=Origin.LIVE,
            new_id=lambda: "m-1",
        )
        assert len(reading.messages) == 1

    read()
    sys.setprofile(note)
    try:
        read()
    finally:
        sys.setprofile(None)
    return count


def test_a_text_with_an_accent_is_read_as_often_as_one_without() -> None:
    """The text is checked to be UTF-8 once, and nothing more."""
    plain, accented = (
        encode({**purchase(1), "properties": {"title": title}})
        for title in ("Chaussettes rayees", "Chaussettes rayées")
    )
    assert calls(accented) <= calls(plain) + 1
