"""Runs of a batch's items: read together as far as they are usual, and else one by one."""

from collections.abc import Sequence
from itertools import repeat, zip_longest
from typing import cast

from whereupon.errors import MessageRejectedError
from whereupon.messages.arrival import Arrival
from whereupon.messages.envelope import BatchItem
from whereupon.messages.model import Message
from whereupon.messages.usual_form import UsualRun
from whereupon.messages.wire import message_in, usual_messages


def read_run(
    run: UsualRun | Sequence[BatchItem], arrival: Arrival
) -> tuple[list[Message], dict[int, MessageRejectedError]]:
    """The messages among some items of a batch, and the rejections of others by their places."""
    usual: Sequence[Message | None] = ()
    if isinstance(run, UsualRun):
        usual = usual_messages(zip(run.envelopes, run.texts, repeat(())), arrival)
        if all(usual):
            return cast("list[Message]", usual), {}
    messages: list[Message] = []
    rejections: dict[int, MessageRejectedError] = {}
    for place, (item, message) in enumerate(zip_longest(run, usual)):
        try:
            if isinstance(item, MessageRejectedError):
                raise item
            messages.append(message or message_in(item, arrival))
        except MessageRejectedError as error:
            rejections[place] = error
    return messages, rejections
