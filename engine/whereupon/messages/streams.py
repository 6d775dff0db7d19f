"""Streams: files of messages, one JSON value a line (JSON Lines), read in constant memory.

A line is a message in wire form, or a ``batch`` body of several. ``receivedAt`` is its arrival. Without it,
the message's own time is the arrival, but never before the arrival of the line above. A line that is not a
message is reported with its number, and the other lines are read.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from io import BufferedIOBase, BytesIO
from os import fsencode
from pathlib import Path

from whereupon.errors import MessageRejectedError, StreamError
from whereupon.messages.arrival import Arrival
from whereupon.messages.batch_items import open_all
from whereupon.messages.envelope import Opened
from whereupon.messages.model import Message, Origin, SenderClass
from whereupon.messages.size_limits import MAX_TEXT_BYTES
from whereupon.messages.times import EPOCH
from whereupon.messages.usual_form import usual_envelope
from whereupon.messages.wire import message_in

MAX_LINE_BYTES = MAX_TEXT_BYTES
"""Bytes of one line; see `MAX_TEXT_BYTES`."""

_BLOCK = 1 << 16
"""Bytes that are read at a time, at most."""

_BLANK = (b"", b"\xef\xbb\xbf")


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is not a message, or such an item of a batch; ``line`` counts from 1."""

    stream: str
    line: int
    code: str
    message: str


class StreamReader:
    """Reads streams one after another, as one sequence of arrivals.

    Args:
        source: the class of sender of every line.
        arrived_at: the arrival of every message, for an import; None to take the arrival from the lines,
            for a replay.
        progress: is called with the number of bytes of every line.
    """

    def __init__(
        self,
        *,
        source: SenderClass = SenderClass.SERVER,
        origin: Origin = Origin.LIVE,
        arrived_at: datetime | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self._progress = progress
        self._place = (b"", 0, 0)
        self._arrival = Arrival(
            arrived_at or EPOCH,
            source,
            self._derived_id,
            origin,
            by_message=True,
            all_at_once=arrived_at is not None,
        )

    def read(self, path: Path) -> Iterator[Message | BadLine]:
        """The messages of one file (``.gz`` is decompressed); raises `StreamError` if it cannot be read."""
        name = fsencode(path.name).decode("utf-8", "replace")  # reports name it, also in JSON
        try:
            with _open(path) as file:
                for number, (line, size) in enumerate(_lines(file), start=1):
                    if self._progress is not None:
                        self._progress(size)
                    if size > MAX_LINE_BYTES:
                        yield _too_large(name, number, size)
                        continue
                    text = line.strip()
                    usual = self._usual_message(number, text)
                    if usual is not None:
                        yield usual
                    else:
                        yield from self._messages(name, number, text)
        except (OSError, EOFError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise StreamError(path=str(path), reason=reason) from error

    def _usual_message(self, number: int, line: bytes) -> Message | None:
        """The message on a line, if it is one of the usual form, as on most lines."""
        usual = usual_envelope(line)
        if usual is None:
            return None
        self._place = (line, number, 0)
        try:
            message = message_in(Opened(usual, line), self._arrival)
        except MessageRejectedError:
            return None
        self._arrival.received_at = message.received_at
        return message

    def _messages(self, stream: str, number: int, line: bytes) -> Iterator[Message | BadLine]:
        """The message on a line, or the messages of its batch body; none on an empty line."""
        if line in _BLANK:
            return
        for place, item in enumerate(open_all(line)):
            self._place = (line, number, place)
            try:
                if isinstance(item, MessageRejectedError):
                    raise item
                message = message_in(item, self._arrival)
            except MessageRejectedError as error:
                yield BadLine(stream, number, error.code, error.reason)
            else:
                self._arrival.received_at = message.received_at
                yield message

    def _derived_id(self) -> str:
        """The id for a message that has none.

        It is a hash of the line's text and number, so reading the same stream again gives the same id.
        """
        line, number, place = self._place
        key = f"{number}:{place}".encode()
        return f"line-{blake2b(line, key=key, digest_size=12).hexdigest()}"


def _open(path: Path) -> BufferedIOBase:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _lines(file: BufferedIOBase) -> Iterator[tuple[bytes, int]]:
    """Each line and its size in bytes; only the end of a line that is too large, to save memory."""
    begun, dropped = b"", 0
    while block := file.read1(_BLOCK):
        begun += block
        if len(begun) > MAX_LINE_BYTES + _BLOCK:  # no line that is read is as long
            dropped, begun = dropped + len(begun) - len(block), block
        if b"\n" not in block:
            continue
        lines = BytesIO(begun).readlines()
        begun = b"" if lines[-1].endswith(b"\n") else lines.pop()
        yield lines[0], dropped + len(lines[0])
        dropped = 0
        for line in lines[1:]:
            yield line, len(line)
    if begun:
        yield begun, dropped + len(begun)


def _too_large(stream: str, number: int, size: int) -> BadLine:
    reason = f"the line has {size} bytes; {MAX_LINE_BYTES} are allowed"
    return BadLine(stream, number, "message-too-large", reason)
