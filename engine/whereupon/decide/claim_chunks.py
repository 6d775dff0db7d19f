"""One chunk of a claim of many messages.

All chunks together have the effect of one claim as a whole. They evaluate the messages in the same order and
as of the same moment, nothing else of the person's comes between them, and each chunk finds stored what the
chunks before it made.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from whereupon.decide.batch import state_of
from whereupon.decide.batch_state import BatchState
from whereupon.decide.claimed_messages import claimed_evaluations
from whereupon.decide.engine_settings import Settings
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.grace import decide_again, put_off
from whereupon.decide.people import ClaimedMessages, claim_messages
from whereupon.decide.person_changes import NO_CHANGE, PersonChange, PutOff, apply_message
from whereupon.decide.result import BatchResult, KeysExhausted, Notice, PoisonError
from whereupon.decide.snapshot import ClaimChunk, Snapshot
from whereupon.decide.take_one import Exclusions, not_taken, note_taken, rules_opened
from whereupon.identity.algebra import claimant
from whereupon.matching import RuleIndex
from whereupon.messages.times import earlier
from whereupon.records import ClaimJob, StoredMessage
from whereupon.rules.model import Rule


def carry_on(
    loaded: Snapshot, chunk: ClaimChunk, index: RuleIndex, settings: Settings
) -> BatchResult:
    """Evaluate the next chunk of what a claim brings.

    Raises:
        PoisonError: the engine fails on one of the messages.
    """
    work = state_of(loaded, index, settings)
    work.clocked.pass_to(chunk.own.message.received_at)
    if chunk.job.is_chosen:
        _evaluate_chunk(work, chunk)
    else:
        _choose(work, chunk)
    return work.close()


def _choose(work: BatchState, chunk: ClaimChunk) -> None:
    """Find the messages that rules take which take only one. After the last chunk, start again and evaluate."""
    job, here = chunk.job, _waiting(work, chunk)
    runs = work.claims.get(job.anonymous_key, ())
    claimed = ClaimedMessages(
        [
            stored.changed(owner=run.person_key)
            for stored in here
            if (run := claimant(runs, stored.timestamp, work.settings.identity)) is not None
        ]
    )
    taken = dict(job.taken)
    note_taken(taken, rules_opened(work, _claimed(work, chunk, claimed), job.attributes))
    if chunk.is_last:
        retention = work.settings.identity.retention
        behind = earlier(chunk.own.timestamp, retention), 0
        job = job._replace(taken=taken, is_chosen=True, after=behind)
    else:
        job = job._replace(taken=taken, after=_last(here))
    work.changes.claim_jobs[job.anonymous_key] = job


def _evaluate_chunk(work: BatchState, chunk: ClaimChunk) -> None:
    job, own = chunk.job, chunk.own
    here = _waiting(work, chunk)
    if not job.is_put:
        work.remove_from_history(own)  # it is recorded already, and not applied
    evaluations = _claimed(work, chunk, claim_messages(work, job.anonymous_key))
    excluded = _exclusions(work, job, evaluations)
    is_put, segments = job.is_put, (frozenset(job.entered), frozenset(job.left))
    own_change = PutOff(PersonChange(*segments, job.makes_known))
    work.expect(evaluations if is_put else [*evaluations, _own(own)])
    for evaluation in evaluations:
        if not is_put and evaluation.timestamp > own.timestamp:
            _apply(work, _own(own), (), own_change.change)
            is_put = True
        behind = None if is_put else own_change
        _apply(work, evaluation, excluded.get(evaluation.key, ()), behind=behind)
    if chunk.is_last and not is_put:
        _apply(work, _own(own), (), own_change.change)
    work.ahead.clear()
    if chunk.is_last:
        work.again[:0] = _put_off(work, chunk)
        decide_again(work, own.message.received_at)
        left = None
    else:
        again, change = (*job.again, *put_off(work)), own_change.change
        left = job._replace(after=_last(here), is_put=is_put, again=again)
        left = left._replace(entered=tuple(sorted(change.entered)), left=tuple(sorted(change.left)))
    work.changes.claim_jobs[job.anonymous_key] = left


def _put_off(work: BatchState, chunk: ClaimChunk) -> Iterator[tuple[Evaluation, Rule]]:
    """What the chunks before closed, as far as the rules are still there, to be decided once more."""
    for key, rule_id, _ in chunk.job.again:
        evaluation, rule = chunk.again.get(key), work.index.by_id.get(rule_id)
        if evaluation is not None and rule is not None:
            yield evaluation.copy(), rule


def _exclusions(work: BatchState, job: ClaimJob, evaluations: Sequence[Evaluation]) -> Exclusions:
    """What rules do not take of this chunk; a rule that is new takes the first message that opens it."""
    if not work.index.takes_one:
        return {}
    opened = rules_opened(work, evaluations, job.attributes)
    taken = dict(job.taken)
    for rule, key in opened:
        taken.setdefault(rule.id, key)
    return not_taken(taken, opened)


def _own(own: StoredMessage) -> Evaluation:
    """The message that claims, to be evaluated."""
    return Evaluation.of(own, own.owner, own.message.received_at)


def _apply(
    work: BatchState,
    evaluation: Evaluation,
    excluded: Collection[str],
    change: PersonChange = NO_CHANGE,
    behind: PutOff | None = None,
) -> None:
    """Apply a message, unless the engine has failed on it before."""
    if evaluation.key in work.given_up:
        text = f"{evaluation.message_id} was claimed, and put to no rule: the engine fails on it"
        work.out.emitted.append(Notice("claimed-failed", evaluation.message_id, text))
        return
    try:
        apply_message(work, evaluation, excluded, change, behind)
    except (KeysExhausted, PoisonError):
        raise
    except Exception as error:
        raise PoisonError(error, claimed=evaluation.key) from error


def _waiting(work: BatchState, chunk: ClaimChunk) -> Sequence[StoredMessage]:
    return list(work.anonymous_messages.get(chunk.job.anonymous_key, ()))


def _last(here: Sequence[StoredMessage]) -> tuple[datetime, int]:
    return here[-1].timestamp, here[-1].key


def _claimed(work: BatchState, chunk: ClaimChunk, claimed: ClaimedMessages) -> list[Evaluation]:
    return claimed_evaluations(work, claimed, chunk.own.message.received_at)
