"""Triggers by time: a date that a person has, or the person's silence, opens a rule."""

from datetime import datetime
from typing import assert_never

from whereupon.decide.batch_state import BatchState
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.evaluator import evaluate
from whereupon.decide.timed.dates import dated, moment_after
from whereupon.decide.timed.quiet import hushed, silence_over
from whereupon.matching import RuleList, RuleSelection, TimedSubject
from whereupon.records import Person
from whereupon.rules.model import OnDate, OnQuiet


def next_moment(
    work: BatchState, subject: TimedSubject, person: Person, after: datetime
) -> datetime | None:
    """When the trigger may open its rule for the person next."""
    match subject.trigger:
        case OnDate() as trigger:
            (rule,) = subject.rules
            found = moment_after(trigger, rule, person, work.index.book.settings, after)
            return None if found is None else found.at
        case OnQuiet() as trigger:
            return silence_over(work, subject, trigger, person, after)
        case None:
            return None
        case _:
            assert_never(subject.trigger)


def is_known(work: BatchState, subject: TimedSubject, person: Person) -> bool:
    """Whether the batch knows all that the moment depends on, so that the timer may ring."""
    return work.timed_past.is_known(person.key, subject.name)


def fire(
    work: BatchState, subject: TimedSubject, person: Person, at: datetime, now: datetime
) -> None:
    """Decide the rule at the person's moment, unless there is an entry for the same date, or the same silence."""
    moment = _moment(work, subject, person, at, now)
    if moment is None:
        return
    (rule,) = subject.rules
    if any(past.occasion == moment.ref for past in work.entries_in(rule, person.key)):
        return
    evaluate(work, moment, _NO_RULES.and_besides([rule]))


_NO_RULES = RuleSelection(RuleList())


def _moment(
    work: BatchState, subject: TimedSubject, person: Person, at: datetime, now: datetime
) -> Evaluation | None:
    match subject.trigger:
        case OnDate() as trigger:
            return dated(work, subject, trigger, person, at, now)
        case OnQuiet() as trigger:
            return hushed(work, subject, trigger, person, at, now)
        case None:
            return None
        case _:
            assert_never(subject.trigger)
