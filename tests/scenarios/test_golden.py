"""The shipped streams under the shipped rules lead to exactly what the golden files say."""

from pathlib import Path

import pytest
from fixtures.golden import expected_of, replayed, streams


@pytest.mark.parametrize("stream", streams(), ids=lambda stream: stream.stem)
@pytest.mark.parametrize(
    "store", ["memory://", "sqlite:///{folder}/replay.db"], ids=["memory", "sqlite"]
)
def test_a_stream_leads_to_its_golden_file_on_every_store(
    stream: Path, store: str, tmp_path: Path
) -> None:
    """Replay is deterministic, byte for byte, whatever the store."""
    made = replayed(stream, store.format(folder=tmp_path))
    assert made.decode().splitlines() == expected_of(stream).read_text().splitlines()
    assert made == expected_of(stream).read_bytes()


def test_every_stream_has_a_golden_file_and_every_golden_file_a_stream() -> None:
    """A stream without an expectation tests nothing."""
    golden = {path.name for path in expected_of(streams()[0]).parent.glob("*.jsonl")}
    assert golden == {stream.name for stream in streams()}
