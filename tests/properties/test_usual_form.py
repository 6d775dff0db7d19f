"""A message of the usual form is decoded in one go, and is read as the exact way reads it."""

import gc
import gzip
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.examples import examples

from whereupon.decide.evaluation import Evaluation
from whereupon.errors import MessageRejectedError
from whereupon.messages.arrival import Arrival, Validated
from whereupon.messages.batch_items import open_all
from whereupon.messages.envelope import Opened, open_text, read, sized, trimmed
from whereupon.messages.model import Message, Origin, SenderClass
from whereupon.messages.streams import BadLine, StreamReader
from whereupon.messages.times import EPOCH
from whereupon.messages.usual_form import MOST_BYTES, usual_envelope
from whereupon.messages.wire import message_in
from whereupon.pipeline.ingestion import read_batch
from whereupon.records import StoredMessage

CORPUS = Path(__file__).parents[2] / "fixtures" / "wire"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIVE = Arrival(NOON, SenderClass.SERVER, lambda: "fresh")
STREAM = replace(LIVE, by_message=True, valid=Validated())

GIVEN: dict[str, Any] = {
    "received_at": NOON,
    "source": SenderClass.SERVER,
    "origin": Origin.LIVE,
    "new_id": str,
}

Answer = Message | tuple[str, str, str]
"""A message without its decoded data, or why it is rejected: code, field and reason."""


def read_exactly(text: bytes, arrival: Arrival) -> tuple[Answer, str]:
    """The message and its data, or its rejection, by way of the fields that stay text."""
    return answered(lambda: sized(open_text(text, read(text))), arrival)


def read_usually(text: bytes, arrival: Arrival) -> tuple[Answer, str] | None:
    """The same by way of the usual form; None if the text has another."""
    usual = usual_envelope(text)
    return None if usual is None else answered(lambda: Opened(usual, text), arrival)


def answered(opened: Callable[[], Opened], arrival: Arrival) -> tuple[Answer, str]:
    """An opened message, read; the data with the exact types of its values."""
    fresh = replace(arrival, valid=Validated())
    try:
        message = message_in(opened(), fresh)
        assert message == message_in(opened(), fresh), "the second is read as the first was"
    except MessageRejectedError as error:
        return (error.code, error.field, error.reason), ""
    return message.changed(properties=None), repr(message.data)


def agrees(text: bytes) -> bool:
    """Whether a text has the usual form; fails if both ways do not give the same answer."""
    for arrival in (LIVE, STREAM):
        usually = read_usually(text, arrival)
        if usually is not None:
            assert usually == read_exactly(text, arrival)
    return usual_envelope(text) is not None


# --- any text -----------------------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([2**53 + 1, 2**64, -(2**70), 10**309, -0.0, 1e308, 5e-324]),
)
TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["", " ", "ada", "Ada ", "null", "\0", "\ud83d", "é", "x" * 151, "5.0"]),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=12,
)
OBJECTS = st.one_of(st.dictionaries(TEXTS, VALUES, max_size=4), VALUES)
CONTEXTS = st.dictionaries(
    st.sampled_from(["library", "page", "locale", "ip", "userAgent", "campaign", "else"]),
    st.dictionaries(st.sampled_from(["name", "version", "path", "title", "else"]), VALUES)
    | TEXTS
    | VALUES,
)
TIMES = st.one_of(
    st.sampled_from(
        [
            *(
                "2026-03-01T11:59:59.123Z",
                "2026-03-01T11:59:59+02:00",
                "2026-03-01",
                "20260301T10Z",
            ),
            *("2026-03-01T11:59:59.123456789Z", "2026-03-01T23:00:00Z", "1772366399", "soon", ""),
            *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-03-01t10:00:00z", "1 Mar 2026"),
        ]
    ),
    NUMBERS,
    VALUES,
)
KINDS = st.one_of(
    st.sampled_from(["track", "identify", "page", "screen", "group", "alias", "Track", "x"]),
    VALUES,
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "type": KINDS,
    "event": st.one_of(st.sampled_from(["purchase", "Delete Object", "x" * 101]), VALUES),
    "name": VALUES,
    **dict.fromkeys(
        ("userId", "anonymousId", "messageId", "previousId", "groupId"), TEXTS | VALUES
    ),
    **dict.fromkeys(("timestamp", "originalTimestamp", "sentAt", "receivedAt"), TIMES),
    **dict.fromkeys(("properties", "traits", "integrations", "_metadata"), OBJECTS),
    "context": OBJECTS | CONTEXTS,
    **dict.fromkeys(("channel", "category", "writeKey", "batch", "else"), VALUES),
    **dict.fromkeys(("version", "rudderId", "request_ip"), VALUES),
}
MEMBERS = st.sampled_from(sorted(FIELDS)).flatmap(
    lambda name: st.tuples(st.just(name), FIELDS[name])
)
USUAL = [
    ("type", "track"),
    ("event", "purchase"),
    ("userId", "ada"),
    ("messageId", "m1"),
    ("timestamp", "2026-03-01T11:59:59.123Z"),
    ("properties", {"price": 10, "currency": "EUR"}),
]


