"""The step `set`: set attributes of the person."""

from whereupon.decide.steps.context import StepContext, StepResult
from whereupon.rules.steps.set import SetAttributes


def run_set(step: SetAttributes, context: StepContext) -> StepResult:
    """Send an ``identify`` with the attributes into the engine."""
    return context.emit(None, step.attributes)
