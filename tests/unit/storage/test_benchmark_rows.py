"""The rows that benchmarks put into tables by hand have every column that the tables have."""

from datetime import UTC, datetime

import pytest
from tests.benchmarks.population import Row, persons
from tests.benchmarks.waiting import entries

from whereupon.storage.sql.tables import Base


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("whereupon_person", next(persons(1))),
        ("whereupon_entry", next(entries(4, datetime(2026, 6, 1, tzinfo=UTC)))),
    ],
)
def test_a_row_has_every_column(table: str, row: Row) -> None:
    """A column that has no default, or may not be NULL, has a value."""
    columns = list(Base.metadata.tables[table].columns)
    assert len(row) == len(columns)
    missing = [column.name for column, value in zip(columns, row, strict=True) if value is None]
    assert [name for name in missing if not Base.metadata.tables[table].c[name].nullable] == []
