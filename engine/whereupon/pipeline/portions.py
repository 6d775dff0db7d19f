"""A large batch in portions, so that short work of others need not wait for all of it.

Where one transaction writes at a time, everybody waits for the one that is open. Between two portions the batch looks
whether short work waits, and leaves the rest of itself to a further transaction. While nobody waits, all portions are
in one.
"""

from collections.abc import Callable, Sequence

from whereupon.decide import BatchResult
from whereupon.messages.model import Message

PORTION = 25
"""Messages for which short work waits at most; a portion costs some questions to the store, however small it is."""


def in_portions(
    take: Callable[[Sequence[Message]], BatchResult],
    messages: Sequence[Message],
    is_awaited: Callable[[], bool | None],
) -> BatchResult:
    """Take a batch until short work of others waits (see `BatchResult.left`).

    Args:
        take: takes messages in the open transaction.
        is_awaited: see `Store.is_awaited`.
    """
    whole, done = BatchResult(), 0
    while done < len(messages):
        portion = messages[done : done + PORTION]
        result = take(portion)
        whole.join(result, offset=done)
        done += len(portion) - result.left
        if result.left or result.unfinished or is_awaited():
            break
    whole.left = len(messages) - done
    return whole
