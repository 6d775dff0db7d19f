"""Streams: files of messages, one JSON value a line (JSON Lines), read in constant memory.

A line is a message in wire form, or a ``batch`` body of several. ``receivedAt`` says when it arrived;
by default that is its own time, but never before the line above. A line that is no message is
reported with its number, and the rest is read.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from pydantic import JsonValue

from whereupon.codec import JsonError, decode
from whereupon.errors import MessageRejectedError, StreamError
from whereupon.messages import Message, Origin, Source
from whereupon.times import EPOCH, parse_instant
from whereupon.wire import MAX_BATCH_BYTES, MAX_MESSAGE_BYTES, Arrival, parse_message, unfold_batch

MAX_LINE_BYTES = MAX_BATCH_BYTES + MAX_MESSAGE_BYTES
"""A batch at its limit, and what its wrapping and spaces may add."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line, or an item of a batch on it, that is no message; ``line`` counts from 1."""

    stream: str
    line: int
    code: str
    message: str


@dataclass(slots=True)
class StreamReader:
    """Reads streams one after another, as one sequence of arrivals.

    Attributes:
        source: the class of sender of every line.
        arrived_at: the arrival of everything, whatever the lines say (an import); None to go by the
            lines (a replay).
        progress: called with the number of bytes of every line, for those who wait.
    """

    source: Source = Source.SERVER
    origin: Origin = Origin.LIVE
    arrived_at: datetime | None = None
    progress: Callable[[int], None] | None = None
    _clock: datetime = EPOCH

    def read(self, path: Path) -> Iterator[Message | BadLine]:
        """The messages of one file (``.gz`` is unpacked); raises `StreamError` if it cannot be read."""
        try:
            with _open(path) as file:
                for number, (line, size) in enumerate(_lines(file), start=1):
                    if self.progress is not None:
                        self.progress(size)
                    if size > MAX_LINE_BYTES:
                        yield _too_large(path.name, number, size)
                    elif line.strip():
                        yield from self._line(path.name, number, line)
        except (OSError, EOFError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise StreamError(path=str(path), reason=reason) from error

    def _line(self, stream: str, number: int, line: bytes) -> Iterator[Message | BadLine]:
        try:
            raw = _decoded(line, first=number == 1)
        except MessageRejectedError as error:
            yield BadLine(stream, number, error.code, error.reason)
            return
        items = list(unfold_batch(raw))
        size = len(line) if len(items) == 1 else 0
        received = raw.get("receivedAt") if isinstance(raw, dict) else None
        for place, item in enumerate(items):
            try:
                if isinstance(item, dict) and received is not None:
                    item = {"receivedAt": received, **item}  # noqa: PLW2901 - the batch's, too
                arrival = self._arrival(item, f"{number}:{place}", line, size)
                message = parse_message(item, arrival)
            except MessageRejectedError as error:
                yield BadLine(stream, number, error.code, error.reason)
                continue
            self._clock = max(self._clock, message.received_at)
            yield message

    def _arrival(self, item: JsonValue, place: str, line: bytes, size: int) -> Arrival:
        said = item if isinstance(item, dict) else {}
        arrived = _instant(said, "receivedAt")
        received_at = self.arrived_at
        if received_at is None:
            own = arrived or _own_time(said)
            received_at = max(own, self._clock) if own is not None else self._clock
        message_id = "" if said.get("messageId") else _derived_id(place, line)
        return Arrival(received_at, self.source, message_id, self.origin, arrived, size)


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rb")  # type: ignore[return-value]  # a BinaryIO in all but name
    return path.open("rb")


def _lines(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Each line and its size; of one that is too large, only the end, so that memory stays small."""
    size = 0
    last = b""
    while piece := file.readline(MAX_LINE_BYTES + 1):
        last, size = piece, size + len(piece)
        if piece.endswith(b"\n"):
            yield piece, size
            size = 0
    if size:
        yield last, size


def _too_large(stream: str, number: int, size: int) -> BadLine:
    reason = f"the line has {size} bytes; {MAX_LINE_BYTES} are allowed"
    return BadLine(stream, number, "message-too-large", reason)


def _decoded(line: bytes, *, first: bool) -> JsonValue:
    try:
        return decode(line.removeprefix(b"\xef\xbb\xbf") if first else line)
    except JsonError as error:
        raise MessageRejectedError(
            code="bad-json", field="message", reason=f"the line is no JSON: {error}"
        ) from error


def _own_time(said: dict[str, JsonValue]) -> datetime | None:
    return _instant(said, "timestamp") or _instant(said, "originalTimestamp")


def _instant(said: dict[str, JsonValue], field: str) -> datetime | None:
    value = said.get(field)
    return None if value is None else parse_instant(value)


def _derived_id(place: str, line: bytes) -> str:
    """The id of a message that carries none: of its line's content and place, so that reading the
    same stream again gives the same.
    """
    return f"line-{blake2b(line, key=place.encode(), digest_size=12).hexdigest()}"
