"""The step `wait`: let time pass."""

from datetime import datetime, timedelta

from whereupon.decide.date_moments import end_of_wait
from whereupon.decide.steps.context import StepContext, StepResult
from whereupon.messages.local_times import next_time_of_day
from whereupon.messages.times import later
from whereupon.records import EndReason, EntryEnd, MarkKind, mark_at
from whereupon.rules.model import UntilDate, UntilTime, Wait


def run_wait(step: Wait, context: StepContext) -> StepResult:
    """Let the next step be due when the time has passed since this step was reached."""
    match step.span:
        case timedelta():
            return context.next_step(later(context.now, step.span)), None
        case UntilTime(at, days):
            return context.next_step(next_time_of_day(context.now, context.clock(), at, days)), None
        case UntilDate():
            return _until_date(step.span, context)


def _until_date(until: UntilDate, context: StepContext) -> StepResult:
    """Wait at this step, since the date may move; a date that is past lets the entry go on at once."""
    moment = moment_of(until, context)
    if moment is None:
        return context.entry.finished(EntryEnd(EndReason.NO_DATE, context.now)), None
    if moment <= context.now:
        return context.next_step(), None
    entry = context.entry
    has_mark = mark_at(entry.trail, entry.address, MarkKind.WAITS) is not None
    marks = () if has_mark else (context.mark(MarkKind.WAITS),)
    return context.stay_until(moment, *marks), None


def moment_of(until: UntilDate, context: StepContext) -> datetime | None:
    """When the wait is over; None if the person has no such date."""
    value: object = context.person.attributes
    for name in until.path:
        value = value.get(name) if isinstance(value, dict) else None
    return end_of_wait(until, value, context.clock())
