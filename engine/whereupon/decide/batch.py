"""One batch: its messages are taken in the order they arrived, and entries that are due wake between them."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from itertools import pairwise

from whereupon.decide.arrivals import take_message
from whereupon.decide.batch_state import BatchState
from whereupon.decide.engine_settings import Settings
from whereupon.decide.plain_messages import others
from whereupon.decide.result import BatchResult, KeysExhausted, PoisonError, Reached
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
    _arrive(work, messages, until, now)
    if until is not None:
        wake_due(work, until, now)
    return work.close()


def decide_together(
    loaded: Snapshot,
    batches: Sequence[tuple[Sequence[Message], datetime]],
    index: RuleIndex,
    settings: Settings,
) -> tuple[BatchResult, list[BatchResult]]:
    """Decide the batches of several senders, one after the other; the result of all, and what is each one's part of it.

    Args:
        loaded: what the store holds that all of them may need.
        batches: the messages of each, and what the clock said when they came. All changes are in the result of all.
        index: the rules.
        settings: what the host decides.

    Raises:
        PoisonError: as for `decide`; it does not say in which batch.
        KeysExhausted: likewise.
    """
    work, ends = state_of(loaded, index, settings), [Reached()]
    for messages, now in batches:
        _arrive(work, messages, None, now)
        ends.append(Reached.by(work.out))
    whole = work.close()
    return whole, [whole.between(*each) for each in pairwise(ends)]


def _arrive(
    work: BatchState, messages: Sequence[Message], until: datetime | None, now: datetime | None
) -> None:
    arriving = iter(messages)
    try:
        for message in others(work, arriving, wakes_everybody=until is not None):
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


def state_of(loaded: Snapshot, index: RuleIndex, settings: Settings) -> BatchState:
    """The state of a batch whose steps can send messages into it."""
    work = BatchState(loaded, index, settings)
    work.take_message = partial(take_message, work)
    if index.timed or loaded.timers:
        bind(work)
    return work
