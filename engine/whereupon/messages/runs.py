"""Runs of a batch's items: read together as far as they are usual, and else one by one."""

from collections.abc import Iterator, Sequence
from itertools import repeat

from whereupon.errors import MessageRejectedError
from whereupon.messages.arrival import Arrival
from whereupon.messages.envelope import BatchItem, Opened
from whereupon.messages.model import Message
from whereupon.messages.usual_form import UsualRun
from whereupon.messages.wire import NO_ENVELOPE, Row, checked_message, usual_messages


def read_run(
    run: UsualRun | Sequence[BatchItem], arrival: Arrival
) -> tuple[list[Message], dict[int, MessageRejectedError]]:
    """The messages among some items of a batch, and the rejections of others by their places."""
    rows = _rows_of(run)
    messages = usual_messages(rows, arrival)
    rejections: dict[int, MessageRejectedError] = {}
    while (place := len(messages) + len(rejections)) < len(run):
        try:
            item = run[place]
            if isinstance(item, MessageRejectedError):
                raise item
            messages.append(checked_message(item, arrival))
        except MessageRejectedError as error:
            rejections[place] = error
        messages += usual_messages(rows, arrival)
    return messages, rejections


def _rows_of(run: UsualRun | Sequence[BatchItem]) -> Iterator[Row]:
    """What `usual_messages` reads of the items; it stops at one that was rejected as it was opened."""
    if isinstance(run, UsualRun):
        return zip(run.envelopes, run.texts, repeat(()))
    return (
        (item.envelope, item.text, item.remarks)
        if isinstance(item, Opened)
        else (NO_ENVELOPE, b"", ())
        for item in run
    )
