"""The wire form: what the six calls may contain, and each rejection with its code and its field."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from tests.examples import examples

from whereupon.errors import MessageRejectedError
from whereupon.messages.arrival import Arrival
from whereupon.messages.batch_items import open_all
from whereupon.messages.codec import decode, encode
from whereupon.messages.envelope import BatchItem, Opened
from whereupon.messages.model import (
    Message,
    MessageType,
    Origin,
    SenderClass,
    body_context,
    body_data,
    written_body,
)
from whereupon.messages.repairs import MAX_NESTING
from whereupon.messages.size_limits import MAX_MESSAGE_BYTES
from whereupon.messages.wire import JUNK_IDS, message_in, parse_message

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

Raw = dict[str, JsonValue]


def counted() -> Callable[[], str]:
    """Ids that count up."""
    numbers = count(1)
    return lambda: f"fresh-{next(numbers)}"


def arrival(**changes: object) -> Arrival:
    """An arrival at noon from a server."""
    made = Arrival(NOON, SenderClass.SERVER, counted())
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def parsed(raw: JsonValue, **changes: object) -> Message:
    """Read a message."""
    return parse_message(raw, arrival(**changes))


def purchase(**fields: JsonValue) -> Raw:
    """A good track message with other fields."""
    return {"type": "track", "event": "purchase", "userId": "ada"} | fields


def rejection(raw: JsonValue) -> MessageRejectedError:
    """Return why a message is rejected."""
    with pytest.raises(MessageRejectedError) as caught:
        parsed(raw)
    return caught.value


# --- the six calls ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "type_", "name", "data", "target"),
    [
        ({"type": "identify", "traits": {"a": 1}}, MessageType.IDENTIFY, "", {"a": 1}, None),
        ({"type": "track", "event": "E e", "properties": {"a": 1}}, "track", "E e", {"a": 1}, None),
        ({"type": "page", "name": "Home", "properties": {"a": 1}}, "page", "Home", {"a": 1}, None),
        ({"type": "page"}, "page", "", {}, None),
        ({"type": "page", "properties": {"name": "In"}}, "page", "In", {"name": "In"}, None),
        ({"type": "page", "properties": {"name": 7}}, "page", "", {"name": 7}, None),
        ({"type": "screen", "name": "Cart"}, "screen", "Cart", {}, None),
        ({"type": "group", "groupId": "g1", "traits": {"a": 1}}, "group", "", {"a": 1}, "g1"),
        ({"type": "group", "groupId": 7}, "group", "", {}, "7"),
        ({"type": "Track", "event": "E"}, "track", "E", {}, None),
        ({"type": " GROUP ", "groupId": "g1", "traits": []}, "group", "", {}, "g1"),
        ({"type": "alias", "previousId": "anon-1"}, "alias", "", {}, "anon-1"),
    ],
)
def test_the_six_calls_are_read(
    raw: Raw, type_: str, name: str, data: Raw, target: str | None
) -> None:
    """Each call has its own name, data and target (Segment spec)."""
    message = parsed({"userId": "ada", **raw})
    assert (message.type, message.name, message.data, message.target_id) == (
        type_,
        name,
        data,
        target,
    )
    assert (message.user_id, message.anonymous_id) == ("ada", None)


def test_nulls_are_as_good_as_absent() -> None:
    """Official clients send explicit nulls for fields that they do not know."""
    names = ("anonymousId", "messageId", "timestamp", "originalTimestamp", "sentAt", "properties")
    message = parsed(purchase(**dict.fromkeys((*names, "context", "traits", "previousId"), None)))
    assert message == parsed(purchase()).changed(body=message.body)
    assert (message.message_id, message.timestamp, message.data) == ("fresh-1", NOON, {})


@pytest.mark.parametrize(
    ("sent", "read"), [(7, "7"), (7.0, "7"), (7.5, "7.5"), (2**70, str(2**70)), (" a\n ", "a")]
)
def test_ids_may_be_numbers(sent: JsonValue, read: str) -> None:
    """A number counts as its digits; a text is stripped of the space around it."""
    message = parsed(purchase(userId=sent, anonymousId=sent, messageId=sent))
    assert [message.user_id, message.anonymous_id, message.message_id] == [read] * 3


def test_names_and_properties_are_kept_as_sent() -> None:
    """Nothing is trimmed, cased, rounded or reordered."""
    properties: Raw = {"price": "23.45", "n": 2**80, " É ": [1.5, None, {"deep": "🧦"}]}
    raw = purchase(event=" Purchase É", properties=properties, extra={"unknown": True})
    message = parsed(raw)
    assert (message.name, message.data) == (" Purchase É", properties)
    assert message.context == {}


def test_the_bytes_that_came_are_kept() -> None:
    """The stored message has the sender's bytes, with spaces and unknown fields."""
    text = b'{"type": "track", "event":"purchase", "userId":"ada", "price": 1e2, "odd": [1 ]}'
    assert parse_message(text, arrival()).body is text


