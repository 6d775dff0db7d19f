"""A segment that time changes: people enter it, or leave it, though no message comes."""

from datetime import UTC, datetime

from whereupon.conditions.moments import next_change
from whereupon.decide.batch_state import BatchState
from whereupon.decide.decisions import Reason
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.evaluator import evaluate
from whereupon.decide.history import HistoryUntil
from whereupon.decide.memberships import data_of, is_in
from whereupon.decide.timed.openings import opening
from whereupon.matching import RuleList, RuleSelection, TimedSubject
from whereupon.messages.times import MICROSECOND, earlier
from whereupon.records import Person
from whereupon.rules.model import OnSegment, Rule, SegmentChange


def next_moment(
    work: BatchState, subject: TimedSubject, person: Person, after: datetime
) -> datetime | None:
    """When time alone changes whether the person is in the segment; it may be a little early."""
    segment = work.index.segments.get(subject.of)
    if segment is None:
        return None
    past = HistoryUntil(work.history, person.key, after, attributes=person.attributes)
    return next_change(segment.who, data_of(person, after), past, UTC, after)


def fire(
    work: BatchState, subject: TimedSubject, person: Person, at: datetime, now: datetime
) -> None:
    """Open the rules that watch the change.

    After a standstill a change that time has taken back meanwhile opens nothing, and is recorded as such.
    """
    segment = work.index.segments.get(subject.of)
    if segment is None:
        return
    entered = is_in(work, segment, person, at)
    if entered is is_in(work, segment, person, earlier(at, MICROSECOND)):
        return  # it could not be said exactly beforehand when it changes
    change = SegmentChange.ENTERS if entered else SegmentChange.LEAVES
    rules = [rule for rule in subject.rules if _watches(rule, segment.id, change)]
    moment = opening(subject, person, at, now)
    rules = [rule for rule in rules if not _has_opened(work, rule, moment)]
    if not rules:
        return
    is_back = now > at and is_in(work, segment, person, now) is not entered
    moment.reason = Reason.CHANGED_BACK if is_back else None
    evaluate(work, moment, _NO_RULES.and_besides(rules))


_NO_RULES = RuleSelection(RuleList())


def _has_opened(work: BatchState, rule: Rule, moment: Evaluation) -> bool:
    """Whether the rule let the person in at this very moment before, by another process's clock."""
    earlier_ones = work.entries_in(rule, moment.person_key)
    return any(past.occasion == moment.ref for past in earlier_ones)


def _watches(rule: Rule, segment: str, change: SegmentChange) -> bool:
    return any(
        isinstance(trigger, OnSegment) and trigger.segment == segment and trigger.change is change
        for trigger in rule.triggers
    )
