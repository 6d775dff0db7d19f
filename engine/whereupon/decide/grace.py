"""Grace: a message that a rule skipped by `who` is decided once more, since an attribute changed in time."""

from datetime import datetime

from whereupon.decide.batch_state import BatchState
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.evaluator import emit_decision, let_in, see_now
from whereupon.decide.verdicts import verdict_on
from whereupon.records import Skips
from whereupon.rules.model import Rule


def decide_again(work: BatchState, now: datetime, since: int = 0) -> None:
    """Decide the skips that a change has closed, as of now: each lets the person in, or is a skip for good.

    Args:
        since: how many were closed before the message, which stay for what closed them. A step's message decides only
            what it has closed itself: the message that led to the step has not yet had all of its effect.
    """
    while len(work.again) > since:
        evaluation, rule = work.again.pop(since)
        evaluation.person_key, evaluation.now = work.survivor_of(evaluation.person_key), now
        if evaluation.person_key in work.persons:
            _decide(work, evaluation, rule)


def put_off(work: BatchState) -> tuple[tuple[int, str, bool], ...]:
    """What a change has closed, to be decided when the claim is carried out that has made the change (see `ClaimJob`)."""
    closed = tuple((each.key, rule.id, each.retroactive) for each, rule in work.again)
    work.again.clear()
    return closed


def _decide(work: BatchState, evaluation: Evaluation, rule: Rule) -> None:
    see_now(work, evaluation)
    past = work.entries_in(rule, evaluation.person_key)
    verdict = verdict_on(
        rule,
        evaluation,
        past,
        is_paused=rule.id in work.paused,
        settings=work.index.book.settings,
    )
    if verdict.reason is None:
        let_in(work, evaluation, rule, verdict)
    else:
        emit_decision(work, evaluation, rule, verdict)
        text, values = (
            (verdict.failure.text, verdict.failure.values) if verdict.failure else (None, {})
        )
        said = (rule.id, rule.digest, str(verdict.reason), text, values)
        person, is_late = evaluation.person_key, evaluation.retroactive
        work.changes.skips.append(Skips(evaluation.key, person, evaluation.now, is_late, (said,)))
    evaluation.unsee()
