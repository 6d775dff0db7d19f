"""Rules that take only the first or last of what a claim brings: which messages that leaves out."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from pydantic import JsonValue

from whereupon.decide.batch_state import BatchState
from whereupon.decide.decisions import takes_part
from whereupon.decide.entries import case_for
from whereupon.decide.evaluation import Evaluation
from whereupon.identity.algebra import claimant
from whereupon.messages.times import earlier
from whereupon.records import Claim, StoredMessage
from whereupon.rules.model import Rule, Take

LeftOut: TypeAlias = Mapping[int, Collection[str]]
"""By message key, the ids of the rules that leave it out."""


def choose(work: BatchState, puttings: Sequence[Evaluation]) -> LeftOut:
    """Of the messages that a claim brings, in the order they happened, what each rule leaves out."""
    open_to = opened_by(work, puttings)
    taken: dict[str, int] = {}
    take(taken, open_to)
    return left_out(taken, open_to)


def opened_by(
    work: BatchState,
    puttings: Sequence[Evaluation],
    attributes: Mapping[str, JsonValue] | None = None,
) -> list[tuple[Rule, int]]:
    """The rules that take one of a claim's messages, each with the key of one that it is open to.

    Args:
        attributes: the person's, if not as they are now.
    """
    return [
        (rule, putting.occurrence.key)
        for putting in puttings
        if putting.reason is None
        for rule in _taking_one(work, putting, attributes)
    ]


def take(taken: dict[str, int], open_to: Iterable[tuple[Rule, int]]) -> None:
    """Note of each rule which message it takes, as far as they are known; earlier ones came before."""
    for rule, key in open_to:
        if rule.retroactive.take is Take.FIRST:
            taken.setdefault(rule.id, key)
        else:
            taken[rule.id] = key


def left_out(taken: Mapping[str, int], open_to: Iterable[tuple[Rule, int]]) -> LeftOut:
    """What the rules leave out, that being what they take."""
    out: dict[int, list[str]] = {}
    for rule, key in open_to:
        if taken[rule.id] != key:
            out.setdefault(key, []).append(rule.id)
    return out


def choose_late(
    work: BatchState, putting: Evaluation, stored: StoredMessage, run: Claim
) -> Collection[str]:
    """The rules that leave out a message that arrives when its claim has let the person in already.

    What was taken is not taken back, whichever of the two happened first.
    """
    person_key = putting.person_key
    rules = [r for r in _taking_one(work, putting) if work.entries_in(r, person_key)]
    if not rules:
        return ()
    brought = _brought_with(work, stored, run)
    return [
        rule.id
        for rule in rules
        if any(past.occasion in brought for past in work.entries_in(rule, person_key))
    ]


def _taking_one(
    work: BatchState, putting: Evaluation, attributes: Mapping[str, JsonValue] | None = None
) -> list[Rule]:
    """The rules that take one of a claim's messages, and are open to this one."""
    occurrence = putting.occurrence
    if occurrence.type is None:
        return []
    choosy = work.index.trigger_match(occurrence.type, occurrence.name).take_one_rules
    if not choosy:
        return []
    case = case_for(work, putting)
    if attributes is not None:
        case.data["person"] = dict(attributes)
    return [rule for rule in choosy if takes_part(rule, case)]


def _brought_with(work: BatchState, stored: StoredMessage, run: Claim) -> set[str]:
    """The messages (see `ref_of`) that the same claim brought as this one."""
    points = work.points_of(run.anonymous_key, stored.anonymous_id or "")
    moments = sorted(
        point.since
        for point in points
        if point.person_key == run.person_key and run.since <= point.since <= run.until
    )
    policy = work.settings.identity
    runs, window = work.claims[run.anonymous_key], policy.late_window

    def claimed_at(happened: datetime) -> datetime | None:
        return next((at for at in moments if at >= earlier(happened, window)), None)

    moment = claimed_at(stored.timestamp)
    return {
        other.ref
        for other in work.anonymous_messages[run.anonymous_key]
        if claimed_at(other.timestamp) == moment
        and claimant(runs, other.timestamp, policy) == run  # another run may be the same person's
    }
