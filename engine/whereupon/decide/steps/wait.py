"""The step `wait`: let time pass."""

from whereupon.decide.steps.context import StepContext, StepResult
from whereupon.messages.times import later
from whereupon.rules.steps.wait import Wait


def run_wait(step: Wait, context: StepContext) -> StepResult:
    """Let the next step be due when the duration has passed since this step was reached."""
    return context.next_step(later(context.now, step.duration)), None
