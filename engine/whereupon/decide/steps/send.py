"""The step `send`: hand one delivery to a channel."""

from whereupon.decide.steps.context import StepContext, StepResult
from whereupon.rules.steps.send import Send


def run_send(step: Send, context: StepContext) -> StepResult:
    """Make the delivery, or record why it is withheld."""
    said, texts = _live(step, context)
    content = said.content if said.languages is None else said.content_in(context.locale)
    return context.deliver(step.channel, content, step.kind, step.topic, texts)


def _live(step: Send, context: StepContext) -> tuple[Send, str | None]:
    """The step whose texts are sent, and the digest of its version; None if the rule's texts are not live.

    The rulebook's version says whether they are. Its step of the same address and channel has the texts.
    """
    current = context.work.index.by_id.get(context.rule.id)
    if current is None or not current.live:
        return step, None
    place = current.route.place(context.entry.address)
    if place is not None and isinstance(place.step, Send) and place.step.channel == step.channel:
        context.work.versions_used.add(current.digest)
        return place.step, current.digest
    return step, context.rule.digest
