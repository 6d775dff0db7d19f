"""Streams: files of messages, one JSON value a line (JSON Lines), read in constant memory.

A line is a message in wire form, or a ``batch`` body of several. ``receivedAt`` is its arrival. Without it,
the message's own time is the arrival, but never before the arrival of the line above. A line that is not a
message is reported with its number, and the other lines are read. Lines that come together are read together.
"""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from io import BufferedIOBase, BytesIO
from itertools import repeat
from operator import length_hint
from os import fsencode
from pathlib import Path
from typing import cast

from whereupon.errors import MessageRejectedError, StreamError
from whereupon.messages.arrival import Arrival
from whereupon.messages.batch_items import open_all
from whereupon.messages.envelope import Envelope, Opened
from whereupon.messages.model import Message, Origin, SenderClass
from whereupon.messages.size_limits import MAX_TEXT_BYTES
from whereupon.messages.times import EPOCH
from whereupon.messages.usual_form import usual_envelopes
from whereupon.messages.wire import NO_ENVELOPE, Row, message_in, usual_messages

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
        self._above, self._item = 0, 0
        self._lines: list[bytes] = []
        self._rest: Iterator[bytes] = iter(())
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
        above = 0
        try:
            with _open(path) as file:
                for size, lines in _line_runs(file):
                    self._report(size, lines)
                    if size > MAX_LINE_BYTES:
                        yield _too_large(name, above + 1, size)
                        above, lines = above + 1, lines[1:]  # noqa: PLW2901
                    yield from self._arrivals(name, above, [*map(bytes.strip, lines)])
                    above += len(lines)
        except (OSError, EOFError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise StreamError(path=str(path), reason=reason) from error

    def _report(self, size: int, lines: Sequence[bytes]) -> None:
        """Report the sizes of a run of lines, of which the first had ``size`` bytes."""
        if self._progress is not None:
            for each in (size, *map(len, lines[1:])):
                self._progress(each)

    def _arrivals(self, stream: str, above: int, lines: list[bytes]) -> Iterable[Message | BadLine]:
        """The messages of a run of lines; those of the usual form are read together up to one that is not.

        Args:
            above: how many lines of the stream come before them.
        """
        usual = usual_envelopes(lines)
        self._above, self._lines, self._rest = above, lines, iter(lines)
        envelopes: Iterable[Envelope | None] = usual
        if not all(usual):
            envelopes = [each or NO_ENVELOPE for each in usual]
        rows = zip(cast("Iterable[Envelope]", envelopes), self._rest, repeat(()))
        messages = usual_messages(rows, self._arrival)
        if len(messages) == len(lines):  # as in most runs
            return messages
        return self._around_odd(stream, messages, rows, usual)

    def _around_odd(
        self,
        stream: str,
        messages: list[Message],
        rows: Iterator[Row],
        usual: Sequence[Envelope | None],
    ) -> Iterator[Message | BadLine]:
        """The messages of a run of lines of which some are not of the usual form.

        Args:
            messages: those up to the first such line.
            rows: what comes behind it.
            usual: the fields of each line that is of the usual form.
        """
        above, lines, place = self._above, self._lines, 0
        while place < len(lines):
            yield from messages
            place += len(messages)
            if place < len(lines):
                yield from self._from_odd(stream, above + place + 1, lines[place], usual[place])
                place += 1
            messages = usual_messages(rows, self._arrival)

    def _from_odd(
        self, stream: str, number: int, line: bytes, usual: Envelope | None
    ) -> Iterator[Message | BadLine]:
        """The message on any other line, or the messages of its batch body; none on an empty line."""
        if line in _BLANK:
            return
        items = open_all(line) if usual is None else (Opened(usual, line),)
        for self._item, item in enumerate(items):
            try:
                if isinstance(item, MessageRejectedError):
                    raise item
                message = message_in(item, self._arrival)
            except MessageRejectedError as error:
                yield BadLine(stream, number, error.code, error.reason)
            else:
                yield message
        self._item = 0

    def _derived_id(self) -> str:
        """The id for a message that has none.

        It is a hash of the line's text and number, so reading the same stream again gives the same id.
        """
        place = len(self._lines) - length_hint(self._rest) - 1  # of the line that was taken last
        key = f"{self._above + place + 1}:{self._item}".encode()
        return f"line-{blake2b(self._lines[place], key=key, digest_size=12).hexdigest()}"


def _open(path: Path) -> BufferedIOBase:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _line_runs(file: BufferedIOBase) -> Iterator[tuple[int, list[bytes]]]:
    """The lines that are there at a time, and the size of the first of them in bytes.

    Only the end of a line that is too large is kept, to save memory. The others end within the last block that was read.
    """
    begun, dropped = b"", 0
    while block := file.read1(_BLOCK):
        begun += block
        if len(begun) > MAX_LINE_BYTES + _BLOCK:  # no line that is read is as long
            dropped, begun = dropped + len(begun) - len(block), block
        if b"\n" not in block:
            continue
        lines = BytesIO(begun).readlines()
        begun = b"" if lines[-1].endswith(b"\n") else lines.pop()
        yield dropped + len(lines[0]), lines
        dropped = 0
    if begun:
        yield dropped + len(begun), [begun]


def _too_large(stream: str, number: int, size: int) -> BadLine:
    reason = f"the line has {size} bytes; {MAX_LINE_BYTES} are allowed"
    return BadLine(stream, number, "message-too-large", reason)
