"""The shipped streams under the shipped rules lead to exactly what the golden files say."""

from pathlib import Path

import pytest
from fixtures.golden import RULES, by_command, expected_of, replayed, streams
from tests.scenarios.commands import whereupon


def _assert_golden(made: bytes, stream: Path) -> None:
    assert made.decode().splitlines() == expected_of(stream).read_text().splitlines()
    assert made == expected_of(stream).read_bytes()


@pytest.mark.parametrize("stream", streams(), ids=lambda stream: stream.stem)
def test_a_stream_leads_to_its_golden_file_on_every_store(stream: Path, place: str) -> None:
    """A replay is deterministic, byte for byte, on every store."""
    _assert_golden(replayed(stream, place, batch=1_000), stream)


@pytest.mark.parametrize("stream", streams(), ids=lambda stream: stream.stem)
def test_a_stream_that_is_taken_message_by_message_leads_to_its_golden_file(stream: Path) -> None:
    """Batches only change the speed."""
    _assert_golden(replayed(stream, "memory://", batch=1), stream)


@pytest.mark.parametrize("stream", streams(), ids=lambda stream: stream.stem)
def test_the_command_prints_the_golden_file(stream: Path) -> None:
    """`whereupon replay --json` prints what these files hold."""
    printed = whereupon("replay", stream, "--rules", RULES, "--json").stdout
    _assert_golden(printed.encode(), stream)


@pytest.mark.slow
def test_a_process_of_the_command_prints_the_golden_file() -> None:
    """As `python fixtures/golden.py` writes all of them."""
    _assert_golden(by_command(streams()[0]), streams()[0])


def test_every_stream_has_a_golden_file_and_every_golden_file_a_stream() -> None:
    """A stream without an expectation tests nothing."""
    golden = {path.name for path in expected_of(streams()[0]).parent.glob("*.jsonl")}
    assert golden == {stream.name for stream in streams()}
