"""Entries that change: whatever a batch makes of one, the store holds it then."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whereupon.messages.model import SenderClass
from whereupon.ports import Store
from whereupon.records import (
    Changes,
    EndReason,
    Entry,
    EntryEnd,
    EntryState,
    Mark,
    MarkKind,
    Operation,
    OperationKind,
    Trail,
)
from whereupon.storage import open_store

START = datetime(2026, 3, 1, tzinfo=UTC)
KEYS = count(1)
INSTANTS = st.integers(0, 10**9).map(lambda micros: START + timedelta(microseconds=micros))
ENDS = st.builds(EntryEnd, st.just(EndReason.EVENT), INSTANTS, st.none() | st.just("Paid"))
MARKS = st.builds(
    Mark,
    st.sampled_from(MarkKind),
    st.sampled_from(["0", "0.else.1"]),
    INSTANTS,
    values=st.just({}),
)
TRAILS: st.SearchStrategy[Trail] = st.lists(MARKS, max_size=2).map(tuple)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "state": st.sampled_from(EntryState),
    "address": st.sampled_from(["0", "1", "0.else.1"]),
    "due_at": st.none() | INSTANTS,
    "ended": st.none() | ENDS,
    "trail": TRAILS,
    "arms": st.none() | st.just("test=a"),
    "sent_at": st.none() | INSTANTS,
    "watched_until": st.none() | INSTANTS,
    "converted_at": st.none() | INSTANTS,
    "slot": st.none(),
    "digest": st.sampled_from(["d1", "d2"]),
    "facts": st.just({"event": "Signed Up"}) | st.just({}),
    "operations": st.just(()) | st.just((Operation(OperationKind.PAUSED, "ada", START),)),
}


def entry(key: int) -> Entry:
    """A new one."""
    place = (key, "welcome", "d1", key, key, f"server:m-{key}", START, START, False, f"slot-{key}")
    return Entry(*place, EntryState.ACTIVE, "0", START, {}, source=SenderClass.SERVER)


def changed(entry: Entry) -> st.SearchStrategy[Entry]:
    """The same with some values changed."""
    some: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries({}, optional=VALUES)
    return some.map(lambda values: entry.changed(**values))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """An SQLite file."""
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('entries')}/entries.db")
    yield store
    store.close()


@given(st.data())
def test_an_entry_is_read_as_it_was_changed_last(store: Store, data: st.DataObject) -> None:
    """However little of its row is written."""
    now = entry(next(KEYS))
    with store.session() as session:
        session.flush(Changes(entries={now.key: now}, new_entries={now.key}))
    for _ in range(3):
        (was,) = read(store, now)
        assert was == now
        now = data.draw(changed(was))
        with store.session() as session:
            session.flush(Changes(entries={now.key: now}, before={was.key: was}))
    assert read(store, now) == [now]


def read(store: Store, entry: Entry) -> list[Entry]:
    """The entry as the store has it."""
    with store.reading() as session:
        return session.entries([entry.key])
