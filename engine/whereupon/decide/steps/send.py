"""The step `send`: hand one delivery to a channel."""

from whereupon.decide.steps.context import StepContext, StepResult
from whereupon.rules.steps.send import Send


def run_send(step: Send, context: StepContext) -> StepResult:
    """Make the delivery, or record why it is withheld."""
    content = step.content if step.languages is None else step.content_in(context.locale)
    return context.deliver(step.channel, content, step.kind, step.topic)
