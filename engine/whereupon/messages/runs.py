"""Runs of a batch's items: read together as far as they are usual, and else one by one."""

from collections.abc import Sequence
from itertools import repeat
from typing import cast

from whereupon.errors import MessageRejectedError
from whereupon.messages.arrival import Arrival
from whereupon.messages.envelope import BatchItem, Opened
from whereupon.messages.model import Message
from whereupon.messages.usual_form import UsualRun
from whereupon.messages.wire import checked_message, usual_messages


def read_run(
    run: UsualRun | Sequence[BatchItem], arrival: Arrival
) -> tuple[list[Message], dict[int, MessageRejectedError]]:
    """The messages among some items of a batch, and the rejections of others by their places."""
    if isinstance(run, UsualRun):
        usual = usual_messages(zip(run.envelopes, run.texts, repeat(())), arrival)
    else:
        opened = (item for item in run if isinstance(item, Opened))
        usual = usual_messages(
            ((each.envelope, each.text, each.remarks) for each in opened), arrival
        )
    if len(usual) == len(run) and all(usual):
        return cast("list[Message]", usual), {}
    messages: list[Message] = []
    rejections: dict[int, MessageRejectedError] = {}
    made = iter(usual)
    for place, item in enumerate(run):
        try:
            if isinstance(item, MessageRejectedError):
                raise item
            messages.append(next(made) or checked_message(item, arrival))
        except MessageRejectedError as error:
            rejections[place] = error
    return messages, rejections
