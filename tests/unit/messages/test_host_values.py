"""Values of every shape and type: one answer through every way in, and limits on each."""

import json
import logging
from collections import OrderedDict, deque
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, JsonValue
from tests.examples import examples
from tests.rule_files import book_of
from tests.shop import thanks

from whereupon import Engine
from whereupon.conditions import ALWAYS, Data, History
from whereupon.decide import Notice
from whereupon.errors import MessageRejectedError
from whereupon.messages.model import MessageType, Source
from whereupon.messages.size_limits import MAX_BATCH_BYTES, MAX_BATCH_MESSAGES
from whereupon.messages.streams import BadLine, StreamReader
from whereupon.pipeline.ingestion import Ingested
from whereupon.replay.records import Record
from whereupon.replay.stream_replay import replay
from whereupon.rules.model import Rulebook
from whereupon.runtime.log_lines import in_log
from whereupon.scheduling.clocks import FrozenClock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

Raw = dict[str, Any]


def purchase(**fields: Any) -> Raw:
    """A good track message with other fields."""
    return {"type": "track", "event": "purchase", "userId": "ada"} | fields


def answer_to(batch: Any, source: Source = "server") -> Ingested:
    """The answer of a new engine to a batch."""
    with Engine.open("memory://", clock=FrozenClock(NOON)) as engine:
        return engine.ingest(batch, source=source)


def codes(batch: Any) -> list[tuple[int, str]]:
    """The rejected items, by place."""
    return [(each.index, each.code) for each in answer_to(batch).rejected]


# --- a host's own kinds of value ----------------------------------------------------------------------


class Plan(Enum):
    """An enumeration."""

    PRO = "pro"


class Order(BaseModel):
    """A pydantic model."""

    total: Decimal
    lines: list[str]


@dataclass
class Line:
    """A dataclass."""

    price: Decimal
    _note: str = ""


class Struct(msgspec.Struct):
    """A msgspec structure."""

    price: Decimal


class Scalar:
    """A number type of a library, such as numpy's."""

    def __float__(self) -> float:
        return 2.5


class Whole:
    """A whole number type of a library."""

    def __index__(self) -> int:
        return 7


