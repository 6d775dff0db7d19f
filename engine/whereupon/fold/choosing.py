"""Rules that take only the first or last of what a claim brings: which messages that leaves out."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

from whereupon.decisions import Reason, takes_part
from whereupon.fold.entering import case_for
from whereupon.fold.occurrences import Putting
from whereupon.fold.working import Working
from whereupon.rules import Rule, Take
from whereupon.state import Claim, StoredMessage
from whereupon.times import earlier

LeftOut: TypeAlias = dict[tuple[str, int], Reason]
"""By rule and message key, the reason for skipping."""


def choose(work: Working, puttings: Sequence[Putting]) -> LeftOut:
    """Of the messages that a claim brings, in the order they happened, what each rule leaves out."""
    candidates: dict[str, tuple[Rule, list[int]]] = {}
    for putting in puttings:
        if putting.reason is not None:
            continue
        for rule in _taking_one(work, putting):
            candidates.setdefault(rule.id, (rule, []))[1].append(putting.occurrence.key)
    left_out: LeftOut = {}
    for rule, keys in candidates.values():
        taken = keys[0] if rule.retroactive.take is Take.FIRST else keys[-1]
        left_out |= {(rule.id, key): Reason.RETROACTIVE_TAKE for key in keys if key != taken}
    return left_out


def choose_late(work: Working, putting: Putting, stored: StoredMessage, run: Claim) -> LeftOut:
    """What rules leave out of a message that arrives when its claim has let the person in already.

    What was taken is not taken back, whichever of the two happened first.
    """
    occurrence, person_key = putting.occurrence, putting.person_key
    rules = [r for r in _taking_one(work, putting) if work.entries_in(r, person_key)]
    if not rules:
        return {}
    brought = _brought_with(work, stored, run)
    return {
        (rule.id, occurrence.key): Reason.RETROACTIVE_TAKE
        for rule in rules
        if any(past.occasion in brought for past in work.entries_in(rule, person_key))
    }


def _taking_one(work: Working, putting: Putting) -> list[Rule]:
    """The rules that take one of a claim's messages, and are open to this one."""
    occurrence = putting.occurrence
    if occurrence.type is None:
        return []
    choosy = work.index.meaning(occurrence.type, occurrence.name).choosy
    if not choosy:
        return []
    case = case_for(work, putting)
    return [rule for rule in choosy if takes_part(rule, case)]


def _brought_with(work: Working, stored: StoredMessage, run: Claim) -> set[str]:
    """The ids of the messages that the same claim brought as this one."""
    points = work.points_of(run.anonymous_key, stored.anonymous_id or "")
    moments = sorted(
        point.since
        for point in points
        if point.person_key == run.person_key and run.since <= point.since <= run.until
    )
    window = work.settings.identity.late_window

    def claimed_at(happened: datetime) -> datetime | None:
        return next((at for at in moments if at >= earlier(happened, window)), None)

    moment = claimed_at(stored.timestamp)
    return {
        other.message_id
        for other in work.anonymous_messages[run.anonymous_key]
        if other.owner == run.person_key and claimed_at(other.timestamp) == moment
    }