def test_a_message_without_an_id_is_given_one() -> None:
    """An empty message id counts as none."""
    how = arrival()
    given = [purchase(messageId=i) for i in ("", None, "m")]
    assert [parse_message(text, how).message_id for text in given] == ["fresh-1", "fresh-2", "m"]


def test_how_a_message_came_is_remembered() -> None:
    """The source and the origin decide what a message may ask for."""
    message = parsed(purchase(), source=SenderClass.CLIENT, origin=Origin.IMPORT)
    assert (message.source, message.origin, message.depth) == (SenderClass.CLIENT, Origin.IMPORT, 0)


# --- times ------------------------------------------------------------------------------------------


def at(minutes: float) -> str:
    """The time so many minutes from noon, as text."""
    return (NOON + timedelta(minutes=minutes)).isoformat()


@pytest.mark.parametrize(
    ("fields", "minutes", "original"),
    [
        ({}, 0, None),
        ({"timestamp": at(-5)}, -5, -5),
        ({"originalTimestamp": at(-5)}, -5, -5),
        ({"timestamp": at(-5), "originalTimestamp": at(-9)}, -5, -9),
        ({"sentAt": at(-5)}, 0, None),
        ({"timestamp": at(-65), "sentAt": at(-60)}, -65, -65),
        ({"originalTimestamp": at(-65), "sentAt": at(-60)}, -5, -65),
        ({"originalTimestamp": at(55), "sentAt": at(60)}, -5, 55),
        ({"originalTimestamp": at(-60), "sentAt": at(-65)}, 0, -60),
        ({"timestamp": at(-3), "originalTimestamp": at(-65), "sentAt": at(-60)}, -3, -65),
        ({"originalTimestamp": at(-65), "sentAt": at(-60), "receivedAt": at(-30)}, -35, -65),
        ({"originalTimestamp": at(-65), "sentAt": at(-60), "receivedAt": at(30)}, -5, -65),
        ({"timestamp": at(5)}, 0, 5),
        ({"timestamp": at(-5), "sentAt": {}, "originalTimestamp": "?"}, -5, -5),
        ({"originalTimestamp": at(-5), "sentAt": "yesterday", "timestamp": []}, -5, -5),
        ({"timestamp": at(-5), "sentAt": ""}, -5, -5),
        ({"timestamp": ""}, 0, None),
    ],
)
def test_a_senders_clock_is_corrected(fields: Raw, minutes: float, original: float | None) -> None:
    """`timestamp` is corrected already; else received - (sent - original), or the original; never in the future."""
    message = parsed(purchase(**fields))
    assert message.timestamp == NOON + timedelta(minutes=minutes)
    assert message.received_at == NOON
    assert message.original_timestamp == (
        None if original is None else NOON + timedelta(minutes=original)
    )


def test_a_correction_beyond_the_calendar_is_left_out() -> None:
    """A nonsensical clock does not change the sent time."""
    message = parsed(
        purchase(originalTimestamp="0001-01-02T00:00:00Z", sentAt="9999-12-30T00:00:00Z")
    )
    assert message.timestamp == datetime(1, 1, 2, tzinfo=UTC)