VALUES: list[tuple[object, JsonValue]] = [
    (Decimal("23.45"), 23.45),
    (Decimal(5), 5),
    (Decimal("5.00"), 5.0),
    (Decimal("12345678901234567890.5"), 12345678901234567000.0),
    ({"b", "a"}, ["a", "b"]),
    (frozenset({2, 10}), [2, 10]),
    ({1, "a"}, ["a", 1]),
    (timedelta(hours=1, minutes=30), 5400),
    (timedelta(milliseconds=1500), 1.5),
    (Order(total=Decimal("9.5"), lines=["x"]), {"total": 9.5, "lines": ["x"]}),
    (Line(Decimal("1.5")), {"price": 1.5}),
    (Struct(Decimal("1.5")), {"price": 1.5}),
    ((1, (2, 3)), [1, [2, 3]]),
    (deque([1, 2]), [1, 2]),
    (range(3), [0, 1, 2]),
    ({"a": 1}.keys(), ["a"]),
    (MappingProxyType({"a": Decimal(1)}), {"a": 1}),
    (OrderedDict(a=1), {"a": 1}),
    ({1: "a", None: "b", Decimal("1.5"): "c"}, {"1": "a", "null": "b", "1.5": "c"}),
    (Fraction(1, 4), 0.25),
    (Scalar(), 2.5),
    (Whole(), 7),
    (Plan.PRO, "pro"),
    (PurePosixPath("/a/b"), "/a/b"),
    (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (date(2026, 3, 1), "2026-03-01"),
    (time(9, 30), "09:30:00"),
    (NOON, "2026-03-01T12:00:00+00:00"),
    (2**70, 2**70),
]


@pytest.mark.parametrize(("value", "read"), VALUES, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("beside", [{}, {"huge": 2**70}, {"cut": "a\ud83d"}, {"nothing": None}])
def test_ordinary_values_of_pythons_are_taken(value: object, read: JsonValue, beside: Raw) -> None:
    """They become their JSON equivalents, also if a value beside them takes the slow way."""
    with Engine.open("memory://", clock=FrozenClock(NOON)) as engine:
        engine.identify("ada", traits={"value": value, **beside})
        (kept,) = engine.store.schema.persons.rows.values()  # type: ignore[attr-defined]
    assert kept.attributes["value"] == read


@pytest.mark.parametrize(
    ("properties", "path"),
    [
        ({"order": {"price": b"23"}}, "properties.order.price"),
        ({"order": [1, {"file": object()}]}, "properties.order.1.file"),
        ({"order": {"price": Decimal("sNaN"), "by": bytearray(b"x")}}, "properties.order.by"),
        ({"order": {b"key": 1}}, "properties.order"),
    ],
)
def test_a_call_that_cannot_be_written_names_the_path(properties: Raw, path: str) -> None:
    """The error names the path and the type, never the value."""
    with Engine.open("memory://") as engine, pytest.raises(MessageRejectedError) as caught:
        engine.track("purchase", user_id="ada", properties=properties)
    assert (caught.value.code, caught.value.field) == ("not-json", path)


def test_a_value_that_fails_when_it_is_asked_is_rejected_by_name() -> None:
    """A host's own code may raise anything."""

    class Broken:
        def __float__(self) -> float:
            message = "ada@example.com"
            raise ZeroDivisionError(message)

    (refused,) = answer_to(purchase(properties={"a": Broken()})).rejected
    assert (refused.code, refused.field) == ("not-json", "properties.a")
    assert "ada" not in refused.message


@pytest.mark.parametrize("number", [float("nan"), float("inf"), Decimal("NaN"), -float("inf")])
def test_a_value_that_is_not_a_number_is_null_with_a_notice_of_the_path(number: object) -> None:
    """Also in models and at any depth; the message is accepted."""
    given = answer_to(
        [purchase(), purchase(properties={"order": [{"price": number}], "none": None})]
    )
    assert given.accepted == 2
    (notice,) = given.warnings
    assert notice.code == "not-a-number"
    assert "properties.order.0.price" in notice.message


# --- any shape, five ways -----------------------------------------------------------------------------

texts = st.text(max_size=6) | st.sampled_from(["a\ud83d", "\udc34", "\ufeff", "a\0"])
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    texts,
    st.sampled_from([1e16, 1e15, 10**400, "null", " Ada ", "2026-03-01", "2024", 1772366400000]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
NAMES = ("type", "event", "name", "userId", "anonymousId", "messageId", "previousId", "groupId")
TIMES = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")
PARTS = ("properties", "traits", "context", "batch")
KEYS = (*NAMES, *TIMES, *PARTS)
shapes = st.one_of(
    values,
    st.dictionaries(st.sampled_from(KEYS), values, max_size=6),
    st.builds(
        lambda kind, some: {"type": kind, "event": "e", "userId": "ada", "groupId": "g", **some},
        st.sampled_from([*MessageType, "Track"]),
        st.dictionaries(st.sampled_from(KEYS[3:]), values, max_size=4),
    ),
)


def answer(given: Ingested) -> tuple[object, ...]:
    """The parts of an answer that must not depend on the way in."""
    rejected = [(each.code, each.field, each.message) for each in given.rejected]
    notices = [(each.code, each.message) for each in given.warnings]
    return given.accepted, given.duplicates, rejected, notices


def by_stream(text: bytes, path: Path) -> tuple[object, ...]:
    """The same for a replay, which names no fields."""
    path.write_bytes(text)
    records: list[Record] = []
    summary = replay(
        StreamReader().read(path),
        lambda clock: Engine.open("memory://", clock=clock),
        records.append,
    )
    rejected = [(each.code, each.message) for each in records if isinstance(each, BadLine)]
    notices = [(each.code, each.message) for each in records if isinstance(each, Notice)]
    return summary.accepted, summary.duplicates, rejected, notices


@examples(150)
@given(shapes)
@example(
    {"batch": [{"type": "track"}, {"batch": [7]}, float("nan")], "context": {"a": float("inf")}}
)
@example(
    {"type": "track", "event": "e", "userId": "ada", "properties": {"a\ud83d": [1e16, 10**400]}}
)
def test_any_value_gets_one_answer_in_five_ways(
    tmp_path_factory: pytest.TempPathFactory, value: Any
) -> None:
    """As a value, as text, in a list, in a batch body and in a stream; no other error is raised."""
    text = json.dumps(value).encode()
    one = answer(answer_to([value]))
    assert answer(answer_to([text])) == one
    assert answer(answer_to(text)) == one
    if isinstance(value, dict):
        assert answer(answer_to(value)) == one
    assert answer(answer_to({"batch": [value]})) == one
    assert answer(answer_to(b'{"batch":[%b]}' % text)) == one
    accepted, duplicates, rejected, notices = by_stream(
        text, tmp_path_factory.mktemp("ways") / "s.jsonl"
    )
    shown = [(code, message) for code, _, message in one[2]]  # type: ignore[attr-defined]
    assert (accepted, duplicates, rejected, notices) == (*one[:2], shown, one[3])


@pytest.mark.parametrize("deep", [201, 300, 5_000, 100_000])
def test_an_item_that_nests_too_deep_costs_itself(deep: int) -> None:
    """At any depth, through every way in."""
    value: Any = 1
    for _ in range(deep):
        value = [value]
    bad = purchase(properties={"deep": value})
    text = b'{"type":"track","event":"e","userId":"ada","properties":{"deep":%b}}'
    written = text % (b"[" * deep + b"]" * deep)
    good = json.dumps(purchase()).encode()
    body = b'{"batch":[%b],"sentAt":"2026-03-01T12:00:00Z"}' % b",".join([good, written, good])
    for batch in ([purchase(), bad, purchase()], [good, written, good], body):
        given = answer_to(batch)
        assert (given.accepted, [(r.index, r.code) for r in given.rejected]) == (
            2,
            [(1, "too-deep")],
        )
    while isinstance(value, list):  # or letting go of it would be deep, too
        (value,) = value


# --- limits -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b'{"batch":[%b1]}' % (b"1," * 250_000), {"batch": [1] * 250_000}])
def test_a_body_of_junk_is_rejected_once_beyond_the_limit(body: Any) -> None:
    """There are as many rejections as messages are allowed, and one that says where reading stopped."""
    rejected = codes(body)
    assert len(rejected) == MAX_BATCH_MESSAGES + 1
    assert rejected[-1] == (MAX_BATCH_MESSAGES, "batch-too-large")


def big(count: int) -> list[Raw]:
    """So many messages of about 10 KB each."""
    return [purchase(messageId=str(n), properties={"a": "x" * 10_000}) for n in range(count)]


def test_a_batch_has_a_size_in_every_form() -> None:
    """500 KB are accepted; the first message beyond that is named, once."""
    fits = MAX_BATCH_BYTES // len(json.dumps(big(1)[0], separators=(",", ":")))
    many, some = big(52), big(fits)
    assert len(some) < len(many)
    forms: list[Any] = [
        many,
        iter(many),
        {"batch": many},
        [json.dumps(m, separators=(",", ":")).encode() for m in many],
    ]
    forms += [json.dumps({"batch": many}, separators=(",", ":")).encode()]
    for form in forms:
        given = answer_to(form)
        assert given.accepted == fits
        assert [(r.index, r.code) for r in given.rejected] == [(fits, "batch-too-large")]
    assert answer_to(some).rejected == []


def test_a_batch_repeats_what_its_items_inherit_only_so_often() -> None:
    """A context that would turn 250 KB into eighty times as much is not repeated to the end."""
    items = [purchase(messageId=str(n)) for n in range(2_000)]
    given = answer_to({"batch": items, "context": {"a": "x" * 30_000}})
    assert (given.accepted, given.rejected[0].code) == (136, "batch-too-large")
    assert answer_to({"batch": items, "context": {"a": "x" * 1_000}}).accepted == 2_000


def test_a_text_full_of_exponents_is_read_in_time_that_grows_with_it() -> None:
    """Each may be a number beyond the doubles, and is checked by itself."""
    text = b'{"type":"track","event":"e","userId":"ada","properties":{"a":"%b"}}'
    given = answer_to(text % (b"x1e123" * 80_000))
    assert [each.code for each in given.rejected] == ["message-too-large"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"batch":[%b0]}' % (b"0," * 2_500_000), "batch-too-large"),
        (b'{"type":"track","properties":"%b"}' % (b"x" * 5_000_000), "message-too-large"),
    ],
)
def test_a_text_beyond_all_limits_is_not_read(body: bytes, code: str) -> None:
    """It is rejected as a whole, before it is parsed."""
    assert codes(body) == [(0, code)]


def test_a_text_is_read_as_one() -> None:
    """A text is not read letter by letter."""
    assert answer_to(json.dumps(purchase())).accepted == 1
    assert codes("x" * 500_000) == [(0, "bad-json")]


def test_a_sentence_quotes_no_value() -> None:
    """It shows a few characters of a value at most."""
    private = "ada.lovelace@example.com"
    faults: list[Any] = [
        purchase(timestamp=private),
        purchase(timestamp=[private]),
        purchase(userId=[private]),
        purchase(userId=private * 9),
        purchase(event=[private]),
        purchase(event=private * 9),
        purchase(messageId=private * 9),
        purchase(type=private),
        purchase(properties=private),
        purchase(userId=" " * 9_000 + "null"),
        purchase(properties={private: b""}),
        json.dumps(purchase(userId=private)).encode()[:-3],
        private,
    ]
    sentences = [each.message for each in answer_to(faults).rejected]
    assert len(sentences) == len(faults)
    assert all(len(sentence) < 200 and "lovelace" not in sentence for sentence in sentences[:-3])


# --- ids ----------------------------------------------------------------------------------------------


def test_ids_that_differ_by_spelling_only_are_reported_once() -> None:
    """By case or Unicode form: they are two people, with one notice when the second is first met."""
    pairs = [("Ada", "ada"), ("zoe\u0301", "zo\u00e9"), ("ADA-2", "ada-2")]
    for kind in ("userId", "anonymousId"):
        for one, two in pairs:
            both = [{"type": "page", kind: each} for each in (one, two)]
            with Engine.open("memory://") as engine:
                first = engine.ingest(both)
                again = engine.ingest(both)
            assert [each.code for each in first.warnings] == ["ids-alike"]
            assert again.warnings == []


def test_an_id_like_that_of_a_known_person_is_reported() -> None:
    """The ids of the batch are compared with earlier ones."""
    with Engine.open("memory://") as engine:
        engine.identify("ada")
        given = engine.ingest([purchase(userId="ada"), purchase(userId=" ADA ")])
        assert [each.code for each in given.warnings] == ["ids-alike"]
        assert engine.identity("ADA").user_ids == ("ADA",)


@pytest.mark.parametrize(
    ("known", "fresh"),
    [("ada", "Ada"), ("Ada", "ada"), ("ADA@X.EXAMPLE", "ada@x.example"), ("zo\u00e9", "zoe\u0301")],
)
def test_an_id_of_the_next_call_is_reported_beside_the_one_that_is_there(
    place: str, known: str, fresh: str
) -> None:
    """Calls with one message each never contain both; a lookup that they make anyway finds the other."""
    with Engine.open(place) as engine:
        engine.identify(known)
        given = [engine.identify(fresh), engine.identify(fresh), engine.identify(known)]
        assert engine.identity(fresh).user_ids == (fresh,)
    assert [[each.code for each in one.warnings] for one in given] == [["ids-alike"], [], []]


# --- log lines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("m-1", "m-1"),
        ("0b9f:a@b.c/ü"[:11], "0b9f:a@b.c/"),
        ("m\nERROR all is lost", '"m\\nERROR all is lost"'),
        ('a "b"', '"a \\"b\\""'),
        ("é\u2028", '"\\u00e9\\u2028"'),
        ("", '""'),
        ("x" * 500, '"' + "x" * 100 + '"'),
    ],
)
def test_a_name_is_one_word_of_a_log_line(name: str, written: str) -> None:
    """The name as it is if possible, otherwise as a JSON text in ASCII."""
    assert in_log(name) == written


def test_a_senders_line_feed_begins_no_log_line(caplog: pytest.LogCaptureFixture) -> None:
    """A log record about a message that was set aside is one line."""
    failing = replace(ALWAYS, holds=_fails)
    rules = Rulebook(rules=tuple(replace(rule, where=failing) for rule in book_of(thanks()).rules))
    clock = FrozenClock(NOON)
    opened = Engine.open("memory://", rules=rules, clock=clock)
    with caplog.at_level(logging.ERROR, "whereupon"), opened as engine:
        given = engine.ingest([purchase(messageId="m\nERROR all is lost")])
    assert [each.code for each in given.rejected] == ["poison"]
    assert all("\n" not in record.getMessage() for record in caplog.records)
    assert "all is lost" in caplog.text
    assert "lovelace" not in given.rejected[0].message


def _fails(_data: Data, _history: History) -> bool:
    """A condition of the host's that quotes the value on which it fails."""
    message = "ada.lovelace@example.com"
    raise KeyError(message)
