"""Whose an anonymous message is: arithmetic on the claims of one anonymous id (design §4).

A claim is a moment at which a message carried both a user id and the anonymous id. A message that
happened at t belongs to the first claim from t minus the late window on, unless that claim came more
than the retention later. So the claimant follows from the set of claims alone, whatever the order in
which messages and claims arrive.

Consecutive claims by one person are kept as one *run* (`Claim`): a logged-in browser claims with
every message, and a row for each would say nothing more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from whereupon.messages import MessageType
from whereupon.state import Claim, StoredMessage


@dataclass(frozen=True, slots=True)
class IdentityPolicy:
    """How long anonymous messages wait, and how far after a claim they are still the claimant's."""

    retention: timedelta = timedelta(days=30)
    late_window: timedelta = timedelta(minutes=5)


def claimed_by(message: StoredMessage) -> tuple[str, ...]:
    """The anonymous ids that a message claims: its own, and an alias's previous id."""
    if message.user_id is None:
        return ()
    aliased = message.target_id if message.type is MessageType.ALIAS else None
    return tuple(name for name in (message.anonymous_id, aliased) if name is not None)


def claimant(runs: Sequence[Claim], instant: datetime, policy: IdentityPolicy) -> Claim | None:
    """The run that covers ``instant``; None while it has to wait (or is older than the retention).

    Args:
        runs: every run of one anonymous id, by `since`.
    """
    for run in runs:
        if instant - run.until <= policy.late_window:
            return run if run.since - instant <= policy.retention else None
    return None


def with_claim(
    runs: Sequence[Claim],
    claim: Claim,
    policy: IdentityPolicy,
    moments: Sequence[datetime] = (),
) -> tuple[Claim, ...]:
    """The runs after one more claim (a run of one moment), which may have come out of order.

    Args:
        runs: every run of the anonymous id, by `since`; the result is too.
        moments: where known, the single claims inside the run that ``claim`` falls into. A claim by
            somebody else splits that run between its neighbours among them.
    """
    moment = claim.since
    if any(run.since == moment and run.person_key != claim.person_key for run in runs):
        return tuple(runs)  # two people in one microsecond: the first to arrive keeps it
    before = [run for run in runs if run.until < moment]
    after = [run for run in runs if run.since > moment]
    around = [run for run in runs if run.since <= moment <= run.until]
    if around:
        middle = _inside(around[0], claim, moments)
        return (*before, *middle, *after)
    return _joined(before, claim, after, policy)


def _inside(run: Claim, claim: Claim, moments: Sequence[datetime]) -> tuple[Claim, ...]:
    if run.person_key == claim.person_key:
        return (run,)
    last_before = max((m for m in moments if run.since <= m < claim.since), default=run.since)
    first_after = min((m for m in moments if claim.since < m <= run.until), default=run.until)
    head = run._replace(until=last_before)
    if first_after <= claim.since:
        return (head, claim)
    return (head, claim, run._replace(since=first_after))


def _joined(
    before: list[Claim], claim: Claim, after: list[Claim], policy: IdentityPolicy
) -> tuple[Claim, ...]:
    merged = claim
    if before and _continues(before[-1], merged, policy):
        last = before.pop()
        merged = last._replace(until=merged.until)
    if after and _continues(merged, after[0], policy):
        merged = merged._replace(until=after.pop(0).until)
    return (*before, merged, *after)


def _continues(earlier: Claim, later: Claim, policy: IdentityPolicy) -> bool:
    """Whether no instant between the two would belong to anybody but this person."""
    reach = policy.retention + policy.late_window
    return earlier.person_key == later.person_key and later.since - earlier.until <= reach
