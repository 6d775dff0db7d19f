"""Messages that clients really send, through every way in: one answer, and no accepted message is misread.

The oracle reads the Segment spec's common fields straight from the JSON, with none of our parser.
"""

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from whereupon import Engine
from whereupon.decide import Notice
from whereupon.errors import MessageRejectedError
from whereupon.messages.arrival import Arrival
from whereupon.messages.batch_items import open_all
from whereupon.messages.envelope import Opened
from whereupon.messages.model import Message, SenderClass
from whereupon.messages.streams import BadLine, StreamReader
from whereupon.messages.wire import message_in, parse_message
from whereupon.pipeline.ingestion import Ingested
from whereupon.replay.records import Record
from whereupon.replay.stream_replay import replay
from whereupon.scheduling.clocks import FrozenClock

CORPUS = Path(__file__).parents[2] / "fixtures" / "wire"
NOW = datetime(2026, 11, 30, tzinfo=UTC)
CHUNK = 20

COUNTS = {
    "accepted": 3340,
    "duplicates": 1684,
    "bad-character": 1,
    "bad-event": 7,
    "bad-field": 25,
    "bad-timestamp": 35,
    "junk-id": 19,
    "message-too-large": 3,
    "missing-event": 124,
    "missing-id": 501,
    "missing-type": 277,
    "name-too-long": 2,
    "unknown-type": 406,
}
NOTICES = {"bad-timestamp": 11, "duplicate-differs": 1317, "junk-id": 4}
BODY_COUNTS = {
    "accepted": 397,
    "duplicates": 3,
    "bad-field": 2,
    "message-too-large": 13,
    "missing-event": 8,
    "missing-id": 2,
    "missing-type": 32,
    "name-too-long": 20,
    "unknown-type": 5,
}
BODY_NOTICES = {"half-character": 12, "not-a-number": 4, "unknown-person": 24}


def lines_of(name: str) -> list[str]:
    """The lines of one file of the corpus."""
    return gzip.decompress((CORPUS / name).read_bytes()).decode().splitlines()


@cache
def messages() -> list[str]:
    """The messages, as text."""
    return lines_of("messages.jsonl.gz")


@cache
def bodies() -> list[str]:
    """The recorded bodies, as text."""
    return [json.loads(line)["body"] for line in lines_of("bodies.jsonl.gz")]


# --- the answer ---------------------------------------------------------------------------------------


class Answer(NamedTuple):
    """The answers to texts, in their order; places count every message of every batch."""

    accepted: int
    duplicates: int
    rejected: list[tuple[int, str]]
    notices: list[tuple[str, str]]


def answered(way: Callable[[Engine, list[str]], Iterator[Ingested]], texts: list[str]) -> Answer:
    """The answers of an engine without rules to some calls of `ingest`, joined."""
    accepted = duplicates = start = 0
    rejected: list[tuple[int, str]] = []
    notices: list[tuple[str, str]] = []
    with Engine.open("memory://", clock=FrozenClock(NOW)) as engine:
        for result in way(engine, texts):
            accepted += result.accepted
            duplicates += result.duplicates
            rejected += [(start + each.index, each.code) for each in result.rejected]
            notices += [(each.code, each.message) for each in result.warnings]
            start += result.accepted + result.duplicates + len(result.rejected)
    return Answer(accepted, duplicates, rejected, _without_look_alikes(notices))


