"""Every field of a batch's changes has a writer in both stores: one that has none would be dropped in silence."""

import pytest

from whereupon.records import Changes
from whereupon.storage.filled_parts import FilledParts
from whereupon.storage.memory.writes import PARTS as IN_MEMORY
from whereupon.storage.sql.record_writes import RecordWrites

_ELSEWHERE = {
    *("erased_persons", "erased_identifiers", "erased_ids", "merges"),  # what goes, or moves
    "vacant_ids",  # matter only where there are other writers
    *("before", "new_entries"),  # say what is new of the entries
    *("records", "skipped_lists"),  # are sealed into the audit log; stand in the messages' rows
}


@pytest.mark.parametrize("parts", [IN_MEMORY, RecordWrites.PARTS], ids=["memory", "sql"])
def test_every_field_of_a_batchs_changes_is_written(parts: FilledParts[object]) -> None:
    """By a writer of its own, or where the store erases and merges."""
    assert parts.fields | _ELSEWHERE == {*Changes.__struct_fields__}


def test_only_filled_parts_are_written_in_their_order() -> None:
    """The order is that of the writers, not that of the fields."""
    parts = FilledParts({"first": ["owners"], "second": ["messages", "timers"], "third": ["runs"]})
    changes = Changes(timers={(1, "when/hi"): None}, owners=[(1, 2)])
    assert [*parts.writers(changes)] == ["first", "second"]
    assert not parts.writers(Changes())
    assert [*parts.writers(changes)] == ["first", "second"]
