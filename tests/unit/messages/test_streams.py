"""Streams: every line becomes a message or a bad line with its number, and no line is lost."""

import gzip
import json
import os
import tracemalloc
from datetime import UTC, datetime
from itertools import islice
from os import fsdecode
from pathlib import Path

import pytest
from tests.shop import NOON
from tests.stream_files import write_stream

from whereupon.errors import StreamError
from whereupon.messages.model import Message, Origin, SenderClass
from whereupon.messages.streams import MAX_LINE_BYTES, BadLine, StreamReader
from whereupon.messages.times import EPOCH


def _line(number: int = 1, **more: object) -> dict[str, object]:
    usual = {"type": "track", "event": "e", "userId": "ada", "messageId": f"m-{number}"}
    return {**usual, **more}


def _read(path: Path, reader: StreamReader | None = None) -> list[Message | BadLine]:
    return list((reader or StreamReader()).read(path))


def _messages(path: Path) -> list[Message]:
    found = _read(path)
    assert not [each for each in found if isinstance(each, BadLine)]
    return [each for each in found if isinstance(each, Message)]


def _arrivals(folder: Path, *lines: dict[str, object]) -> list[str]:
    messages = _messages(write_stream(folder / "s.jsonl", *lines))
    return [message.received_at.strftime("%H:%M") for message in messages]


def _bad(folder: Path, content: bytes) -> list[tuple[int, str]]:
    path = folder / "s.jsonl"
    path.write_bytes(content)
    return [(each.line, each.code) for each in _read(path) if isinstance(each, BadLine)]


def test_a_line_arrives_when_it_happened_unless_it_says_otherwise(tmp_path: Path) -> None:
    """`receivedAt` is the arrival, otherwise the line's own time."""
    assert _arrivals(
        tmp_path,
        _line(1, timestamp="2026-06-01T12:00:00Z"),
        _line(2, timestamp="2026-06-01T12:05:00Z", receivedAt="2026-06-01T12:30:00Z"),
        _line(3, originalTimestamp="2026-06-01T12:40:00Z"),
    ) == ["12:00", "12:30", "12:40"]


def test_a_line_never_arrives_before_the_line_above(tmp_path: Path) -> None:
    """A line with an earlier time arrived late; one without a time arrives with the last."""
    arrivals = _arrivals(
        tmp_path,
        _line(1, timestamp="2026-06-01T12:00:00Z", receivedAt="2026-06-01T12:30:00Z"),
        _line(2, timestamp="2026-06-01T12:10:00Z"),
        _line(3, timestamp="2026-06-01T12:10:00Z", receivedAt="2026-06-01T12:20:00Z"),
        _line(4),
    )
    assert arrivals == ["12:30"] * 4


def test_an_arrival_that_is_not_a_time_is_reported_not_guessed(tmp_path: Path) -> None:
    """The line is read as if it had no arrival, with a remark."""
    path = write_stream(tmp_path / "s.jsonl", _line(1, receivedAt="some day"))
    (message,) = _messages(path)
    assert (message.received_at, message.remarks[0].code) == (EPOCH, "bad-timestamp")


def test_a_late_line_keeps_its_own_time(tmp_path: Path) -> None:
    """The arrival is moved; the time at which it happened stays."""
    lines = [
        _line(1, timestamp="2026-06-01T12:30:00Z"),
        _line(2, timestamp="2026-06-01T12:10:00Z"),
    ]
    late = _messages(write_stream(tmp_path / "s.jsonl", *lines))[1]
    assert (late.timestamp.minute, late.received_at.minute) == (10, 30)


def test_several_streams_are_one_sequence_of_arrivals(tmp_path: Path) -> None:
    """The second file begins where the first one ended."""
    reader = StreamReader()
    first = write_stream(tmp_path / "1.jsonl", _line(1, timestamp="2026-06-01T12:30:00Z"))
    second = write_stream(tmp_path / "2.jsonl", _line(2, timestamp="2026-06-01T12:10:00Z"))
    (one,), (two,) = _read(first, reader), _read(second, reader)
    assert isinstance(one, Message)
    assert isinstance(two, Message)
    assert one.received_at == two.received_at


def test_a_stream_without_any_time_starts_at_the_epoch(tmp_path: Path) -> None:
    """No clock is read: the same file is the same stream on every day."""
    (message,) = _messages(write_stream(tmp_path / "s.jsonl", _line()))
    assert message.received_at == message.timestamp == EPOCH


def test_an_import_arrives_now_whatever_the_lines_say(tmp_path: Path) -> None:
    """Age is measured to the real arrival, and no imported message is live."""
    reader = StreamReader(source=SenderClass.CLIENT, origin=Origin.IMPORT, arrived_at=NOON)
    path = write_stream(tmp_path / "s.jsonl", _line(timestamp="2025-06-01T12:00:00Z"))
    (message,) = _read(path, reader)
    assert isinstance(message, Message)
    assert (message.received_at, message.timestamp.year) == (NOON, 2025)
    assert (message.source, message.origin) == (SenderClass.CLIENT, Origin.IMPORT)


