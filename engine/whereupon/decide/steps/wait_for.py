"""The step `wait_for`: wait until something happens, up to a bound."""

from datetime import datetime

from pydantic import JsonValue

from whereupon.conditions import ALWAYS
from whereupon.decide.evidence import holds_for, recorded
from whereupon.decide.steps.branch import in_words
from whereupon.decide.steps.context import StepContext, StepResult
from whereupon.messages.times import LAST_INSTANT, format_instant, later, parse_instant
from whereupon.records import Entry, Mark, MarkKind, mark_at
from whereupon.rules.model import Since, WaitArm, WaitFor
from whereupon.rules.route import base_of
from whereupon.rules.steps.step_form import ELSE

_HAPPENED = "happened"


def run_wait_for(step: WaitFor, context: StepContext) -> StepResult:
    """Go on at once by what holds already; else wait, and if the time is up, take the arm `else`."""
    entry = context.entry
    reached = mark_at(entry.trail, entry.address, MarkKind.WAITS)
    since, is_from_entry = counted_from(step, entry, context.now if reached is None else reached.at)
    for arm in step.waits:
        mark = _holding(arm, context, since, include=is_from_entry)
        if mark is not None:
            return context.into_arm(arm.label, mark), None
    if reached is None:
        due_at = LAST_INSTANT if step.up_to is None else later(context.now, step.up_to)
        return context.stay_until(due_at, context.mark(MarkKind.WAITS)), None
    if entry.due_at is not None and deadline_of(step, reached) > context.now:  # woken early
        return context.stay_until(deadline_of(step, reached)), None
    return context.into_arm(ELSE, context.mark(MarkKind.EXPIRED, arm=ELSE)), None


def deadline_of(step: WaitFor, reached: Mark) -> datetime:
    """Up to when a wait waits."""
    return LAST_INSTANT if step.up_to is None else later(reached.at, step.up_to)


def counted_from(step: WaitFor, entry: Entry, reached_at: datetime) -> tuple[datetime, bool]:
    """From when on messages count, and whether that is the time of the opening message.

    After a new start it is the time of the message that the wait was passed by. What was recorded by then at that
    very instant, or at the instant at which the wait was reached, is no evidence: it led to the wait.
    """
    passed = _passed_before(entry)
    if step.since is Since.STEP:
        return max(reached_at, passed or reached_at), False
    return (entry.timestamp, True) if passed is None else (passed, False)


def passed_by(happened: datetime) -> dict[str, JsonValue]:
    """What the mark of a wait says of the message that it was passed by: when that happened."""
    return {_HAPPENED: format_instant(happened)}


def _passed_before(entry: Entry) -> datetime | None:
    """When the message happened by which the round before was passed; None in the first round."""
    if "#" not in entry.address:
        return None
    base = base_of(entry.address)
    for mark in reversed(entry.trail):
        if mark.kind is MarkKind.PASSED and base_of(mark.address) == base:
            return parse_instant(mark.values.get(_HAPPENED)) or mark.at
    return None


def _holding(arm: WaitArm, context: StepContext, since: datetime, *, include: bool) -> Mark | None:
    """The mark of an arm that holds already; None if it does not.

    Args:
        include: whether messages of the very instant count, too.
    """
    if arm.event is None:
        if arm.who is ALWAYS or not context.holds(arm.who):
            return None
        return context.mark(MarkKind.PASSED, arm=arm.label, detail=in_words(arm.who))
    for event in recorded(context.work, context.entry, arm.event, since):
        is_in_time = event.timestamp <= context.now and (include or event.timestamp > since)
        if is_in_time and holds_for(arm, event.data, context.entry):
            values = passed_by(event.timestamp)
            return context.mark(MarkKind.PASSED, arm=arm.label, detail=arm.event, values=values)
    return None