def _without_look_alikes(notices: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The answer without notices on similar ids, which depend on the division into calls."""
    return [each for each in notices if each[0] != "ids-alike"]


def chunks(texts: list[str]) -> Iterator[list[str]]:
    """So many texts at a time."""
    for start in range(0, len(texts), CHUNK):
        yield texts[start : start + CHUNK]


WAYS: dict[str, Callable[[Engine, list[str]], Iterator[Ingested]]] = {
    "dict": lambda engine, texts: (engine.ingest(json.loads(text)) for text in texts),
    "bytes": lambda engine, texts: (engine.ingest(text.encode()) for text in texts),
    "list": lambda engine, texts: (
        engine.ingest([json.loads(text) for text in some]) for some in chunks(texts)
    ),
    "batch body": lambda engine, texts: (
        engine.ingest(f'{{"batch":[{",".join(some)}]}}'.encode()) for some in chunks(texts)
    ),
}


def as_stream(texts: list[str], folder: Path) -> Answer:
    """A replay's answer to the texts, one on each line."""
    path = folder / "stream.jsonl"
    path.write_text("\n".join(text.strip() for text in texts))
    records: list[Record] = []
    summary = replay(
        StreamReader().read(path),
        lambda clock: Engine.open("memory://", clock=clock),
        records.append,
    )
    rejected = [(0, each.code) for each in records if isinstance(each, BadLine)]
    notices = [(each.code, each.message) for each in records if isinstance(each, Notice)]
    result = _without_look_alikes(notices)
    return Answer(summary.accepted, summary.duplicates, rejected, result)


def without_places(answer: Answer) -> Answer:
    """The answer without places, which a stream does not have."""
    return answer._replace(rejected=[(0, code) for _, code in answer.rejected])


def count(answer: Answer) -> tuple[dict[str, int], dict[str, int]]:
    """Count outcomes, and notices by code."""
    ends = Counter(code for _, code in answer.rejected)
    ends.update(accepted=answer.accepted, duplicates=answer.duplicates)
    return dict(ends), dict(Counter(str(code) for code, _ in answer.notices))


@pytest.mark.parametrize(
    ("texts", "counts", "notices"),
    [(messages, COUNTS, NOTICES), (bodies, BODY_COUNTS, BODY_NOTICES)],
    ids=["messages", "bodies"],
)
def test_every_way_in_gives_one_answer(
    texts: Callable[[], list[str]], counts: dict[str, int], notices: dict[str, int], tmp_path: Path
) -> None:
    """As dict, text, list, batch body and stream; the expected counts by code are listed here."""
    sent = texts()
    answers = {name: answered(way, sent) for name, way in WAYS.items()}
    first = answers.pop("dict")
    for name, answer in answers.items():
        assert answer == first, name
    streamed = as_stream(sent, tmp_path)
    assert streamed == without_places(first)
    assert count(first) == (counts, notices)


# --- the oracle ---------------------------------------------------------------------------------------

JUNK = {
    *("null", "undefined", "none", "nil", "nan", "0", "true", "false", "anonymous", "guest"),
    *("distinct_id", "id", "email", "user", "not_authenticated", "[object object]"),
    *("00000000-0000-0000-0000-000000000000", "0" * 32),
}
NAMED = ("track", "page", "screen")


def as_id(value: Any) -> str | None:
    """An id by the spec: a text; clients also send numbers, and words for "none"."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value).strip()
    usable = text and text.lower() not in JUNK and len(text.encode()) <= 150 and "\0" not in text
    return text if usable else None


def as_time(value: Any) -> datetime | None:
    """A time in ISO 8601 or a similar form, in RFC 2822, or as a Unix time of any precision."""
    if isinstance(value, str) and value.isdigit() and len(value) > 8:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if not isinstance(value, str):
        unit = next(unit for unit in (1, 10**3, 10**6, 10**9) if value / unit < 2e10)
        return datetime.fromtimestamp(value / unit, UTC)
    for read in (datetime.fromisoformat, _nearly_iso, parsedate_to_datetime):
        try:
            instant = read(value)
        except ValueError:
            continue
        return instant.replace(tzinfo=instant.tzinfo or UTC)
    return None


def _nearly_iso(value: str) -> datetime:
    text = value.strip().upper().replace(" UTC", "").replace("Z", "").replace("T", " ")
    clock = " %H:%M:%S" + ".%f" * ("." in text)
    return datetime.strptime(text, "%Y-%m-%d" + clock * (" " in text))  # noqa: DTZ007


def happened(raw: dict[str, Any], inherited: dict[str, Any]) -> datetime:
    """The time of a live message (Segment spec, Timestamps)."""
    whole = {**inherited, **{name: value for name, value in raw.items() if value is not None}}
    names = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")
    timestamp, original, sent, received = (as_time(whole.get(name)) for name in names)
    if timestamp is None and original is not None and sent is not None:
        timestamp = min(received or NOW, NOW) - (sent - original)
    return min(timestamp or original or NOW, NOW)


def whole(value: Any) -> Any:
    """The value without lone surrogates, as JavaScript's `toWellFormed` makes it."""
    if isinstance(value, str):
        return "".join("\ufffd" if "\ud800" <= sign <= "\udfff" else sign for sign in value)
    if isinstance(value, dict):
        return {whole(name): whole(each) for name, each in value.items()}
    return [whole(each) for each in value] if isinstance(value, list) else value


def as_object(value: Any) -> dict[str, Any]:
    """An object; any other value counts as an empty one."""
    return value if isinstance(value, dict) else {}


def expected(raw: dict[str, Any], inherited: dict[str, Any]) -> dict[str, Any]:
    """The message as the spec reads it."""
    type_ = raw["type"].strip().lower()
    properties, traits = as_object(raw.get("properties")), as_object(raw.get("traits"))
    context = {**as_object(inherited.get("context")), **as_object(raw.get("context"))}
    name = raw["event"] if type_ == "track" else raw.get("name") or properties.get("name")
    data = properties if type_ in NAMED else traits
    if type_ == "identify" and not traits:
        data = as_object(context.get("traits"))
    return {
        "type": type_,
        "name": name if type_ in NAMED and isinstance(name, str) else "",
        "user_id": as_id(raw.get("userId")),
        "anonymous_id": as_id(raw.get("anonymousId")),
        "target_id": as_id(raw.get({"alias": "previousId", "group": "groupId"}.get(type_, ""))),
        "timestamp": happened(raw, inherited),
        "data": data,
        "context": context,
    }


def seen(message: Message) -> dict[str, Any]:
    """The same fields as the engine read them."""
    fields = ("type", "name", "user_id", "anonymous_id", "target_id", "data", "context")
    result = {name: getattr(message, name) for name in fields}
    return {**result, "type": str(message.type), "timestamp": message.timestamp}


def items_of(body: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Each message of a body, and the body's own fields for it."""
    if isinstance(body, dict) and isinstance(body.get("batch"), list):
        inherited = {
            name: body[name] for name in ("sentAt", "receivedAt", "context") if body.get(name)
        }
        for item in body["batch"]:
            yield item, inherited
    else:
        yield body, {}


@pytest.mark.parametrize("texts", [messages, bodies], ids=["messages", "bodies"])
def test_nothing_that_is_accepted_is_misread(texts: Callable[[], list[str]]) -> None:
    """Ids, name, time, properties and traits are as the spec reads them."""
    arrival = Arrival(NOW, SenderClass.SERVER, lambda: "fresh")
    accepted = 0
    for text in texts():
        sent = items_of(json.loads(text, parse_constant=lambda _: None))
        for item, (raw, inherited) in zip(open_all(text.encode()), sent, strict=True):
            if not isinstance(item, Opened):
                continue
            try:
                message = message_in(item, arrival)
            except MessageRejectedError:
                continue
            accepted += 1
            assert seen(message) == expected(whole(raw), inherited)
    assert accepted > 100


def test_messages_that_passed_a_collector_are_dated_as_it_said() -> None:
    """No message with both times gets the time of its arrival here."""
    arrival = Arrival(NOW, SenderClass.SERVER, lambda: "fresh")
    both = 0
    for text in messages():
        raw = json.loads(text)
        times = [as_time(raw.get(name)) for name in ("timestamp", "originalTimestamp", "sentAt")]
        if None in times or raw.get("receivedAt") is None:
            continue
        try:
            message = parse_message(text.encode(), arrival)
        except MessageRejectedError:
            continue
        both += 1
        assert message.timestamp == times[0]
        assert NOW - message.timestamp > timedelta(days=90)
    assert both > 400
