"""The people inside a rule whose exits, or whose waits for a condition, time changes."""

from collections.abc import Iterator
from datetime import datetime

from whereupon.conditions.moments import next_change
from whereupon.decide.batch_state import BatchState
from whereupon.decide.entries import context_of
from whereupon.decide.exits import asked_without_message, entry_end, exit_by_time
from whereupon.decide.waits import awaited_conditions, pass_by_time
from whereupon.matching import TimedSubject
from whereupon.messages.times import MICROSECOND, later
from whereupon.records import Entry, EntryState, Person


def next_moment(
    work: BatchState, subject: TimedSubject, person: Person, after: datetime
) -> datetime | None:
    """When time alone ends an entry of the rule, or lets one go on that waits; it may be early.

    What holds already, as after a pause, does so at once.
    """
    entries = [*_inside(work, subject, person)]
    soon = later(after, MICROSECOND)
    if any(_ends_or_goes_on(work, entry, soon) for entry in entries):
        return soon
    found = (moment for entry in entries for moment in _moments(work, entry, person, after))
    return min(found, default=None)


def fire(
    work: BatchState, subject: TimedSubject, person: Person, at: datetime, now: datetime
) -> None:
    """End the entries whose exits hold at the moment; let others go on whose waits it ends, as of now."""
    for entry in [*_inside(work, subject, person)]:
        if not work.may_run(entry):
            continue
        leave = exit_by_time(work, entry, at)
        if leave is None:
            pass_by_time(work, entry, at, now)
        else:
            work.save_entry(entry.finished(entry_end(leave, at)))


def _inside(work: BatchState, subject: TimedSubject, person: Person) -> Iterator[Entry]:
    """The entries of the rule, but for those that an operator has paused."""
    for entry in work.active.get(person.key, {}).values():
        if entry.rule == subject.of and entry.state is EntryState.ACTIVE:
            yield entry


def _ends_or_goes_on(work: BatchState, entry: Entry, at: datetime) -> bool:
    if not work.may_run(entry):
        return False
    context = context_of(work, entry, at)
    if context is not None and any(map(context.holds, awaited_conditions(context))):
        return True
    return exit_by_time(work, entry, at) is not None


def _moments(work: BatchState, entry: Entry, person: Person, after: datetime) -> Iterator[datetime]:
    rule, context = work.rule_of(entry), context_of(work, entry, after)
    if rule is not None:
        for asked in asked_without_message(work, entry, rule, person):
            past = asked.history(after)
            moment = next_change(asked.condition, asked.data, past, asked.zone, after)
            if moment is not None:
                yield moment
    if context is not None:
        for condition in awaited_conditions(context):
            data, past = context.data(), context.history()
            moment = next_change(condition, data, past, context.rule.zone, after)
            if moment is not None:
                yield moment