def test_a_live_message_does_not_say_when_it_arrived() -> None:
    """Only a line of a stream can; ``receivedAt`` in a live message is at most a collector's time."""
    assert parsed(purchase(receivedAt=at(-60))).received_at == NOON
    assert parsed(purchase(receivedAt={"odd": 1})).received_at == NOON


@pytest.mark.parametrize(
    ("fields", "received", "happened"),
    [
        ({}, 0, 0),
        ({"timestamp": at(7)}, 7, 7),
        ({"timestamp": at(-7)}, 0, -7),
        ({"receivedAt": at(9), "timestamp": at(7)}, 9, 7),
        ({"receivedAt": at(-9), "timestamp": at(-10)}, 0, -10),
        ({"receivedAt": at(9), "originalTimestamp": at(60), "sentAt": at(62)}, 9, 7),
        ({"originalTimestamp": at(7), "sentAt": at(60)}, 7, 7),
        ({"receivedAt": "some day", "timestamp": at(7)}, 7, 7),
    ],
)
def test_a_streams_line_says_when_it_arrived(fields: Raw, received: float, happened: float) -> None:
    """By default when it happened, but never before the line above; only ``receivedAt`` corrects clocks."""
    message = parsed(purchase(**fields), by_message=True)
    assert message.received_at == NOON + timedelta(minutes=received)
    assert message.timestamp == NOON + timedelta(minutes=happened)


def test_an_import_arrives_at_once() -> None:
    """Its ``receivedAt`` still corrects the sender's clock."""
    fields: Raw = {"receivedAt": at(-10), "originalTimestamp": at(-65), "sentAt": at(-60)}
    message = parsed(purchase(**fields), by_message=True, all_at_once=True)
    assert (message.received_at, message.timestamp) == (NOON, NOON - timedelta(minutes=15))


# --- rejections ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "code", "field"),
    [
        (7, "not-an-object", "message"),
        ([purchase()], "not-an-object", "message"),
        ({}, "missing-type", "type"),
        ({"type": None}, "missing-type", "type"),
        ({"type": "Trick"}, "unknown-type", "type"),
        ({"type": 7}, "unknown-type", "type"),
        ({"type": {}}, "unknown-type", "type"),
        ({"type": "track", "userId": "ada"}, "missing-event", "event"),
        (purchase(event=None), "missing-event", "event"),
        (purchase(event=" \t"), "missing-event", "event"),
        (purchase(event=7), "bad-event", "event"),
        ({"type": "page", "name": 7, "userId": "ada"}, "bad-event", "name"),
        (purchase(userId=None), "missing-id", "userId"),
        (purchase(userId=" ", anonymousId=""), "missing-id", "userId"),
        ({"type": "alias", "previousId": "a", "anonymousId": "b"}, "missing-id", "userId"),
        ({"type": "alias", "userId": "a"}, "missing-id", "previousId"),
        ({"type": "group", "userId": "a"}, "missing-id", "groupId"),
        ({"type": "alias", "userId": "a", "previousId": "null"}, "junk-id", "previousId"),
        ({"type": "group", "userId": "a", "groupId": "nil"}, "junk-id", "groupId"),
        (purchase(userId=0), "junk-id", "userId"),
        (purchase(userId=0.0), "junk-id", "userId"),
        (purchase(userId=None, anonymousId="undefined"), "junk-id", "anonymousId"),
        (purchase(userId="null", anonymousId="undefined"), "junk-id", "userId"),
        ({"type": "alias", "userId": "0", "anonymousId": "a"}, "junk-id", "userId"),
        (purchase(userId=True), "bad-field", "userId"),
        (purchase(userId="", anonymousId=["a"]), "bad-field", "anonymousId"),
        (purchase(messageId={}), "bad-field", "messageId"),
        (purchase(properties=[1]), "bad-field", "properties"),
        (purchase(properties="a"), "bad-field", "properties"),
        (purchase(context=7), "bad-field", "context"),
        ({"type": "identify", "userId": "a", "traits": [[]]}, "bad-field", "traits"),
        (purchase(userId="a" * 151), "id-too-long", "userId"),
        (purchase(userId=None, anonymousId="é" * 76), "id-too-long", "anonymousId"),
        (purchase(messageId="a" * 101), "message-id-too-long", "messageId"),
        (purchase(event="a" * 101), "name-too-long", "event"),
        (purchase(event="é" * 51), "name-too-long", "event"),
        ({"type": "page", "name": "a" * 101, "userId": "a"}, "name-too-long", "name"),
        (purchase(timestamp="yesterday"), "bad-timestamp", "timestamp"),
        (purchase(timestamp=True), "bad-timestamp", "timestamp"),
        (purchase(timestamp="2024"), "bad-timestamp", "timestamp"),
        (purchase(originalTimestamp=[]), "bad-timestamp", "originalTimestamp"),
        (purchase(userId="a\0b"), "bad-character", "userId"),
        (purchase(userId=None, anonymousId="a\0b"), "bad-character", "anonymousId"),
        (purchase(messageId="a\0b"), "bad-character", "messageId"),
        (purchase(event="a\0b"), "bad-character", "event"),
        (purchase(properties={"a": "b" * MAX_MESSAGE_BYTES}), "message-too-large", "message"),
    ],
)
def test_every_rejection_has_a_code_and_names_its_field(
    raw: JsonValue, code: str, field: str
) -> None:
    """Codes never change; the sentence names the fault and what is accepted."""
    error = rejection(raw)
    assert (error.code, error.field) == (code, field)
    assert field in error.reason