def text_of(members: list[tuple[str, Any]], *, escaped: bool) -> bytes:
    """A JSON object with these members in their order, also those that come twice."""
    written = (
        f"{json.dumps(name)}:{json.dumps(value, ensure_ascii=escaped)}" for name, value in members
    )
    return f"{{{','.join(written)}}}".encode("utf-8", "surrogatepass")


@examples(1_000)
@given(st.lists(MEMBERS, max_size=6), st.integers(0, len(USUAL)), st.booleans())
def test_both_ways_agree_on_any_members(
    members: list[tuple[str, Any]], kept: int, escaped: bool
) -> None:
    """Odd values, members that come twice, NaN, half characters and big numbers included."""
    agrees(text_of([*USUAL[:kept], *members], escaped=escaped))
    agrees(text_of([*members, *USUAL[:kept]], escaped=escaped))


@examples(1_000)
@given(st.data())
def test_both_ways_agree_on_damaged_text(data: st.DataObject) -> None:
    """A few bytes of a message are replaced, left out, or put in."""
    text = bytearray(text_of(data.draw(st.permutations(USUAL)), escaped=True))
    for _ in range(data.draw(st.integers(0, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 3)))
        pieces = [
            b"",
            b"\xff",
            b"\xed\xa0\x80",
            b"\\ud83d",
            b"1e400",
            b"[[",
            b"]",
            b"{",
            b",",
            b'"',
            b"0",
        ]
        text[start:end] = data.draw(st.sampled_from(pieces) | st.binary(max_size=2))
    agrees(trimmed(bytes(text)))


@pytest.mark.parametrize(
    "value",
    [
        *("[" * 200 + "]" * 200, "[" * 600 + "]" * 600, '{"a":' * 201 + "1" + "}" * 201),
        *("1e400", "-1e400", "1" + "0" * 299 + "e10", "1" * 400, "1" * 4_001, "1" * 4_300),
        *("NaN", "Infinity", '"\\ud83d"', '"\\u0000"', "1E5", "-0", "[]", "null", '"é"', "0.1e1"),
    ],
)
@pytest.mark.parametrize("field", ["properties", "traits", "context", "integrations", "else"])
def test_both_ways_agree_on_what_json_readers_disagree_on(value: str, field: str) -> None:
    """Deep, large and odd values, as a field and within one, also of a member that comes again."""
    for shown in (value, f'{{"a":{value}}}', f'{{"a":{value},"a":1}}'):
        for more in ("", f',"{field}":{{"b":2}}'):
            for kind in ("track", "identify"):
                agrees(
                    f'{{"type":"{kind}","event":"e","userId":"ada","{field}":{shown}{more},'
                    '"timestamp":"2026-03-01T11:00:00Z","messageId":"m"}'.encode()
                )


@pytest.mark.parametrize(
    ("levels", "is_usual", "code"),
    [(4, True, None), (5, False, None), (198, False, None), (199, False, "too-deep")],
)
def test_what_is_deeper_than_usual_is_read_the_exact_way(
    levels: int, is_usual: bool, code: str | None
) -> None:
    """A depth that is usual, one that is allowed, and one that is not; each beside the other fields."""
    nested = b'{"a":' * levels + b"1" + b"}" * levels
    text = b'{"type":"page","userId":"a","properties":{"a":%b}}' % nested
    assert agrees(text) == is_usual
    (item,) = open_all(text)
    assert (item.code if isinstance(item, MessageRejectedError) else None) == code


def test_a_large_message_is_read_the_exact_way() -> None:
    """From a size on at which a number may have too many digits."""
    text = text_of([*USUAL, ("name", "x" * MOST_BYTES)], escaped=True)
    assert not agrees(text)
    (opened,) = open_all(text)
    assert isinstance(opened, Opened)


def test_the_data_of_a_usual_message_are_decoded_once() -> None:
    """They come with the message, and what evaluates it takes them over."""
    text = text_of(USUAL, escaped=True)
    (opened,) = open_all(text)
    assert isinstance(opened, Opened)
    message = message_in(opened, LIVE)
    assert message.data is message.data
    assert Evaluation.of(StoredMessage(1, 1, message), 1, NOON).properties is message.data


