"""The step `send`: hand one delivery to a channel."""

from datetime import datetime

from whereupon.decide.quiet_hours import person_quiet_until
from whereupon.decide.steps.capped import held_by_caps
from whereupon.decide.steps.context import StepContext, StepEffect, StepResult
from whereupon.messages.times import format_instant
from whereupon.records import UNTIL, Delivery, DeliveryState, Entry, Exemption, MarkKind, SendKind
from whereupon.rules.steps.send import Send


def run_send(step: Send, context: StepContext) -> StepResult:
    """Make the delivery, or record why it is withheld; or wait at the step: for quiet hours to end, for a place under caps."""
    work, rule = context.work, context.rule
    settings = work.index.book.settings
    if settings.quiet_hours is not None and (quiet := _quiet_until(step, context)) is not None:
        mark = context.mark(MarkKind.QUIET, values={UNTIL: format_instant(quiet)})
        return context.stay_until(quiet, mark), None
    held = held_by_caps(step, context) if settings.caps else None
    if held is not None and isinstance(held, Entry):
        return held, None
    said, texts = _live(step, context) if work.index.has_live_texts else (step, None)
    content = said.content
    if said.languages is not None:
        content = said.content_in(context.locale)
        context.languages = said.languages
    after, effect = context.deliver(step.channel, content, step.kind, step.topic, texts, held)
    if rule.goal is None and rule.holdout is None and after.arms is None:
        return after, effect
    return _noted(after, effect, context), effect


def _quiet_until(step: Send, context: StepContext) -> datetime | None:
    """Until when the person is not to be sent this."""
    rule, settings = context.rule, context.work.index.book.settings
    if settings.quiet_hours is None or Exemption.QUIET_HOURS in rule.exempt:
        return None
    return person_quiet_until(
        context.person.attributes,
        settings,
        rule.clock,
        channel=step.channel,
        kind=step.kind,
        now=context.now,
    )


def _live(step: Send, context: StepContext) -> tuple[Send, str | None]:
    """The step whose texts are sent, and the digest of its version; None if the rule's texts are not live.

    The rulebook's version says whether they are. Its step of the same address and channel has the texts.
    """
    current = context.work.index.by_id.get(context.rule.id)
    if current is None or not current.live:
        return step, None
    place = current.route.place(context.entry.address)
    if place is not None and isinstance(place.step, Send) and place.step.channel == step.channel:
        context.work.out.versions_used.add(current.digest)
        return place.step, current.digest
    return step, context.rule.digest


def _noted(after: Entry, effect: StepEffect | None, context: StepContext) -> Entry:
    """The entry with what it sent to its person noted, since figures or the rule's goal ask for it."""
    rule = context.rule
    if not isinstance(effect, Delivery) or effect.state is DeliveryState.WITHHELD:
        return after
    if effect.kind is SendKind.INTERNAL:  # it goes to the host's own people
        return after
    sent_at = context.now if after.sent_at is None else after.sent_at
    if rule.goal is None or after.watched_until is None:
        return after.changed(sent_at=sent_at)
    key = {"delivery": effect.idempotency_key}
    mark = context.mark(MarkKind.SENT, detail=effect.channel, values=key)
    return after.marked(mark).changed(sent_at=sent_at)
