"""The step `exit`: end the entry."""

from whereupon.decide.steps.context import StepContext, StepResult
from whereupon.records import EndReason, EntryEnd
from whereupon.rules.steps.exit import Leave


def run_exit(_: Leave, context: StepContext) -> StepResult:
    """End the entry."""
    entry = context.entry
    return entry.finished(EntryEnd(EndReason.STEP, context.now), entry.position + 1), None