def test_text_beyond_ascii_is_read_by_as_many_calls() -> None:
    """Of the same message with and without accents, in text and as an escape."""
    counts = set()
    for name in ("Chaussettes rayees", "Chaussettes rayées"):
        for escaped in (False, True):
            text = text_of([*USUAL, ("context", {"page": {"title": name}})], escaped=escaped)
            counts.add(calls(lambda text=text: read_batch([text] * 3, **GIVEN)))  # type: ignore[misc]
    assert len(counts) == 1


def calls(work: Callable[[], object]) -> int:
    """How many functions of Python and C are called by some work."""
    counted = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal counted
        counted += event in {"call", "c_call"}

    gc.disable()  # a collection may call functions of others
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return counted


# --- what clients send --------------------------------------------------------------------------------


def corpus() -> Iterator[bytes]:
    """Every message of the corpus, alone and as an item of its body."""
    for line in gzip.decompress((CORPUS / "messages.jsonl.gz").read_bytes()).splitlines():
        yield line
    for line in gzip.decompress((CORPUS / "bodies.jsonl.gz").read_bytes()).splitlines():
        body = json.loads(line)["body"]
        yield body.encode()
        whole = json.loads(body)
        for item in whole.get("batch", []) if isinstance(whole, dict) else []:
            yield json.dumps(item).encode()
            yield json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode(
                "utf-8", "surrogatepass"
            )


def test_both_ways_agree_on_what_clients_send() -> None:
    """Each message of the corpus; most of what official clients send is of the usual form."""
    texts = [trimmed(text) for text in corpus()]
    usual = [agrees(text) for text in texts]
    assert sum(usual) > len(usual) * 5 // 6, (sum(usual), len(usual))


# --- many at a time -----------------------------------------------------------------------------------

ENDINGS = [b"", b" ", b"\n", b"\r\n", b"\xef\xbb\xbf", b"\x0c"]


@st.composite
def any_items(draw: st.DrawFn) -> bytes:
    """A text as a client may send it, a piece of one, or several in one; also one with spaces around it."""
    members = draw(st.lists(MEMBERS, max_size=3))
    kept = USUAL[: draw(st.sampled_from([3, 5, len(USUAL), len(USUAL)]))]
    text = text_of([*kept, *members], escaped=draw(st.booleans()))
    other = text_of([*USUAL, ("name", draw(TEXTS))], escaped=True)
    place = draw(st.integers(0, len(text)))
    shown = draw(
        st.sampled_from(
            [
                *([text] * 4),
                *(text + other, text + b"\n" + other, text[:place], text[place:], text[:-1] + b","),
                *(text[:place] + b"\n" + text[place:], b"{", b"}", b"", b"[]", b"{}", b"{}{}"),
                *(b'{"batch":[%b,%b],"sentAt":"2026-03-01T11:00:00Z"}' % (text, other), b'"}'),
                *(
                    b'{"batch":[%b, %b]}' % (other, text),
                    text_of([("name", "x" * MOST_BYTES)], escaped=True),
                ),
            ]
        )
    )
    return draw(st.sampled_from(ENDINGS)) + shown + draw(st.sampled_from(ENDINGS))


def one_by_one(batch: list[bytes]) -> tuple[list[Any], list[Any]]:
    """What a batch is read as if each of its items comes alone, and its messages are read the exact way."""
    messages, rejected = list[Any](), list[Any]()
    arrival = replace(LIVE, valid=Validated())
    for place, item in enumerate(item for raw in batch for item in open_all([raw])):
        try:
            if isinstance(item, MessageRejectedError):
                raise item
            messages.append(message_in(item, arrival))
        except MessageRejectedError as error:
            rejected.append((place, error.code, error.reason, error.field))
    return shown(messages), rejected


def shown(messages: list[Message]) -> list[tuple[Message, str]]:
    """Messages with the exact types of their data, read anew."""
    return [(each.changed(properties=None), repr(each.data)) for each in messages]


@examples(1_000)
@given(st.lists(any_items(), max_size=12))
def test_a_batch_is_read_as_its_items_are_one_by_one(batch: list[bytes]) -> None:
    """Items that are good, odd, broken, large, or only together one or two messages; rejections and places included."""
    messages, rejected = one_by_one(batch)
    read_together = read_batch(batch, **{**GIVEN, "new_id": lambda: "fresh"})
    assert shown(read_together.messages) == messages
    assert [
        (each.index, each.code, each.message, each.field) for each in read_together.rejected
    ] == rejected


HINTS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(
            ("sentAt", "receivedAt"),
            st.sampled_from(
                ["2026-03-01T11:00:00Z", "2026-03-01T12:30:00+02:00", "soon", 1772366399]
            ),
        ),
        "context": st.dictionaries(
            st.sampled_from(["locale", "ip", "page", "else"]),
            st.sampled_from(["de", 5, None, {"a": [1]}, {"path": "/", "title": None}]),
            max_size=2,
        ),
    },
)