def test_a_senders_clock_is_corrected_where_the_arrival_is_known(tmp_path: Path) -> None:
    """`timestamp = receivedAt - (sentAt - originalTimestamp)`; a made-up arrival corrects nothing."""
    fast = {
        "originalTimestamp": "2026-06-01T13:00:00Z",
        "sentAt": "2026-06-01T13:00:10Z",
    }
    lines = [_line(1, **fast, receivedAt="2026-06-01T12:00:10Z"), _line(2, **fast)]
    known, unknown = _messages(write_stream(tmp_path / "s.jsonl", *lines))
    assert known.timestamp == NOON
    assert known.original_timestamp == unknown.timestamp == datetime(2026, 6, 1, 13, tzinfo=UTC)


def test_a_message_without_an_id_gets_the_same_one_whenever_the_stream_is_read(
    tmp_path: Path,
) -> None:
    """It follows from the line's content and place, so that replaying twice changes nothing."""
    nameless = {"type": "track", "event": "e", "userId": "ada"}
    batch = {"batch": [nameless, nameless]}
    empty_id = {**nameless, "messageId": ""}
    path = write_stream(tmp_path / "s.jsonl", nameless, nameless, batch, empty_id)
    ids = [message.message_id for message in _messages(path)]
    assert ids == [message.message_id for message in _messages(path)]
    assert len(set(ids)) == 5  # equal lines are two messages: the sender sent two
    copied = tmp_path / "copy.jsonl"
    copied.write_bytes(path.read_bytes())
    assert [message.message_id for message in _messages(copied)] == ids


def test_a_line_may_hold_a_batch(tmp_path: Path) -> None:
    """A stream may hold what SDKs send; the arrival and context of a batch apply to its items."""
    batch = {
        "batch": [_line(1), "no message", _line(2, receivedAt="2026-06-01T12:45:00Z")],
        "receivedAt": "2026-06-01T12:30:00Z",
        "context": {"locale": "fr-FR"},
    }
    first, bad, second = _read(write_stream(tmp_path / "s.jsonl", batch))
    assert isinstance(first, Message)
    assert isinstance(second, Message)
    assert (first.received_at.minute, second.received_at.minute) == (30, 45)
    assert first.context == second.context == {"locale": "fr-FR"}
    assert bad == BadLine("s.jsonl", 1, "not-an-object", "a message must be a JSON object")


def test_a_batch_of_one_is_a_batch(tmp_path: Path) -> None:
    """Its arrival counts as that of a batch of two."""
    batch = {"batch": [_line(1)], "receivedAt": "2026-06-01T12:30:00Z"}
    (message,) = _messages(write_stream(tmp_path / "s.jsonl", batch))
    assert message.received_at == NOON.replace(minute=30)


@pytest.mark.parametrize(
    ("bad", "code"), [("tru", "bad-json"), ("[" * 300 + "]" * 300, "too-deep")]
)
def test_a_message_that_cannot_be_read_leaves_its_batch_alone(
    bad: str, code: str, tmp_path: Path
) -> None:
    """Text that is not JSON, or that nests too deep, costs only its own message."""
    items = [json.dumps(_line(1)), '{"type":"track","traits":' + bad + "}", json.dumps(_line(2))]
    path = tmp_path / "s.jsonl"
    path.write_text(f'{{"batch":[{",".join(items)}]}}\n{{"batch":[{items[0]}],\n')
    first, rejected, second, cut_off = _read(path)
    assert isinstance(first, Message)
    assert isinstance(second, Message)
    assert isinstance(rejected, BadLine)
    assert (rejected.line, rejected.code) == (1, code)
    assert isinstance(cut_off, BadLine)
    assert (cut_off.line, cut_off.code) == (2, "bad-json")


def test_a_packed_stream_is_unpacked_on_the_way(tmp_path: Path) -> None:
    """Exported events often come as .gz."""
    plain = write_stream(tmp_path / "s.jsonl", _line(1), _line(2))
    packed = tmp_path / "s.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert _messages(packed) == _messages(plain)


@pytest.mark.parametrize(
    "content",
    [b"no gzip at all\n", gzip.compress(b'{"type": "track"}\n' * 1000)[:-12]],
    ids=["no gzip", "cut off"],
)
def test_a_packed_stream_that_cannot_be_unpacked_is_an_error(
    content: bytes, tmp_path: Path
) -> None:
    """Half a file must not pass for the whole."""
    broken = tmp_path / "s.jsonl.gz"
    broken.write_bytes(content)
    with pytest.raises(StreamError, match=r"s\.jsonl\.gz"):
        _read(broken)


