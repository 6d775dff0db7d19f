"""Entries that are due wake: before a message arrives, with it, or because time has passed.

At one instant what a message says comes before the time that is up: exits, goals and waits hear the message
before an entry of the same person wakes that is due at that very instant. What the message triggers comes after.
"""

from collections.abc import Collection
from datetime import datetime
from heapq import heappop, heappush
from operator import itemgetter
from typing import Final

from whereupon.decide.batch_state import BatchState
from whereupon.decide.entries import fail_entry, run_entry
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.exits import entry_end, exit_by_time
from whereupon.decide.reports import subject_of
from whereupon.decide.result import KeysExhausted, PoisonError
from whereupon.decide.timers import ENTRIES, Due
from whereupon.identity.algebra import affected
from whereupon.messages.model import Message, MessageType
from whereupon.messages.times import FIRST_INSTANT, LAST_INSTANT
from whereupon.records import Entry

_DUE_AT: Final = itemgetter(0)
_NEVER: Final = (LAST_INSTANT, ENTRIES)
_NOBODY: Final[tuple[datetime, int, Entry | None, int]] = (LAST_INSTANT, 0, None, 0)


def wake_due(work: BatchState, until: datetime, now: datetime | None) -> None:
    """Wake everyone's entries that are due by an instant.

    An entry that wakes late runs as of that instant, or as of now if now is earlier.
    """
    _wake(work, until, now, ())


def wake_before(work: BatchState, message: Message, now: datetime | None) -> None:
    """Wake everyone's entries that are due by the arrival of a message, but for those that hear it first."""
    until = message.received_at
    first, _, _ = work.timers[0] if work.timers else (LAST_INSTANT, 0, 0)
    ties = first <= until and until in map(_DUE_AT, work.timers)
    ties = ties or work.clocked.may_ring(until)
    _wake(work, until, now, _concerned(work, message) if ties else ())


def _wake(
    work: BatchState, until: datetime, now: datetime | None, concerned: Collection[int]
) -> None:
    soonest = FIRST_INSTANT if now is None else min(now, until)
    tied: list[tuple[datetime, int, int]] = []
    while True:
        due = work.clocked.first()
        first = (work.timers[0][0], ENTRIES) if work.timers else _NEVER
        if due is not None and (due.at, due.rank) < first and _rings(due, until, concerned):
            _ring(work, due, soonest)
            continue
        if not work.timers or first[0] > until:
            break
        due_at, key, person_key = timer = heappop(work.timers)
        owner = work.survivor_of(person_key)
        entry = work.active.get(owner, {}).get(key)
        if entry is None or entry.due_at != due_at:
            continue
        if due_at == until and owner in concerned and _hears(work, entry):
            tied.append(timer)
            continue
        moment = max(due_at, soonest)
        ahead = _first_of(work, entry, owner, moment, until if owner in concerned else None)
        if ahead is not entry:
            heappush(work.timers, timer)
        _wake_entry(work, ahead, moment)
    for timer in tied:
        heappush(work.timers, timer)


def wake_concerned(work: BatchState, message: Message, now: datetime | None) -> None:
    """Wake the due entries of the persons whom an arriving message may change, but for those that hear it first.

    Other entries wake by messages that concern their persons, or by due work. So the outcome does not
    depend on which messages share a batch.
    """
    until = message.received_at
    soonest = FIRST_INSTANT if now is None else min(now, until)
    persons = _concerned(work, message)
    while True:
        owners = {work.survivor_of(key) for key in persons}
        due = [
            (entry.due_at, entry.key, entry, key)
            for key in owners
            for entry in work.active.get(key, {}).values()
            if entry.due_at is not None
            and (entry.due_at < until or (entry.due_at == until and not _hears(work, entry)))
            and work.may_run(entry)
        ]
        due_at, _, entry, owner = min(due, key=lambda each: each[:2], default=_NOBODY)
        timer = work.clocked.first_of(owners)
        if timer is not None and timer.at < until and (timer.at, timer.rank) < (due_at, ENTRIES):
            _ring(work, timer, soonest)
        elif entry is not None:
            moment = max(due_at, soonest)
            _wake_entry(work, _first_of(work, entry, owner, moment, until), moment)
        else:
            return


def wake_tied(work: BatchState, evaluation: Evaluation) -> None:
    """Wake the person's entries that are due at the instant of a message, and have heard it."""
    now, person = evaluation.now, evaluation.person_key
    if evaluation.depth or work.ahead or not work.is_due(now):
        return
    while True:
        due = [
            (entry.due_at, entry.key, entry, person)
            for entry in work.active.get(person, {}).values()
            if entry.due_at is not None and entry.due_at <= now and work.may_run(entry)
        ]
        due_at, _, entry, _ = min(due, key=lambda each: each[:2], default=_NOBODY)
        timer = work.clocked.first_of((person,))
        if timer is not None and timer.at <= now and (timer.at, timer.rank) < (due_at, ENTRIES):
            if timer.rank > ENTRIES:
                return  # what a message triggers comes before
            work.clocked.ring(timer)
        elif entry is not None:
            _wake_entry(work, _first_of(work, entry, person, now, None), now)
        else:
            return


def _first_of(
    work: BatchState, entry: Entry, owner: int, moment: datetime, heard_at: datetime | None
) -> Entry:
    """Of a person's entries whose next step is done at one moment, the one that goes first.

    The rule's priority decides, then the due time, then the rule's id. What is late counts as due at the moment.

    Args:
        entry: the one that is due first.
        owner: the key of its person.
        heard_at: entries that are due then, and hear the person's message first, do not go yet; None if all may.
    """
    inside = work.active[owner]
    if len(inside) == 1:
        return entry
    due = [
        (-work.index.by_id[each.rule].priority, each.due_at, each.rule, each.key)
        for each in inside.values()
        if each.due_at is not None
        and each.due_at <= moment
        and work.may_run(each)
        and not (each.due_at == heard_at and _hears(work, each))
    ]
    return inside[min(due)[3]] if due else entry


def _rings(due: Due, until: datetime, concerned: Collection[int]) -> bool:
    """Whether a timer rings by an instant; at that instant a message of its person comes first."""
    return due.at < until or (due.at == until and due.person_key not in concerned)


def _ring(work: BatchState, due: Due, soonest: datetime) -> None:
    work.clocked.pass_to(max(due.at, soonest))
    work.clocked.ring(due)


def _hears(work: BatchState, entry: Entry) -> bool:
    """Whether a message may end the entry, or is what it waits for."""
    rule = work.rule_of(entry)
    return rule is not None and (
        bool(rule.exits) or rule.goal is not None or not rule.route.is_plain
    )


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
    work.clocked.pass_to(at)
    if entry.key in work.given_up:
        fail_entry(work, entry)
        return
    try:
        leave = exit_by_time(work, entry, at)
        if leave is not None:
            work.save_entry(entry.finished(entry_end(leave, at)))
        else:
            run_entry(work, entry if entry.due_at == at else entry.moved(entry.address, at))
    except (KeysExhausted, PoisonError):
        raise
    except Exception as error:
        raise PoisonError(error, entry=entry.key) from error
