"""The person an anonymous message belongs to: arithmetic on the claims of one anonymous id.

A claim is a moment at which a message carried both a user id and the anonymous id. A message that happened
at t belongs to the first claim from t minus the late window on, unless that claim came more than the
retention later. So the claimant depends on the set of claims alone, and not on the order in which messages
and claims arrive. If two claims share an instant, the smaller message id wins.

Consecutive claims by one person are kept as one run (`ClaimRun`). A logged-in browser claims with every
message, and a row for each claim would add nothing.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from whereupon.messages.model import MessageType
from whereupon.messages.times import FIRST_INSTANT, LAST_INSTANT, earlier, later
from whereupon.records import ClaimRun, StoredMessage

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class IdentityPolicy:
    """How long anonymous messages wait for a claim, and how long after a claim they still belong to it."""

    retention: timedelta = timedelta(days=30)
    late_window: timedelta = timedelta(minutes=5)

    @property
    def reach(self) -> timedelta:
        """How far apart two messages that belong to one claim may have happened."""
        return self.retention + self.late_window


def claimed_by(message: StoredMessage) -> tuple[str, ...]:
    """The anonymous ids that a message claims: its own, and an alias's previous id."""
    if message.user_id is None:
        return ()
    aliased = message.target_id if message.type is MessageType.ALIAS else None
    return tuple(name for name in (message.anonymous_id, aliased) if name is not None)


def claimant(
    runs: Sequence[ClaimRun], instant: datetime, policy: IdentityPolicy
) -> ClaimRun | None:
    """The run that covers an instant; None if a message of that instant waits, or is too old for a claim.

    Args:
        runs: every run of one anonymous id, by `since`.
    """
    place = bisect_left(runs, earlier(instant, policy.late_window), key=_until)
    if place == len(runs):
        return None
    run = runs[place]
    return run if run.since - instant <= policy.retention else None


class Claimants:
    """`claimant` of many instants. The run that was found last is mostly the next one's, too.

    Args:
        runs: every run of one anonymous id, by `since`.
    """

    def __init__(self, runs: Sequence[ClaimRun], policy: IdentityPolicy) -> None:
        self._runs, self._policy = runs, policy
        self._last: ClaimRun | None = None
        self._since, self._until = LAST_INSTANT, FIRST_INSTANT

    def of(self, instant: datetime) -> ClaimRun | None:
        """The run that covers an instant; None if none does."""
        if self._since <= instant <= self._until:
            return self._last
        run = claimant(self._runs, instant, self._policy)
        if run is not None:
            self._last = run
            self._since, self._until = covered(self._runs, self._runs.index(run), self._policy)
        return run

    def of_each(self, instants: Sequence[datetime]) -> Sequence[ClaimRun | None]:
        """The runs that cover the instants, beside them; mostly one run covers all."""
        if not self._runs or not instants:
            return [None] * len(instants)
        run = self.of(min(instants))
        if run is not None and max(instants) <= self._until:
            return [run] * len(instants)
        return [*map(self.of, instants)]


def covered(
    runs: Sequence[ClaimRun], place: int, policy: IdentityPolicy
) -> tuple[datetime, datetime]:
    """The first and the last instant that the run at a place covers (see `claimant`)."""
    run = runs[place]
    since = earlier(run.since, policy.retention)
    if place:
        since = max(since, later(runs[place - 1].until, policy.late_window + _MICROSECOND))
    return since, later(run.until, policy.late_window)


def affected(
    runs: Sequence[ClaimRun], since: datetime, until: datetime, policy: IdentityPolicy
) -> Sequence[ClaimRun]:
    """The runs that messages between two instants may belong to or change, and one on either side.

    A message belongs to one of these runs, or waits. A claim changes the run that it falls into, or joins the
    run before or after it, and takes messages from the run after it only. So messages of these instants depend
    on no other run.

    Args:
        runs: every run of one anonymous id, by `since`.
        since: when the first of the messages happened.
        until: when the last of them happened.
        policy: the windows.
    """
    first = bisect_left(runs, earlier(since, policy.late_window), key=_until)
    return runs[max(first - 1, 0) : bisect_right(runs, until, key=_since) + 1]