def test_a_packed_stream_with_a_flipped_bit_is_an_error(tmp_path: Path) -> None:
    """The checksum and the compressed data are checked."""
    packed = bytearray(gzip.compress(b'{"type": "track"}\n' * 1000))
    packed[len(packed) // 2] ^= 0xFF
    broken = tmp_path / "s.jsonl.gz"
    broken.write_bytes(packed)
    with pytest.raises(StreamError, match=r"s\.jsonl\.gz"):
        _read(broken)


def test_a_file_whose_name_is_not_text_can_be_named(tmp_path: Path) -> None:
    """File systems accept any bytes as a name; messages about its lines can be written as JSON."""
    path = tmp_path / fsdecode(b"caf\xe9.jsonl")
    try:
        path.write_bytes(b"no json\n")
    except OSError:
        pytest.skip("this file system takes text only")
    (bad,) = _read(path)
    assert isinstance(bad, BadLine)
    assert bad.stream == "caf\N{REPLACEMENT CHARACTER}.jsonl"


@pytest.mark.parametrize("name", ["nowhere.jsonl", "nowhere.jsonl.gz", "."])
def test_a_stream_that_is_not_there_is_an_error(name: str, tmp_path: Path) -> None:
    """The error names the file and the reason."""
    with pytest.raises(StreamError) as caught:
        _read(tmp_path / name)
    assert caught.value.path == str(tmp_path / name)


def test_a_byte_order_mark_before_the_first_line_is_accepted(tmp_path: Path) -> None:
    """Some editors write one."""
    path = tmp_path / "s.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + write_stream(tmp_path / "plain.jsonl", _line()).read_bytes())
    assert [message.message_id for message in _messages(path)] == ["m-1"]


def test_a_line_that_is_not_a_message_is_reported_by_its_number_and_the_rest_is_read(
    tmp_path: Path,
) -> None:
    """Lines are counted from one, empty ones included."""
    content = b'\n{"type": "track", "event": "\x01", "userId": "ada"}\n   \nno json\n[]\n{}\n'
    assert _bad(tmp_path, content) == [
        (2, "bad-json"),
        (4, "bad-json"),
        (5, "not-an-object"),
        (6, "missing-type"),
    ]


def test_carriage_returns_and_a_missing_last_line_end_are_accepted(tmp_path: Path) -> None:
    """Files come from many systems."""
    path = tmp_path / "s.jsonl"
    one, two = write_stream(tmp_path / "plain.jsonl", _line(1), _line(2)).read_bytes().splitlines()
    path.write_bytes(one + b"\r\n" + two)
    assert len(_messages(path)) == 2


@pytest.mark.parametrize("factor", [1, 2, 7])
def test_a_huge_line_is_rejected_and_the_next_is_read(factor: int, tmp_path: Path) -> None:
    """One broken line must not cost the stream."""
    good = write_stream(tmp_path / "plain.jsonl", _line()).read_bytes()
    huge = b"x" * (MAX_LINE_BYTES * factor) + b"\n"
    assert _bad(tmp_path, huge + good) == [(1, "message-too-large")]
    assert len(_read(tmp_path / "s.jsonl")) == 2
    assert _bad(tmp_path, good + huge.rstrip()) == [
        (2, "message-too-large" if factor > 1 else "bad-json")
    ]


def test_a_huge_line_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    """A file without line ends must not fill the memory."""
    path = tmp_path / "s.jsonl"
    path.write_bytes(b"x" * MAX_LINE_BYTES * 40)
    tracemalloc.start()
    try:
        assert len(_read(path)) == 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * MAX_LINE_BYTES


def test_lines_that_lie_across_two_blocks_are_read_whole(tmp_path: Path) -> None:
    """A file is read in blocks, whose ends fall anywhere."""
    lines = [_line(number, properties={"text": "x" * (number % 977)}) for number in range(1_000)]
    path = write_stream(tmp_path / "s.jsonl", *lines)
    assert [each.message_id for each in _messages(path)] == [each["messageId"] for each in lines]
    sizes: list[int] = []
    _read(path, StreamReader(progress=sizes.append))
    assert sizes == [len(line) for line in path.read_bytes().splitlines(keepends=True)]


def test_progress_is_reported_in_bytes(tmp_path: Path) -> None:
    """Every byte is counted once, in bad and empty lines, too."""
    path = tmp_path / "s.jsonl"
    path.write_bytes(b'no json\n\n{"type": "track", "event": "e", "userId": "ada"}')
    reported: list[int] = []
    _read(path, StreamReader(progress=reported.append))
    assert sum(reported) == path.stat().st_size


def test_the_lines_of_a_pipe_do_not_wait_for_later_ones(tmp_path: Path) -> None:
    """Each whole line that was written is read, also while the next is written half."""
    one, two, three = (
        write_stream(tmp_path / "plain.jsonl", _line(number)).read_bytes() for number in (1, 2, 3)
    )
    end, start = os.pipe()
    found = StreamReader().read(Path(f"/dev/fd/{end}"))
    os.write(start, one + two + three[:9])
    assert [each.message_id for each in islice(found, 2) if isinstance(each, Message)] == [
        "m-1",
        "m-2",
    ]
    os.write(start, three[9:])
    os.close(start)
    assert [each.message_id for each in found if isinstance(each, Message)] == ["m-3"]
    os.close(end)
