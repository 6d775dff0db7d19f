"""The step `exit`: end the entry."""

from whereupon.decide.steps.context import StepContext, StepResult
from whereupon.records import EndReason, EntryEnd
from whereupon.rules.steps.exit import Leave


def run_exit(_: Leave, context: StepContext) -> StepResult:
    """End the entry."""
    return context.entry.finished(EntryEnd(EndReason.STEP, context.now)), None
