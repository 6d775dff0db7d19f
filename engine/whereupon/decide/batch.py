"""One batch: its messages are taken in the order they arrived, and entries that are due wake between them."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from whereupon.decide.arrivals import take_message
from whereupon.decide.batch_state import BatchState
from whereupon.decide.engine_settings import Settings
from whereupon.decide.result import BatchResult, KeysExhausted, PoisonError
from whereupon.decide.snapshot import Snapshot
from whereupon.decide.timed import bind
from whereupon.decide.waking import wake_before, wake_concerned, wake_due
from whereupon.matching import RuleIndex
from whereupon.messages.model import Message


def decide(
    loaded: Snapshot,
    messages: Sequence[Message],
    index: RuleIndex,
    settings: Settings,
    *,
    until: datetime | None = None,
    now: datetime | None = None,
) -> BatchResult:
    """Decide a batch of messages, in the order they arrived.

    Before each message, the entries wake that were due by its arrival: those of the persons whom the
    message may change, or everyone's if ``until`` is given.

    Args:
        loaded: what the store holds that the batch may need.
        messages: the batch.
        index: the rules.
        settings: what the host decides.
        until: after the last message, wake the entries that are due by that instant; None to wake none.
        now: what the clock says. A step that was due before is done as of now; None for no such delay.

    Raises:
        PoisonError: the engine fails on one of the messages, or on an entry that is due.
        KeysExhausted: the batch needs more keys than were reserved.
    """
    work = state_of(loaded, index, settings)
    arriving = iter(messages)
    try:
        for message in arriving:
            if work.is_due(message.received_at):
                if until is None:
                    wake_concerned(work, message, now)
                else:
                    wake_before(work, message, now)
            work.clocked.pass_to(message.received_at)
            take_message(work, message)
    except (KeysExhausted, PoisonError):
        raise
    except Exception as error:
        left = sum(1 for _ in arriving)
        raise PoisonError(error, message=len(messages) - left - 1) from error
    if until is not None:
        wake_due(work, until, now)
    return work.close()


def state_of(loaded: Snapshot, index: RuleIndex, settings: Settings) -> BatchState:
    """The state of a batch whose steps can send messages into it."""
    work = BatchState(loaded, index, settings)
    work.take_message = partial(take_message, work)
    bind(work)
    return work
