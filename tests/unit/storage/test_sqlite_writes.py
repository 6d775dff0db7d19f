"""Writing many rows into SQLite."""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, StaticPool, create_engine, event, text
from sqlalchemy.exc import IntegrityError

from whereupon.storage.sql.row_statements import ROW_STATEMENTS
from whereupon.storage.sql.sqlite import Sqlite
from whereupon.storage.sql.sqlite_writes import SIZES
from whereupon.storage.sql.tables import MessageRow, table_of

FIFTY, TEN, _ = SIZES
ADD = ROW_STATEMENTS["add_message"](Sqlite())
CHANGED = ("user_id", "anonymous_id", "target_id", "original_timestamp")
Row = tuple[object, ...]
TEXTS = st.text(st.characters(codec="utf-8"), max_size=9)
NUMBERS = st.integers(-(2**63), 2**63 - 1)
ROW = st.tuples(
    NUMBERS,  # the name
    NUMBERS,  # the owner
    *[st.none() | TEXTS] * 3,  # the ids of the sender
    NUMBERS,  # when it happened
    NUMBERS,  # when it came
    st.none() | NUMBERS,  # when it happened by the sender's clock
    st.sampled_from(["server", "client"]),
    st.integers(0, 9),  # the depth
    st.binary(max_size=9),  # the body
)


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    """To an empty table of messages."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.connect() as connection:
        table_of(MessageRow).create(connection)
        connection.commit()
        yield connection


def numbered(rows: list[Row]) -> list[Row]:
    """The rows with keys and message ids, which are unique, and nothing in later columns."""
    more = len(table_of(MessageRow).c) - 2 - len(rows[0])
    return [(key, f"m-{key}", *row, *[None] * more) for key, row in enumerate(rows, 1)]


@st.composite
def row_lists(draw: st.DrawFn) -> list[Row]:
    """Rows, of which some columns may be the same throughout."""
    rows = draw(st.lists(ROW, min_size=1, max_size=3 * TEN))
    same = draw(st.sets(st.integers(0, len(rows[0]) - 1)))
    return [
        tuple(rows[0][place] if place in same else each for place, each in enumerate(row))
        for row in rows
    ] * draw(st.integers(1, 2 * FIFTY // TEN))


@given(row_lists())
def test_rows_are_read_as_they_were_written(connection: Connection, given_rows: list[Row]) -> None:
    """With every NULL and every byte, however many there are, and whatever they have in common."""
    rows = numbered(given_rows)
    assert ADD.write(connection, rows) == len(rows)
    found = connection.execute(text("SELECT * FROM whereupon_message ORDER BY key")).all()
    connection.rollback()
    assert [tuple(each) for each in found] == rows


@given(row_lists())
def test_columns_may_be_one_object(connection: Connection, given_rows: list[Row]) -> None:
    """As those of the times of messages whose senders say one time. The values are bound once a row."""
    columns: list[Sequence[object]] = [*zip(*numbered(given_rows), strict=True)]
    columns[8] = columns[9] = columns[7]
    ADD.send_columns(connection, columns)
    found = connection.execute(text("SELECT * FROM whereupon_message ORDER BY key")).all()
    connection.rollback()
    assert [tuple(each) for each in found] == [*zip(*columns, strict=True)]


@given(st.lists(st.tuples(*[st.none() | TEXTS] * 3, st.none() | NUMBERS), min_size=1, max_size=3))
def test_rows_are_read_as_they_were_changed(connection: Connection, values: list[Row]) -> None:
    """With every NULL, one by one or many that get the same; other columns stay as they were."""
    every = [each for number, each in enumerate(values) for _ in range(1 + number % 2 * 2 * TEN)]
    rows = numbered([(1, 1, "a", "b", "c", 0, 0, 1, "server", 0, b"{}")] * len(every))
    changes = [(*each, key) for key, each in enumerate(every, 1)]
    change = Sqlite().change(table_of(MessageRow), CHANGED)
    columns = ", ".join((*CHANGED, "body", "key"))
    for write in (change.write, change.send_rows):
        ADD.write(connection, rows)
        assert write(connection, changes) in {len(rows), None}
        found = connection.execute(
            text(f"SELECT {columns} FROM whereupon_message ORDER BY key")  # noqa: S608 - our own names
        ).all()
        connection.rollback()
        assert [tuple(each) for each in found] == [
            (*each[:-1], b"{}", each[-1]) for each in changes
        ]


@pytest.mark.parametrize("place", [0, FIFTY - 1, FIFTY + TEN - 1, FIFTY + TEN + 2])
def test_a_row_that_is_there_already_is_refused(connection: Connection, place: int) -> None:
    """With the error that one row alone has; the transaction can be rolled back whole."""
    rows = numbered([(1, 1, None, None, None, 0, 0, None, "server", 0, b"{}")] * (FIFTY + TEN + 3))
    ADD.write(connection, [rows[place]])
    with pytest.raises(IntegrityError) as refused:
        ADD.write(connection, rows)
    assert isinstance(refused.value.orig, sqlite3.IntegrityError)
    connection.rollback()
    assert connection.execute(text("SELECT count(*) FROM whereupon_message")).scalar_one() == 0
    connection.rollback()


def test_many_rows_are_one_statement(connection: Connection) -> None:
    """Fifty, and ten of the rest; what is left goes in row by row. So there are three texts, however many rows."""
    ran = Counter[str]()

    def count(_connection: object, _cursor: object, sql: str, given: list[Row], *_: object) -> None:
        ran[sql] += len(given)

    event.listen(connection, "before_cursor_execute", count)
    rows = numbered(
        [(1, 1, None, None, None, 0, 0, None, "server", 0, b"{}")] * (2 * FIFTY + 4 * TEN + 3)
    )
    ADD.write(connection, rows)
    event.remove(connection, "before_cursor_execute", count)
    connection.rollback()
    assert sorted(ran.values()) == [2, 3, 4]
