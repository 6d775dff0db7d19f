"""The channel for development: it prints what would be sent."""

import sys
from typing import TextIO

from whereupon.messages.codec import encode
from whereupon.records import Delivery


class Console:
    """Prints one line for each delivery.

    Args:
        stream: where to print; standard output by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def send(self, delivery: Delivery) -> None:
        """Print a delivery: its channel, person, rule and content."""
        content = encode(delivery.content).decode()
        out = self._stream or sys.stdout
        out.write(f"[{delivery.channel}] to {delivery.person} ({delivery.rule}): {content}\n")
