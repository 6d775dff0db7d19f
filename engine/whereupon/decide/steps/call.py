"""Calls that an entry waits for: those of the step `run`, and of a `webhook` that says what follows a failure.

The call is a delivery. The entry stands at the step until the delivery is settled, and then reads how it ended.
"""

from typing import Final

from whereupon.decide.idempotency import step_key
from whereupon.decide.steps.context import StepContext, StepResult
from whereupon.records import (
    FUNCTION,
    NEVER,
    RESULT,
    WAITING,
    Delivery,
    DeliveryState,
    EndReason,
    Entry,
    EntryEnd,
    MarkKind,
    SendKind,
    mark_at,
)
from whereupon.rules.steps.on_failure import OnFailure
from whereupon.templates import Content

_GONE: Final = "the record of the call is gone"


def call_and_wait(
    context: StepContext,
    channel: str,
    content: Content,
    on_failure: OnFailure,
    function: str | None = None,
) -> StepResult:
    """Make the call when the entry comes to the step; go on, or end, when it is settled.

    Args:
        function: whose result is kept; None for none.
    """
    entry = context.entry
    if mark_at(entry.trail, entry.address, MarkKind.WAITS) is not None:
        key = step_key(entry, context.person.user_id)
        return _go_on(context, context.work.call_made(key), on_failure, function), None
    made = context.made(channel, content, SendKind.INTERNAL)
    if made.state is DeliveryState.WITHHELD:
        return _go_on(context, made, on_failure, function), made
    stand_ins = context.work.settings.stand_ins
    if stand_ins is not None:
        result = stand_ins.get(function) if function is not None else None
        ended = made.changed(state=DeliveryState.SENT, result=result)
        return _go_on(context, ended, on_failure, function), made
    waiting = context.stay_until(NEVER, context.mark(MarkKind.WAITS, detail=function))
    return waiting, made.changed(awaited_by=entry.key)


def _go_on(
    context: StepContext, call: Delivery | None, on_failure: OnFailure, function: str | None
) -> Entry:
    """The entry after the call; at the step still, if the call was looked at too early."""
    if call is not None and call.state in WAITING:
        return context.stay_until(NEVER)
    if call is not None and call.state is DeliveryState.SENT:
        values = None if function is None else {RESULT: call.result}
        mark = context.mark(MarkKind.RAN, detail=function, values=values)
        return context.next_step().marked(mark)
    reason = _GONE if call is None else call.reason
    named = None if function is None else {FUNCTION: function}
    mark = context.mark(MarkKind.FAILED, detail=reason, values=named)
    if on_failure is OnFailure.EXIT:
        end = EntryEnd(EndReason.STEP_FAILED, context.now, reason)
        return context.entry.marked(mark).finished(end)
    return context.next_step().marked(mark)
