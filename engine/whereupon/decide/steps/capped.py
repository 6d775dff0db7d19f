"""A send over a cap: it waits at its step for a place, or is left out, as the settings say."""

from datetime import datetime

from whereupon.decide.caps import CAP, FullCap, full_caps
from whereupon.decide.consent import reason_to_withhold
from whereupon.decide.steps.context import StepContext
from whereupon.messages.times import format_instant, later
from whereupon.records import UNTIL, Entry, Exemption, MarkKind, SendKind, mark_at
from whereupon.rules.model import Send, Skip


def held_by_caps(step: Send, context: StepContext) -> Entry | str | None:
    """What the caps make of a send.

    Returns:
        The entry that waits at the step; the reason for which the delivery is withheld; None if there is a place.
    """
    caps, rule, person = context.work.index.book.settings.caps, context.rule, context.person
    if not caps or Exemption.CAP in rule.exempt or step.kind is not SendKind.MARKETING:
        return None
    if reason_to_withhold(person.attributes, step.kind, step.topic) is not None:
        return None  # which is the reason, and nothing to wait for
    sends = context.work.sends.of(person.key, context.work.changes.withdrawn)
    full = full_caps(caps, step.channel, sends, context.now)
    return _over(full, context) if full else None


def _over(full: list[FullCap], context: StepContext) -> Entry | str:
    entry = context.entry
    reached = mark_at(entry.trail, entry.address, MarkKind.CAP)
    until = _waits_until(full, context.now if reached is None else reached.at)
    if until is None or until <= context.now:
        return CAP
    due_at = min(until, max(each.free_at for each in full))
    values = {UNTIL: format_instant(due_at)}
    if reached is None:
        return context.stay_until(due_at, context.mark(MarkKind.CAP, values=values))
    now = reached._replace(values=values)
    trail = tuple(now if mark is reached else mark for mark in entry.trail)
    return context.stay_until(due_at).changed(trail=trail)


def _waits_until(full: list[FullCap], since: datetime) -> datetime | None:
    """How long a send waits at most under these caps; None if it does not wait.

    Args:
        full: the caps.
        since: when it has come to the first of them.
    """
    ends: list[datetime] = []
    for each in full:
        if isinstance(each.cap.otherwise, Skip):
            return None
        ends.append(later(since, each.cap.otherwise.duration))
    return min(ends)
