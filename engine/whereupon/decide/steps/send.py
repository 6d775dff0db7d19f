"""The step `send`: hand one delivery to a channel."""

from whereupon.decide.steps.context import StepContext, StepResult
from whereupon.rules.steps.send import Send


def run_send(step: Send, context: StepContext) -> StepResult:
    """Make the delivery, or record why it is withheld."""
    return context.deliver(step.channel, step.content, step.kind, step.topic)