@pytest.mark.parametrize("junk", sorted(JUNK_IDS - {""}))
@pytest.mark.parametrize("field", ["userId", "anonymousId"])
def test_a_junk_id_is_rejected(junk: str, field: str) -> None:
    """Ids that are known to join strangers are rejected, in any case and with space around them."""
    for spelt in (junk, junk.upper(), f" {junk.title()}\t"):
        raw: Raw = {"type": "track", "event": "purchase", field: spelt}
        assert rejection(raw).code == "junk-id"


def test_ids_that_only_look_like_junk_are_ids() -> None:
    """A junk word inside an id is allowed."""
    for good in ("00", "null1", "guest-7", "00000000-0000-0000-0000-000000000001", "user id"):
        assert parsed(purchase(userId=good)).user_id == good


def test_limits_are_the_last_that_is_accepted() -> None:
    """150 bytes of an id, 100 of a name, 100 characters of a message id, 32 KB of a message."""
    raw = purchase(userId="é" * 75, event="é" * 50, messageId="é" * 100)
    message = parsed(raw)
    assert (message.user_id, message.name, message.message_id) == ("é" * 75, "é" * 50, "é" * 100)
    room = MAX_MESSAGE_BYTES - len(parsed(purchase(properties={"a": ""})).body)
    full = parsed(purchase(properties={"a": "b" * room}))
    assert len(full.body) == MAX_MESSAGE_BYTES
    assert rejection(purchase(properties={"a": "b" * (room + 1)})).code == "message-too-large"


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (object(), "message"),
        ({"properties": {"order": {"price": b"23"}}}, "properties.order.price"),
        ({"properties": {"items": [1, object]}}, "properties.items.1"),
        ({"properties": {"order": {(1, 2): 3}}}, "properties.order"),
    ],
)
def test_a_value_that_cannot_be_written_names_its_path(value: object, field: str) -> None:
    """Host objects that JSON cannot hold are rejected before they are read."""
    with pytest.raises(MessageRejectedError) as caught:
        parse_message(value, arrival())
    assert (caught.value.code, caught.value.field) == ("not-json", field)
    assert field in caught.value.reason.replace("the message", "message")


# --- what a message can do without --------------------------------------------------------------------


def remarks(raw: JsonValue) -> list[tuple[str, str]]:
    """The codes of repairs and omissions in a message, and the first words of each."""
    return [(code, text.split()[0]) for code, text in parsed(raw).remarks]


