"""The step `wait_for`: wait until something happens, up to a bound."""

from datetime import datetime

from pydantic import JsonValue

from whereupon.conditions import ALWAYS
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.evidence import holds_for, recorded
from whereupon.decide.history import HistoryEvent
from whereupon.decide.steps.branch import in_words
from whereupon.decide.steps.context import StepContext, StepResult
from whereupon.messages.times import LAST_INSTANT, format_instant, later, parse_instant
from whereupon.records import Entry, Mark, MarkKind, mark_at
from whereupon.rules.model import Since, WaitArm, WaitFor
from whereupon.rules.route import base_of
from whereupon.rules.steps.step_form import ELSE

_WAITS, _EXPIRED = MarkKind.WAITS, MarkKind.EXPIRED  # their attributes are looked up slowly
_STEP = Since.STEP


def run_wait_for(step: WaitFor, context: StepContext) -> StepResult:
    """Go on at once by what holds already; else wait, and if the time is up, take the arm `else`."""
    entry = context.entry
    reached = mark_at(entry.trail, entry.address, _WAITS)
    reached_at = context.now if reached is None else reached.at
    since = counted_from(step, entry, entry.address, reached_at)
    for arm in step.waits:
        mark = _holding(arm, context, since, led=step.since is _STEP)
        if mark is not None:
            return context.into_arm(arm.label, mark), None
    if reached is None:
        due_at = LAST_INSTANT if step.up_to is None else later(context.now, step.up_to)
        return context.stay_until(due_at, context.mark(_WAITS)), None
    if entry.due_at is not None and deadline_of(step, reached) > context.now:  # woken early
        return context.stay_until(deadline_of(step, reached)), None
    return context.into_arm(ELSE, context.mark(_EXPIRED, arm=ELSE)), None


def deadline_of(step: WaitFor, reached: Mark) -> datetime:
    """Up to when a wait waits."""
    return LAST_INSTANT if step.up_to is None else later(reached.at, step.up_to)


def counted_from(step: WaitFor, entry: Entry, address: str, reached_at: datetime) -> datetime:
    """From when on messages count for a wait; one that has started anew counts from what ended its last round.

    Args:
        address: of the wait, with its round.
        reached_at: when the entry came to it.
    """
    if step.since is _STEP:
        return reached_at
    if "#" not in address:
        return entry.timestamp
    ended = next((m for m in reversed(entry.trail) if _ends_round(m, address)), None)
    if ended is None:  # a wait within the one that starts anew, which has not been passed yet
        return entry.timestamp
    return parse_instant(ended.values.get("timestamp")) or reached_at


def has_counted(entry: Entry, message_id: str) -> bool:
    """Whether a message has ended an earlier round of the wait at which the entry stands."""
    return "#" in entry.address and any(
        _ends_round(mark, entry.address) and mark.message_id == message_id for mark in entry.trail
    )


def _ends_round(mark: Mark, address: str) -> bool:
    """Whether a mark says what ended an earlier round of a wait."""
    return mark.kind is MarkKind.PASSED and base_of(mark.address) == base_of(address)


def passed(arm: WaitArm, context: StepContext, event: HistoryEvent | Evaluation) -> Mark:
    """The mark of an event that a wait waited for; by its time and id the next round knows it again."""
    message_id = event.message_id or None
    values: dict[str, JsonValue] = {"timestamp": format_instant(event.timestamp)}
    return context.mark(
        MarkKind.PASSED, arm=arm.label, detail=arm.event, values=values, message_id=message_id
    )


def _holding(arm: WaitArm, context: StepContext, since: datetime, *, led: bool) -> Mark | None:
    """The mark of an arm that holds already; None if it does not.

    Args:
        led: whether what is recorded of that very instant led to the wait, and does not count.
    """
    if arm.event is None:
        if arm.who is ALWAYS or not context.holds(arm.who):
            return None
        return context.mark(MarkKind.PASSED, arm=arm.label, detail=in_words(arm.who))
    entry = context.entry
    events = recorded(context.work, entry, arm.event, since)
    for event in sorted(events, key=_happened):  # what a claim brings may lie between
        counts = since < event.timestamp <= context.now or (event.timestamp == since and not led)
        if (
            counts
            and not has_counted(entry, event.message_id)
            and holds_for(context.work, arm, event.data, event.timestamp, entry)
        ):
            return passed(arm, context, event)
    return None


def _happened(event: HistoryEvent) -> datetime:
    return event.timestamp
