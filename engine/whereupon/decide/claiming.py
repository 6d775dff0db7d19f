"""The fold of one part of a claim of many messages.

All parts one after another, nothing of the person's between them, come to what the claim comes to as a
whole: the messages are put to the rules in the same order, as of the same moment, and each part finds
stored what the earlier ones made.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from whereupon.decide.arrivals import claimed_evaluations
from whereupon.decide.batch import state_of
from whereupon.decide.batch_state import BatchState
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.people import Handed, hand_over
from whereupon.decide.person_changes import NO_CHANGE, PersonChange, apply_message
from whereupon.decide.snapshot import (
    BatchResult,
    KeysExhausted,
    Notice,
    Part,
    PoisonError,
    Settings,
    Snapshot,
)
from whereupon.decide.take_one import Exclusions, not_taken, note_taken, rules_opened
from whereupon.identity.algebra import claimant
from whereupon.matching import RuleIndex
from whereupon.messages.times import earlier
from whereupon.records import Claiming, StoredMessage


def carry_on(loaded: Snapshot, part: Part, index: RuleIndex, settings: Settings) -> BatchResult:
    """Put the next part of what a claim brings to the rules.

    Raises:
        PoisonError: it fails on one of the messages.
    """
    work = state_of(loaded, index, settings)
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
    note_taken(taken, rules_opened(work, _claimed(work, part, handed), claiming.attributes))
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
    evaluations = _claimed(work, part, hand_over(work, claiming.anonymous_key))
    excluded = _exclusions(work, claiming, evaluations)
    is_put = claiming.is_put
    for evaluation in evaluations:
        if not is_put and evaluation.timestamp > own.timestamp:
            _put_own(work, part)
            is_put = True
        _apply(work, evaluation, excluded.get(evaluation.key, ()))
    if part.is_last and not is_put:
        _put_own(work, part)
    behind = None if part.is_last else claiming._replace(after=_last(here), is_put=is_put)
    work.changes.claimings[claiming.anonymous_key] = behind


def _exclusions(
    work: BatchState, claiming: Claiming, evaluations: Sequence[Evaluation]
) -> Exclusions:
    """What rules do not take of this part; a rule that is new takes the first message that opens it."""
    if not work.index.takes_one:
        return {}
    opened = rules_opened(work, evaluations, claiming.attributes)
    taken = dict(claiming.taken)
    for rule, key in opened:
        taken.setdefault(rule.id, key)
    return not_taken(taken, opened)


def _put_own(work: BatchState, part: Part) -> None:
    """Put the message that claims to the rules, in its turn."""
    claiming, own = part.claiming, part.own
    evaluation = Evaluation.of(own, own.owner, own.message.received_at)
    segments = frozenset(claiming.entered), frozenset(claiming.left)
    _apply(work, evaluation, (), PersonChange(*segments, claiming.makes_known))


def _apply(
    work: BatchState,
    evaluation: Evaluation,
    excluded: Collection[str],
    change: PersonChange = NO_CHANGE,
) -> None:
    """Apply a message, unless the engine has failed on it before."""
    if evaluation.key in work.given_up:
        text = f"{evaluation.message_id} was claimed, and put to no rule: the engine fails on it"
        work.out.emitted.append(Notice("claimed-failed", evaluation.message_id, text))
        return
    try:
        apply_message(work, evaluation, excluded, change)
    except (KeysExhausted, PoisonError):
        raise
    except Exception as error:
        raise PoisonError(error, claimed=evaluation.key) from error


def _waiting(work: BatchState, part: Part) -> Sequence[StoredMessage]:
    return list(work.anonymous_messages.get(part.claiming.anonymous_key, ()))


def _last(here: Sequence[StoredMessage]) -> tuple[datetime, int]:
    return here[-1].timestamp, here[-1].key


def _claimed(work: BatchState, part: Part, handed: Sequence[Handed]) -> list[Evaluation]:
    return claimed_evaluations(work, handed, part.own.message.received_at)
