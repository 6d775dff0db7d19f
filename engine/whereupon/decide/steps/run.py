"""The step `run`: call a function of the host's, and wait for what it returns."""

from whereupon.decide.steps.call import call_and_wait
from whereupon.decide.steps.context import StepContext, StepResult
from whereupon.rules.steps.run import Run, channel_of


def run_run(step: Run, context: StepContext) -> StepResult:
    """Call the function; later steps read what it returned from the entry's trail."""
    channel = channel_of(step.function)
    return call_and_wait(context, channel, step.content, step.on_failure, step.function)
