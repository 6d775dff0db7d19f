"""The channel for development: it prints what would be sent."""

import sys
from typing import TextIO

from whereupon.messages.codec import encode
from whereupon.ports import Channel
from whereupon.records import Delivery


def console_channel(stream: TextIO | None = None) -> Channel:
    """A channel that prints one line for each delivery."""

    def show(delivery: Delivery) -> None:
        content = encode(delivery.content).decode()
        out = stream or sys.stdout
        out.write(f"[{delivery.channel}] to {delivery.person} ({delivery.rule}): {content}\n")

    return show
