"""The step `wait_for`: wait until something happens, up to a bound."""

from datetime import datetime

from whereupon.conditions import ALWAYS
from whereupon.decide.evidence import holds_for, recorded
from whereupon.decide.steps.branch import in_words
from whereupon.decide.steps.context import StepContext, StepResult
from whereupon.messages.times import LAST_INSTANT, later
from whereupon.records import Entry, Mark, MarkKind, mark_at
from whereupon.rules.model import Since, WaitArm, WaitFor
from whereupon.rules.steps.step_form import ELSE


def run_wait_for(step: WaitFor, context: StepContext) -> StepResult:
    """Go on at once by what holds already; else wait, and if the time is up, take the arm `else`."""
    entry = context.entry
    reached = mark_at(entry.trail, entry.address, MarkKind.WAITS)
    since = counted_from(step, entry, context.now if reached is None else reached.at)
    for arm in step.waits:
        mark = _holding(arm, context, since)
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


def counted_from(step: WaitFor, entry: Entry, reached_at: datetime) -> datetime:
    """From when on messages count; after a new start, from that on."""
    is_anew = "#" in entry.address
    return reached_at if step.since is Since.STEP or is_anew else entry.timestamp


def _holding(arm: WaitArm, context: StepContext, since: datetime) -> Mark | None:
    """The mark of an arm that holds already; None if it does not."""
    if arm.event is None:
        if arm.who is ALWAYS or not context.holds(arm.who):
            return None
        return context.mark(MarkKind.PASSED, arm=arm.label, detail=in_words(arm.who))
    for event in recorded(context.work, context.entry, arm.event, since):
        if event.timestamp <= context.now and holds_for(arm, event.data, context.entry):
            return context.mark(MarkKind.PASSED, arm=arm.label, detail=arm.event)
    return None
