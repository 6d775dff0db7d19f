"""Requests that were held are judged again, and carried out if every guard agrees now."""

from collections.abc import Sequence
from datetime import datetime

from whereupon.decide.batch import state_of
from whereupon.decide.batch_state import BatchState
from whereupon.decide.engine_settings import Settings
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.grace import decide_again
from whereupon.decide.memberships import memberships, memberships_before
from whereupon.decide.merges import merge
from whereupon.decide.person_changes import NO_CHANGE, apply_merge
from whereupon.decide.requests import judge_request
from whereupon.decide.result import BatchResult
from whereupon.decide.semantic_actions import carry_out
from whereupon.decide.snapshot import Snapshot
from whereupon.matching import RuleIndex
from whereupon.messages.model import Message, MessageType
from whereupon.messages.times import format_instant
from whereupon.records import (
    NOTHING,
    Approval,
    Person,
    Request,
    RequestOutcome,
    StoredMessage,
)


def resume_request(
    loaded: Snapshot,
    request: Request,
    approvals: Sequence[Approval],
    index: RuleIndex,
    settings: Settings,
    *,
    now: datetime,
) -> BatchResult:
    """Judge a held request again, and carry it out if every guard agrees now.

    Args:
        loaded: what its message may change.
        approvals: all that were given to it, for any plan.
    """
    work = state_of(loaded, index, settings)
    work.clocked.pass_to(now)
    decided = judge_request(work, request, approvals, now)
    message = request.message
    if decided.outcome is RequestOutcome.RAN and message is not None:
        if message.type is MessageType.ALIAS:
            _merge_now(work, request, message, now)
        else:
            carry_out(work, request, message, now)  # a host's action is never `ran` here
    return work.close()


def _merge_now(work: BatchState, request: Request, message: Message, now: datetime) -> None:
    """Merge the two persons, and apply what that changes for the one who is left, as of now.

    What came of the message when it arrived stays. So rules hear of a moment: that an operator agreed.
    """
    names = message.user_id or "", message.target_id or ""
    survivor, loser = (work.persons.get(work.users.get(name, 0)) for name in names)
    if survivor is None or loser is None or survivor.key == loser.key:
        return
    mine, theirs = (memberships_before(work, each, now, now) for each in (survivor, loser))
    merged = merge(work, message, survivor, loser)
    change = NO_CHANGE.and_moved(mine | theirs, memberships(work, merged, now, now))
    as_of_now = message.changed(timestamp=now, received_at=now)
    own = Evaluation.of(StoredMessage(0, merged.key, as_of_now), merged.key, now)
    apply_merge(work, own, _agreed(request, message, merged, now), change)
    decide_again(work, now)


def _agreed(request: Request, message: Message, person: Person, now: datetime) -> Evaluation:
    """The moment at which a merge was agreed to, as rules hear of it."""
    moment = f"merge/{request.key}@{format_instant(now)}"
    said = ("", now, b"", None, message.source, 0, person.key, now)
    return Evaluation(0, moment, None, *said, _properties=NOTHING, _context=NOTHING)
