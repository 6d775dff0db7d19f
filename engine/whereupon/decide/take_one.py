"""Rules that take only the first or the last of the messages that a claim brings: what that excludes."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from pydantic import JsonValue

from whereupon.decide.batch_state import BatchState
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.evaluator import see_now
from whereupon.decide.verdicts import closed_by
from whereupon.identity.algebra import claimant
from whereupon.messages.times import earlier
from whereupon.records import ClaimRun, StoredMessage
from whereupon.rules.model import Rule, Take

Exclusions: TypeAlias = Mapping[int, Collection[str]]
"""By message key, the ids of the rules that do not take the message."""


def exclusions(work: BatchState, evaluations: Sequence[Evaluation]) -> Exclusions:
    """Which of the messages that a claim brings, in the order they happened, each rule does not take."""
    opened = rules_opened(work, evaluations)
    taken: dict[str, int] = {}
    note_taken(taken, opened)
    return not_taken(taken, opened)


def rules_opened(
    work: BatchState,
    evaluations: Sequence[Evaluation],
    attributes: Mapping[str, JsonValue] | None = None,
) -> list[tuple[Rule, int]]:
    """The rules that take one of a claim's messages, each with the key of a message that may open it.

    Args:
        attributes: the person's, if not those of now.
    """
    return [
        (rule, evaluation.key)
        for evaluation in evaluations
        if evaluation.reason is None
        for rule in _open_to(work, evaluation, attributes)
    ]


def note_taken(taken: dict[str, int], opened: Iterable[tuple[Rule, int]]) -> None:
    """Note which message each rule takes, of those known so far; earlier messages come first."""
    for rule, key in opened:
        if rule.retroactive.take is Take.FIRST:
            taken.setdefault(rule.id, key)
        else:
            taken[rule.id] = key


def not_taken(taken: Mapping[str, int], opened: Iterable[tuple[Rule, int]]) -> Exclusions:
    """What the rules do not take, if they take those messages."""
    excluded: dict[int, list[str]] = {}
    for rule, key in opened:
        if taken[rule.id] != key:
            excluded.setdefault(key, []).append(rule.id)
    return excluded


def excluded_late(
    work: BatchState, evaluation: Evaluation, stored: StoredMessage, run: ClaimRun
) -> Collection[str]:
    """The rules that do not take a message that arrives after its claim has let the person in.

    A message that was taken stays taken, even if the late message happened before it.
    """
    person_key = evaluation.person_key
    rules = [r for r in _open_to(work, evaluation) if work.entries_in(r, person_key)]
    if not rules:
        return ()
    together = _claimed_together(work, stored, run)
    return [
        rule.id
        for rule in rules
        if any(past.occasion in together for past in work.entries_in(rule, person_key))
    ]


def _open_to(
    work: BatchState, evaluation: Evaluation, attributes: Mapping[str, JsonValue] | None = None
) -> list[Rule]:
    """The rules that take one of a claim's messages, and that this message may open."""
    if evaluation.type is None:
        return []
    match = work.index.trigger_match(evaluation.type, evaluation.name)
    rules = [rule for rule in match.take_one_rules if closed_by(rule, evaluation) is None]
    if not rules:
        return []
    see_now(work, evaluation, match.rules.roots)
    if attributes is not None:
        evaluation.data["person"] = dict(attributes)
    opened = [rule for rule in rules if rule.where.holds(evaluation.data, evaluation.history)]
    evaluation.unsee()
    return opened


def _claimed_together(work: BatchState, stored: StoredMessage, run: ClaimRun) -> set[str]:
    """The messages (see `ref_of`) that the same claim brought as this one."""
    points = work.single_claims_of(run.anonymous_key, stored.anonymous_id or "")
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
        for other in work.anonymous_messages.get(run.anonymous_key, ())
        if claimed_at(other.timestamp) == moment
        and claimant(runs, other.timestamp, policy) == run  # another run may be the same person's
    }
