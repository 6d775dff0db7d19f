"""Messages become rows in two ways, which say the same."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from whereupon.messages.model import Message, MessageType, Origin, SenderClass
from whereupon.records import SkippedList, StoredMessage
from whereupon.storage.sql.process_cache import Name, Numbers
from whereupon.storage.sql.rows import message_columns, message_row

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIST = SkippedList("a" * 12, None)

instants = st.integers(0, 3).map(lambda hours: NOON + timedelta(hours=hours, microseconds=hours))
ids = st.sampled_from([None, "ada", "bob"])
stored_messages = st.builds(
    StoredMessage,
    st.integers(1, 3),
    st.integers(1, 3),
    st.builds(
        Message,
        st.sampled_from(["m-1", "m-2"]),
        st.sampled_from(MessageType),
        st.sampled_from(["", "purchase"]),
        ids,
        ids,
        ids,
        instants,
        instants,
        st.none() | instants,
        st.sampled_from(SenderClass),
        st.just(Origin.LIVE),
        st.just(b"{}"),
        st.integers(0, 2),
        st.just(()),
        st.none(),
    ),
)


def numbered(names: set[Name]) -> Numbers:
    """Some number of each name."""
    return {name: len(name[0]) + 100 * len(name[1]) for name in names}


@given(st.lists(stored_messages, min_size=1, max_size=6), st.sets(st.integers(1, 3)))
def test_rows_one_by_one_are_those_of_columns(
    messages: list[StoredMessage], skipping: set[int]
) -> None:
    """Few messages become rows one by one, many become columns."""
    skipped = dict.fromkeys(skipping, LIST)
    lists: dict[SkippedList | None, int] = {LIST: 7}
    columns = message_columns(messages, numbered, skipped, lists)
    numbers = numbered({(each.message.type, each.message.name) for each in messages})
    rows = [message_row(each, numbers, skipped, lists) for each in messages]
    assert rows == [*zip(*columns, strict=True)]
