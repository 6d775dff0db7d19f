"""The channel for development: it prints what would be sent, and sends nothing."""

import logging
import sys
from typing import TextIO

from whereupon.messages.codec import encode
from whereupon.records import Delivery

_LOG = logging.getLogger("whereupon.channels")


class Console:
    """Prints one line for each delivery, whatever characters the output can show.

    Its deliveries count as sent. So it warns, once, if it prints to a standard output that is no terminal, as
    in a service.

    Args:
        stream: where to print; standard output by default.
        warn: whether it does.
    """

    address: None = None
    """What is printed needs no address."""

    def __init__(self, stream: TextIO | None = None, *, warn: bool = True) -> None:
        self._stream = stream
        self._has_warned = stream is not None or not warn

    def send(self, delivery: Delivery) -> None:
        """Print a delivery: its channel, person, rule and content."""
        content = encode(delivery.content).decode()
        line = f"[{delivery.channel}] to {delivery.person} ({delivery.rule}): {content}"
        out = self._stream or sys.stdout
        if not self._has_warned and not out.isatty():
            self._has_warned = True
            _LOG.warning(
                "console-channel: deliveries are printed, and nobody gets them",
                extra={"event": "console-channel", "channel": delivery.channel},
            )
        out.write(_printable(line, out.encoding or "utf-8") + "\n")
        out.flush()


def _printable(line: str, encoding: str) -> str:
    """The line with escapes in place of what would move the cursor, or what the encoding does not have."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
    return shown.encode(encoding, "backslashreplace").decode(encoding)
