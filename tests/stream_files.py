"""Streams of messages in files."""

from collections.abc import Mapping
from pathlib import Path

from whereupon.messages.codec import encode


def write_stream(path: Path, *messages: Mapping[str, object] | str) -> Path:
    """A stream file of these messages; text stands in it as it is."""
    lines = [m if isinstance(m, str) else encode(m).decode() for m in messages]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path