@pytest.mark.parametrize(
    ("fields", "user", "anonymous", "remark"),
    [
        ({"anonymousId": "undefined"}, "ada", None, ("junk-id", "anonymousId")),
        ({"userId": "null", "anonymousId": "a"}, None, "a", ("junk-id", "userId")),
        ({"userId": True, "anonymousId": "a"}, None, "a", ("bad-field", "userId")),
        ({"anonymousId": "a" * 151}, "ada", None, ("id-too-long", "anonymousId")),
        ({"anonymousId": "a\0"}, "ada", None, ("bad-character", "anonymousId")),
    ],
)
def test_a_bad_id_does_not_take_a_good_one_with_it(
    fields: Raw, user: str | None, anonymous: str | None, remark: tuple[str, str]
) -> None:
    """The bad one is left out, the event is kept, and a remark names it."""
    message = parsed(purchase(**fields))
    assert (message.user_id, message.anonymous_id) == (user, anonymous)
    assert remarks(purchase(**fields)) == [remark]


@pytest.mark.parametrize("field", ["sentAt", "receivedAt", "originalTimestamp"])
def test_a_second_time_that_cannot_be_read_is_left_out(field: str) -> None:
    """The message has a time without it."""
    raw = purchase(timestamp=at(-5), **{field: "yesterday, at ada's"})
    assert parsed(raw).timestamp == NOON - timedelta(minutes=5)
    assert remarks(raw) == [("bad-timestamp", field)]
    assert "ada" not in parsed(raw).remarks[0].text


def test_an_identifys_traits_may_stand_in_its_context() -> None:
    """RudderStack's clients send them there; in other calls, and beside other traits, they are ignored."""
    context: Raw = {"traits": {"plan": "pro"}}
    nothing: list[JsonValue] = [{}, None, []]
    for traits in nothing:
        raw: Raw = {"type": "identify", "userId": "ada", "traits": traits, "context": context}
        assert parsed(raw).data == {"plan": "pro"}
    own: Raw = {"type": "identify", "userId": "ada", "traits": {"a": 1}, "context": context}
    assert parsed(own).data == {"a": 1}
    group: Raw = {"type": "group", "userId": "ada", "groupId": "g", "context": context}
    assert parsed(group).data == {}
    assert parsed(purchase(context=context)).data == {}


@pytest.mark.parametrize("event", ["Report Delivery Event", "Report Content Event"])
def test_a_report_needs_no_id(event: str) -> None:
    """Push metrics of phones name their delivery and nothing else."""
    message = parsed({"type": "track", "event": event, "properties": {"deliveryId": "d"}})
    assert (message.user_id, message.anonymous_id) == (None, None)


# --- batches ----------------------------------------------------------------------------------------


def opened(raw: object) -> list[JsonValue]:
    """The texts of the messages, or the code of the one that is not a message."""

    def shown(item: BatchItem) -> JsonValue:
        return decode(item.text) if isinstance(item, Opened) else item.code

    return [shown(item) for item in open_all([raw])]


def test_items_inherit_from_their_batch_what_they_lack() -> None:
    """``sentAt`` and ``context`` are inherited; an item's own fields win, and a null counts as absent."""
    sent: Raw = {
        "sentAt": "S",
        "context": {"ip": "192.0.2.1", "library": "x"},
        "batch": [
            {"type": "track"},
            {"type": "page", "sentAt": "T", "context": {"ip": "192.0.2.2"}},
            {"type": "page", "sentAt": None, "context": None},
            {"type": "page", "context": "odd"},
            7,
        ],
    }
    whole: Raw = {"ip": "192.0.2.1", "library": "x"}
    expected = [
        {"type": "track", "sentAt": "S", "context": whole},
        {"type": "page", "sentAt": "T", "context": {"ip": "192.0.2.2", "library": "x"}},
        {"type": "page", "sentAt": "S", "context": whole},
        {"type": "page", "context": "odd", "sentAt": "S"},
        "not-an-object",
    ]
    assert opened(sent) == opened(encode(sent)) == expected


