"""The step `webhook`: make a delivery for the channel named ``webhook``."""

from whereupon.decide.steps.call import call_and_wait
from whereupon.decide.steps.context import StepContext, StepResult
from whereupon.records import SendKind
from whereupon.rules.steps.webhook import Webhook

CHANNEL = "webhook"
"""The name under which a host registers the function that makes the requests."""


def run_webhook(step: Webhook, context: StepContext) -> StepResult:
    """Make the delivery, and wait for its end if the step says what follows a failure.

    It goes to a system of the host's and not to the person, so the person's consent is not asked.
    """
    if step.on_failure is not None:
        return call_and_wait(context, CHANNEL, step.content, step.on_failure)
    return context.deliver(CHANNEL, step.content, SendKind.INTERNAL)
