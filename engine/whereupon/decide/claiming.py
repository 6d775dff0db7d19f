"""The fold of one part of a claim of many messages.

All parts one after another, nothing of the person's between them, come to what the claim comes to as a
whole: the messages are put to the rules in the same order, as of the same moment, and each part finds
stored what the earlier ones made.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from whereupon.decide.batch import NO_SHIFT, Shift, apply, putting_of, taker
from whereupon.decide.batch_state import BatchState
from whereupon.decide.evaluation import Evaluation, occurrence_of
from whereupon.decide.people import Handed, hand_over
from whereupon.decide.snapshot import (
    BatchResult,
    KeysExhausted,
    Notice,
    Part,
    PoisonError,
    Settings,
    Snapshot,
)
from whereupon.decide.take_one import LeftOut, left_out, opened_by, take
from whereupon.identity.algebra import claimant
from whereupon.matching import RuleIndex
from whereupon.messages.times import earlier
from whereupon.records import Claiming, StoredMessage


def carry_on(loaded: Snapshot, part: Part, index: RuleIndex, settings: Settings) -> BatchResult:
    """Put the next part of what a claim brings to the rules.

    Raises:
        PoisonError: it fails on one of the messages.
    """
    work = BatchState(loaded, index, settings)
    work.take = taker(work)
    if part.claiming.is_chosen:
        _put(work, part)
    else:
        _choose(work, part)
    return work.close()


def _choose(work: BatchState, part: Part) -> None:
    """Look for the messages that rules take which take but one; then begin again, and put them all."""
    claiming, here = part.claiming, _waiting(work, part)
    runs = work.claims.get(claiming.anonymous_key, ())
    handed = [
        Handed(stored._replace(owner=run.person_key), again=False)
        for stored in here
        if (run := claimant(runs, stored.timestamp, work.settings.identity)) is not None
    ]
    taken = dict(claiming.taken)
    take(taken, opened_by(work, _puttings(work, part, handed), claiming.attributes))
    if part.is_last:
        retention = work.settings.identity.retention
        behind = earlier(part.own.timestamp, retention), 0
        claiming = claiming._replace(taken=taken, is_chosen=True, after=behind)
    else:
        claiming = claiming._replace(taken=taken, after=_last(here))
    work.changes.claimings[claiming.anonymous_key] = claiming


def _put(work: BatchState, part: Part) -> None:
    claiming, own = part.claiming, part.own
    here = _waiting(work, part)
    if not claiming.is_put:
        work.remove_from_history(own)  # it is the person's already, but nobody was told
    puttings = _puttings(work, part, hand_over(work, claiming.anonymous_key))
    out = _left_out(work, claiming, puttings)
    is_put = claiming.is_put
    for putting in puttings:
        if not is_put and putting.occurrence.timestamp > own.timestamp:
            _put_own(work, part)
            is_put = True
        _apply(work, putting, out.get(putting.occurrence.key, ()))
    if part.is_last and not is_put:
        _put_own(work, part)
    behind = None if part.is_last else claiming._replace(after=_last(here), is_put=is_put)
    work.changes.claimings[claiming.anonymous_key] = behind


def _left_out(work: BatchState, claiming: Claiming, puttings: Sequence[Evaluation]) -> LeftOut:
    """What rules leave out of this part; of what was not chosen, for a rule is new, the first is taken."""
    if not work.index.takes_one:
        return {}
    open_to = opened_by(work, puttings, claiming.attributes)
    taken = dict(claiming.taken)
    for rule, key in open_to:
        taken.setdefault(rule.id, key)
    return left_out(taken, open_to)


def _put_own(work: BatchState, part: Part) -> None:
    """Put the message that claims to the rules, in its turn."""
    claiming, own = part.claiming, part.own
    now = own.message.received_at
    putting = Evaluation(occurrence_of(own), own.owner, now, claimable_at=now, retroactive=False)
    segments = frozenset(claiming.entered), frozenset(claiming.left)
    shift = Shift(*segments, claiming.makes_known)
    _apply(work, putting, (), shift)


def _apply(
    work: BatchState, putting: Evaluation, out: Collection[str], shift: Shift = NO_SHIFT
) -> None:
    """Let a message take effect, unless the fold has failed on it before."""
    occurrence = putting.occurrence
    if occurrence.key in work.given_up:
        text = f"{occurrence.message_id} was claimed, and put to no rule: the engine fails on it"
        work.out.emitted.append(Notice("claimed-failed", occurrence.message_id, text))
        return
    try:
        apply(work, putting, out, shift)
    except (KeysExhausted, PoisonError):
        raise
    except Exception as error:
        raise PoisonError(error, claimed=occurrence.key) from error


def _waiting(work: BatchState, part: Part) -> Sequence[StoredMessage]:
    return list(work.anonymous_messages.get(part.claiming.anonymous_key, ()))


def _last(here: Sequence[StoredMessage]) -> tuple[datetime, int]:
    return here[-1].timestamp, here[-1].key


def _puttings(work: BatchState, part: Part, handed: Sequence[Handed]) -> list[Evaluation]:
    now, match = part.own.message.received_at, work.index.trigger_match
    return [
        putting_of(each, now)
        for each in handed
        if not match(each.stored.type, each.stored.name).is_unused
    ]
