"""Messages become rows in two ways, which say the same."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from whereupon.messages.model import Message, MessageType, Origin, SenderClass
from whereupon.records import StoredMessage
from whereupon.storage.sql.rows import message_columns, message_row

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

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


@given(st.lists(stored_messages, min_size=1, max_size=6), st.data())
def test_rows_one_by_one_are_those_of_columns(
    messages: list[StoredMessage], data: st.DataObject
) -> None:
    """Few messages become rows one by one, many become columns."""
    names = [data.draw(st.integers(1, 9)) for _ in messages]
    lists = [data.draw(st.none() | st.integers(1, 9)) for _ in messages]
    columns = message_columns(messages, names, lists)
    rows = [*map(message_row, messages, names, lists)]
    assert rows == [*zip(*columns, strict=True)]
