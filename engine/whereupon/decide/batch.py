"""One batch: its messages are taken in the order they arrived, and entries that are due wake between them."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from heapq import heappop

from whereupon.decide.arrivals import take_message
from whereupon.decide.batch_state import BatchState
from whereupon.decide.engine_settings import Settings
from whereupon.decide.entries import fail_entry, run_entry
from whereupon.decide.exits import entry_end, exit_by_time
from whereupon.decide.reports import subject_of
from whereupon.decide.result import BatchResult, KeysExhausted, PoisonError
from whereupon.decide.snapshot import Snapshot
from whereupon.identity.algebra import affected
from whereupon.matching import RuleIndex
from whereupon.messages.model import Message, MessageType
from whereupon.messages.times import FIRST_INSTANT, LAST_INSTANT
from whereupon.records import Entry


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
            if work.timers and work.timers[0][0] <= message.received_at:
                if until is None:
                    _wake_concerned(work, message, now)
                else:
                    _wake(work, message.received_at, now)
            take_message(work, message)
    except (KeysExhausted, PoisonError):
        raise
    except Exception as error:
        left = sum(1 for _ in arriving)
        raise PoisonError(error, message=len(messages) - left - 1) from error
    if until is not None:
        _wake(work, until, now)
    return work.close()


def state_of(loaded: Snapshot, index: RuleIndex, settings: Settings) -> BatchState:
    """The state of a batch whose steps can send messages into it."""
    work = BatchState(loaded, index, settings)
    work.take_message = partial(take_message, work)
    return work


def _wake(work: BatchState, until: datetime, now: datetime | None) -> None:
    """Wake everyone's entries that are due by an instant.

    An entry that wakes late runs as of that instant, or as of now if now is earlier.
    """
    soonest = FIRST_INSTANT if now is None else min(now, until)
    while work.timers and work.timers[0][0] <= until:
        due_at, key, person_key = heappop(work.timers)
        entry = work.active.get(work.survivor_of(person_key), {}).get(key)
        if entry is not None and entry.due_at == due_at:
            _wake_entry(work, entry, max(due_at, soonest))


def _wake_concerned(work: BatchState, message: Message, now: datetime | None) -> None:
    """Wake the due entries of the persons whom an arriving message may change.

    Other entries wake by messages that concern their persons, or by due work. So the outcome does not
    depend on which messages share a batch.
    """
    until = message.received_at
    soonest = FIRST_INSTANT if now is None else min(now, until)
    persons = _concerned(work, message)
    while due := [
        (entry.due_at, entry.key, entry)
        for key in {work.survivor_of(key) for key in persons}
        for entry in work.active.get(key, {}).values()
        if entry.due_at is not None and entry.due_at <= until and work.may_run(entry)
    ]:
        due_at, _, entry = min(due, key=lambda each: each[:2])
        _wake_entry(work, entry, max(due_at, soonest))


def _concerned(work: BatchState, message: Message) -> set[int]:
    """The persons whom a message may change: its sender, whom it names, who had the device at that time."""
    named = (message.user_id, message.target_id)
    persons = {work.users[name] for name in named if name is not None and name in work.users}
    ids = (message.anonymous_id, message.target_id)
    devices = {work.anonymous.get(name) for name in ids if name is not None}
    erases = message.type is MessageType.TRACK and message.name in work.settings.registry.erasing
    if erases:
        devices |= {key for person in persons for key in work.belongings.devices.get(person, ())}
    if message.type is MessageType.TRACK and message.name in work.settings.registry.reporting:
        delivery = work.delivery(subject_of(message))
        if delivery is not None and delivery.person in work.users:
            persons.add(work.users[delivery.person])
    since = until = message.timestamp
    if erases:
        since, until = FIRST_INSTANT, LAST_INSTANT
    policy = work.settings.identity
    runs = (work.claims.get(key, ()) for key in devices if key is not None)
    near = (affected(of_one, since, until, policy) for of_one in runs)
    return persons | {run.person_key for of_one in near for run in of_one}


def _wake_entry(work: BatchState, entry: Entry, at: datetime) -> None:
    if entry.key in work.given_up:
        fail_entry(work, entry)
        return
    try:
        leave = exit_by_time(work, entry, at)
        if leave is not None:
            work.save_entry(entry.finished(entry_end(leave, at)))
        else:
            run_entry(work, entry._replace(due_at=at))
    except (KeysExhausted, PoisonError):
        raise
    except Exception as error:
        raise PoisonError(error, entry=entry.key) from error