def test_a_batch_that_says_nothing_leaves_its_items_alone() -> None:
    """Nothing is added that was not sent."""
    item: Raw = {"type": "track", "event": "purchase"}
    for raw in ({"batch": [item]}, item, {"batch": [{"batch": [item]}]}):
        assert opened(raw) == opened(encode(raw)) == [item]
    assert opened({"batch": "odd"}) == [{"batch": "odd"}]


def test_batches_within_batches_have_an_end() -> None:
    """They count as their items, up to a depth; reading them takes no long time."""
    raw: JsonValue = purchase()
    for _ in range(MAX_NESTING + 50):
        raw = {"batch": [raw, 7]}
    text = b'{"batch":[' * 50_000
    assert opened(raw)[0] == "too-deep"
    assert opened(text + b"7" + b"]}" * 50_000) == ["batch-too-large"]
    assert opened(text[:300_000] + b"7" + b"]}" * 30_000) == ["too-deep"]


# --- sizes ------------------------------------------------------------------------------------------


def test_a_size_does_not_depend_on_how_a_message_was_written() -> None:
    """Spaces and escapes are free: alone, in a batch, as values and as text, the same size counts."""
    room = MAX_MESSAGE_BYTES - len(encode(purchase(properties={"a": "", "n": [1e15] * 50})))
    for more, expected in ((0, "purchase"), (1, "message-too-large")):
        letters = "é" * (room // 2) + "x" * (room % 2 + more)
        raw = purchase(properties={"a": letters, "n": [1e15] * 50})
        spaced = json.dumps(raw, indent=2).encode()
        batch = {"batch": [raw], "sentAt": at(0)}
        ways = [
            raw,
            encode(raw),
            spaced,
            batch,
            encode(batch),
            json.dumps(batch, indent=2).encode(),
        ]
        for way in ways:
            (item,) = opened(way)
            assert (item["event"] if isinstance(item, dict) else item) == expected


# --- whatever comes ---------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]))
anything: st.SearchStrategy[JsonValue] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**30), 10**30),
        st.floats(allow_nan=False, allow_infinity=False),
        texts,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
FIELDS = {
    "type": st.one_of(st.sampled_from([type_.value for type_ in MessageType]), anything),
    "event": st.one_of(st.just("purchase"), anything),
    "userId": st.one_of(st.just("ada"), anything),
    "properties": st.one_of(st.dictionaries(texts, anything, max_size=3), anything),
    "traits": st.one_of(st.dictionaries(texts, anything, max_size=3), anything),
    "timestamp": st.one_of(st.datetimes().map(datetime.isoformat), anything),
}
OTHERS = ("anonymousId", "messageId", "previousId", "groupId", "name", "context", "sentAt")
sent = st.one_of(
    anything,
    st.fixed_dictionaries(
        FIELDS,
        optional=dict.fromkeys((*OTHERS, "originalTimestamp", "receivedAt", "batch"), anything),
    ),
)


@examples(300)
@given(sent, st.booleans())
def test_any_json_is_read_or_rejected(raw: JsonValue, by_message: bool) -> None:
    """Any JSON is accepted or rejected and raises nothing else; an accepted message is kept as it was sent."""
    rejected: list[MessageRejectedError] = []
    for item in open_all([raw]):
        try:
            if isinstance(item, MessageRejectedError):
                raise item
            message = message_in(item, arrival(by_message=by_message))
        except MessageRejectedError as error:
            rejected.append(error)
            continue
        assert isinstance(item, Opened)
        assert message.timestamp <= message.received_at
        assert message.timestamp.tzinfo is UTC
    assert all(error.field and error.field in error.reason for error in rejected)


@given(st.sampled_from(MessageType), st.dictionaries(texts, anything, max_size=4))
def test_a_body_of_our_own_is_read_like_a_senders(type_: MessageType, data: Raw) -> None:
    """The content of a step comes back unchanged."""
    text = written_body(type_, data)
    assert (body_data(type_, text), body_context(text)) == (data, {})


