"""Lists of values on SQLite: bound one by one if they are few, and as a JSON array if they are many."""

import sqlite3

import pytest

from whereupon.errors import StoreError
from whereupon.storage.sql.listed_values import FEW
from whereupon.storage.sql.sqlite import Sqlite

NUMBERED = "SELECT value FROM numbers WHERE value = ANY(:wanted) AND value <> ALL(:unwanted) ORDER BY value"


@pytest.mark.parametrize("count", range(FEW + 3))
def test_few_and_many_values_find_the_same(count: int) -> None:
    """The text differs, the answer does not; a list of what is left out is always an array."""
    database = Sqlite()
    statement = database.statement(NUMBERED)
    wanted = [2 * number for number in range(count)]
    sql, parameters = statement.bound(
        {"wanted": database.members(wanted), "unwanted": database.members([2])}
    )
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE numbers (value INTEGER PRIMARY KEY)")
    connection.executemany("INSERT INTO numbers VALUES (?)", [(number,) for number in range(20)])
    found = [value for (value,) in connection.execute(sql, parameters)]
    assert found == [value for value in wanted if value != 2]
    assert sql.count("json_each") == (1 if 0 < count <= FEW else 2)
    connection.close()


def test_one_text_is_compared_as_it_is() -> None:
    """A single id is bound without JSON around it."""
    database = Sqlite()
    statement = database.statement(
        "SELECT 1 FROM people WHERE name = ANY(:names) OR alias = ANY(:names)"
    )
    sql, parameters = statement.bound({"names": database.members(['a"b'])})
    assert sql == "SELECT 1 FROM people WHERE name = ? OR alias = ?"
    assert parameters == ('a"b', 'a"b')


@pytest.mark.parametrize("values", [["a\0b"], ["a\0b"] * (FEW + 1)])
def test_a_nul_is_refused_in_few_values_and_in_many(values: list[str]) -> None:
    """SQLite would cut a text of a JSON array there."""
    with pytest.raises(StoreError) as refused:
        Sqlite().members(values)
    assert refused.value.code == "bad-text"