@examples(300)
@given(HINTS, st.lists(HINTS, max_size=5))
def test_items_are_read_as_if_each_said_what_its_body_says(
    body: dict[str, Any], items: list[dict[str, Any]]
) -> None:
    """Times and context of a body, for items that have their own, some, or none."""
    batch = [{**dict(USUAL), "messageId": f"m{n}", **item} for n, item in enumerate(items)]
    context = body.get("context", {})
    alone = [{**body, **item, "context": {**context, **item.get("context", {})}} for item in batch]
    texts = [json.dumps(item).encode() for item in alone]
    in_body = read_batch([json.dumps({**body, "batch": batch}).encode()], **GIVEN)
    assert [said(each) for each in in_body.messages] == [
        said(each) for each in read_batch(texts, **GIVEN).messages
    ]
    assert len(in_body.messages) == len(items)


def said(message: Message) -> tuple[Message, Any]:
    """A message beside the values of its text."""
    body = {"context": {}, **json.loads(message.body)}
    return message.changed(body=b"", properties=None), (repr(message.data), body)


def lines_one_by_one(content: bytes, arrival: Arrival) -> list[object]:
    """What the lines of a stream are read as, each by itself."""
    found: list[object] = []
    for number, line in enumerate(content.splitlines(keepends=True), 1):
        text = line.strip()
        for place, item in enumerate(() if text in {b"", b"\xef\xbb\xbf"} else open_all(text)):
            key = f"{number}:{place}".encode()
            arrival.new_id = partial(line_id, text, key)
            try:
                if isinstance(item, MessageRejectedError):
                    raise item
                found += shown([message_in(item, arrival)])
            except MessageRejectedError as error:
                found.append(BadLine("s.jsonl", number, error.code, error.reason))
    return found


def line_id(text: bytes, key: bytes) -> str:
    """The id of a line's message that has none."""
    return f"line-{blake2b(text, key=key, digest_size=12).hexdigest()}"


@examples(300)
@given(st.lists(any_items(), max_size=12), st.booleans())
def test_a_stream_is_read_as_its_lines_are_one_by_one(items: list[bytes], is_import: bool) -> None:
    """Lines that are usual, odd, broken or empty, with and without ids and times; each arrives after those above."""
    content = b"\n".join(item.replace(b"\x0c", b" ").replace(b"\r", b" ") for item in items)
    arrival = replace(LIVE, by_message=True, all_at_once=is_import, valid=Validated())
    reader = StreamReader(arrived_at=NOON if is_import else None)
    if not is_import:
        arrival.received_at = EPOCH
    with TemporaryDirectory() as folder:
        path = Path(folder) / "s.jsonl"
        path.write_bytes(content)
        read_together = list(reader.read(path))
    assert [
        each if isinstance(each, BadLine) else shown([each])[0] for each in read_together
    ] == lines_one_by_one(content, arrival)


def test_what_clients_send_is_read_together_as_one_by_one() -> None:
    """The corpus, in batches that are within the limits."""
    texts = list(corpus())
    for first in range(0, len(texts), 50):
        batch = texts[first : first + 50]
        messages, rejected = one_by_one(batch)
        read_together = read_batch(batch, **{**GIVEN, "new_id": lambda: "fresh"})
        if any(each.code == "batch-too-large" for each in read_together.rejected):
            continue
        assert shown(read_together.messages) == messages
        assert [
            (each.index, each.code, each.message, each.field) for each in read_together.rejected
        ] == rejected


@pytest.mark.parametrize("messages", [2_499, 2_500, 2_501, 2_503])
def test_a_batch_has_its_limits_wherever_a_run_ends(messages: int) -> None:
    """As many messages as are allowed, and one rejection in place of all others, which are not asked for."""
    text = text_of(USUAL[:4], escaped=True)
    read_together = read_batch([text] * messages, **GIVEN)
    most = min(messages, 2_500)
    assert len(read_together.messages) == most
    assert [each.index for each in read_together.rejected] == [2_500] * (messages > most)


@pytest.mark.parametrize("size", [1_000, 3_333, 3_999, 4_001, 6_000])
def test_a_batch_has_so_many_bytes_wherever_a_run_ends(size: int) -> None:
    """The first message beyond the limit is the place of the rejection."""
    text = text_of([*USUAL, ("name", "x" * size)], escaped=True)
    fitting = 500 * 1024 // len(text)
    read_together = read_batch([text] * (fitting + 30), **GIVEN)
    assert len(read_together.messages) == fitting
    assert [(each.index, each.code) for each in read_together.rejected] == [
        (fitting, "batch-too-large")
    ]