@pytest.mark.parametrize("text", [b"", b"7", b"{}", b'{"properties": 7, "context": []}'])
def test_a_body_without_data_is_empty(text: bytes) -> None:
    """A stub, or a body from another version, has neither data nor context."""
    assert (body_data(MessageType.TRACK, text), body_context(text)) == ({}, {})


# --- the text itself --------------------------------------------------------------------------------


def within(value: bytes) -> bytes:
    """A message with the text as its property."""
    return b'{"type":"track","event":"e","userId":"ada","properties":{"p":%b}}' % value


@pytest.mark.parametrize(
    "value",
    [
        *(b"01", b"1.", b"-", b"+1", b"Nan", b"tru", b'"a\x01b"', b'"\\ud8"'),
        *(
            b'"\\x"',
            b"[1,]",
            b"[1 2]",
            b'{"a" 1}',
            b"{1:2}",
            b'"a',
            b"[",
            b"",
            b"1}}",
        ),
    ],
)
def test_a_text_that_is_not_json_is_rejected_even_if_it_is_not_read(value: bytes) -> None:
    """An accepted message can be read later: the parts that stay text are checked like the others."""
    with pytest.raises(MessageRejectedError) as caught:
        parse_message(within(value), arrival())
    assert (caught.value.code, caught.value.field) == ("bad-json", "message")


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (b"1e400", None),
        (b"-1e400", None),
        (b"1" + b"0" * 299 + b"e10", None),
        (b"9" * 40, int("9" * 40)),
        (b"9" * 400, int("9" * 400)),
        (b"9" * 5_000, None),
        (b"NaN", None),
        (b"-Infinity", None),
        (b'"a\\ud83d"', "a\ufffd"),
        (b'"\\udc34\\ud83d\\udc34"', "\ufffd\U0001f434"),
        (b'"\xf0\x9f"', "\ufffd\ufffd"),
        (b'"4e123-9e400: 5e600"', "4e123-9e400: 5e600"),
        (b'"\\u0000"', "\0"),
        ("'\u00e9'".replace("'", '"').encode(), "é"),
    ],
)
def test_near_json_of_clients_is_repaired(value: bytes, read: JsonValue) -> None:
    """Whole numbers are exact; infinite values and NaN are null; half a character is U+FFFD."""
    message = parse_message(within(value), arrival())
    assert message.data == {"p": read}
    is_mended = read is None or (isinstance(read, str) and "\ufffd" in read)
    assert bool(message.remarks) == is_mended
    assert all(text.startswith("properties.p ") for _, text in message.remarks)


def test_how_deep_a_message_may_nest() -> None:
    """Two hundred levels, with the message itself and its properties; many values side by side are allowed."""
    most = MAX_NESTING - 2
    assert parse_message(within(b"[" * most + b"]" * most), arrival()).name == "e"
    wide = b"[" + b"[]," * 500 + b"[]]"
    assert len(str(parse_message(within(wide), arrival()).data)) > 500
    for deep in (most + 1, 100_000):
        with pytest.raises(MessageRejectedError) as caught:
            parse_message(within(b"[" * deep + b"]" * deep), arrival())
        assert caught.value.code == "too-deep"


def test_a_hosts_value_that_nests_too_deep_is_rejected_as_its_text_is() -> None:
    """It cannot be written."""
    value: JsonValue = []
    for _ in range(300):
        value = [value]
    with pytest.raises(MessageRejectedError) as caught:
        parse_message({"type": "track", "properties": {"p": value}}, arrival())
    assert caught.value.code == "too-deep"


def test_a_time_beyond_the_doubles_is_none() -> None:
    """JSON has no such number, in any of the fields that are read."""
    text = b'{"type":"track","event":"e","userId":"a","timestamp":1e400}'
    message = parse_message(text, arrival())
    assert (message.timestamp, message.remarks[0].code) == (NOON, "not-a-number")