def settled_until(
    runs: Sequence[ClaimRun], since: datetime, policy: IdentityPolicy
) -> datetime | None:
    """The instant up to which earlier messages keep their owners, whatever messages from ``since`` on claim.

    The owners of those messages do not follow from the `affected` runs, since an earlier run may cover them.

    Args:
        runs: the affected runs of one anonymous id.
        since: when the first of the messages happened.
        policy: the windows.

    Returns:
        None if every run before the messages is among the affected ones.
    """
    if not runs or runs[0].until >= earlier(since, policy.late_window):
        return None
    return later(runs[0].until, policy.late_window)


def changed_runs(
    before: Sequence[ClaimRun], after: Sequence[ClaimRun], instant: datetime
) -> tuple[Sequence[ClaimRun], Sequence[ClaimRun]]:
    """The runs near the instant of a claim, before it and after it; all other runs are the same."""
    first = max(bisect_left(before, instant, key=_until) - 1, 0)
    last = max(len(before) - bisect_right(before, instant, key=_since) - 1, 0)
    return before[first : len(before) - last], after[first : len(after) - last]


def with_claim(
    runs: Sequence[ClaimRun],
    claim: ClaimRun,
    policy: IdentityPolicy,
    single_claims: Sequence[ClaimRun] = (),
) -> tuple[ClaimRun, ...]:
    """The runs after one more claim (a run of one moment), which may have come out of order.

    If two persons claim in one microsecond, the smaller message id wins, whichever message arrives first.

    Args:
        runs: every run of the anonymous id, by `since`, as is the result.
        single_claims: those inside the run that ``claim`` falls into, as far as they are known; with an empty
            message id if the id is not known. Another person's claim splits the run between its neighbours
            among them.
    """
    moment = claim.since
    first = max(bisect_left(runs, moment, key=_until) - 1, 0)
    last = min(bisect_right(runs, moment, key=_since) + 1, len(runs))
    near = _with_claim_near(runs[first:last], claim, policy, single_claims)
    return (*runs[:first], *near, *runs[last:])


def _with_claim_near(
    runs: Sequence[ClaimRun],
    claim: ClaimRun,
    policy: IdentityPolicy,
    single_claims: Sequence[ClaimRun],
) -> tuple[ClaimRun, ...]:
    """The same, for the run that the claim falls into and its neighbours; no other run changes."""
    moment = claim.since
    before = [run for run in runs if run.until < moment]
    after = [run for run in runs if run.since > moment]
    around = next((run for run in runs if run.since <= moment <= run.until), None)
    if around is None:
        return _joined(before, claim, after, policy)
    if around.person_key == claim.person_key:
        return (*before, _opened_by(around, claim), *after)
    ids = _ids_of(around, single_claims)
    if ids.get(moment, claim.message_id) < claim.message_id:
        return tuple(runs)
    head = [at for at in ids if at < moment]
    tail = [at for at in ids if at > moment]
    if head:
        before.append(around._replace(until=max(head)))
    if tail:
        first = min(tail)
        after.insert(0, around._replace(since=first, message_id=ids[first] or around.message_id))
    return _joined(before, claim, after, policy)


def _since(run: ClaimRun) -> datetime:
    return run.since


def _until(run: ClaimRun) -> datetime:
    return run.until


def _opened_by(run: ClaimRun, claim: ClaimRun) -> ClaimRun:
    """The run with one more claim by its person; if two claims share its start, the smaller id opens it."""
    if claim.since == run.since and claim.message_id < run.message_id:
        return run._replace(message_id=claim.message_id)
    return run


def _ids_of(run: ClaimRun, single_claims: Sequence[ClaimRun]) -> dict[datetime, str]:
    """The single claims of a run: the instant, and the message's id (the smallest of several)."""
    ids = {run.since: run.message_id}
    for each in single_claims:
        if each.person_key == run.person_key and run.since <= each.since <= run.until:
            known = ids.get(each.since) or each.message_id
            ids[each.since] = min(known, each.message_id or known)
    ids.setdefault(run.until, "")
    return ids


def _joined(
    before: list[ClaimRun], claim: ClaimRun, after: list[ClaimRun], policy: IdentityPolicy
) -> tuple[ClaimRun, ...]:
    merged = claim
    if before and _continues(before[-1], merged, policy):
        last = before.pop()
        merged = last._replace(until=merged.until)
    if after and _continues(merged, after[0], policy):
        merged = merged._replace(until=after.pop(0).until)
    return (*before, merged, *after)


def _continues(earlier: ClaimRun, later: ClaimRun, policy: IdentityPolicy) -> bool:
    """Whether every instant between the two runs belongs to their one person."""
    near = later.since - earlier.until <= policy.reach
    return near and earlier.person_key == later.person_key
