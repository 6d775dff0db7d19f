"""A date that a person has: its moments, and what opens the rule at one of them."""

from datetime import datetime, timedelta
from typing import cast

from pydantic import JsonValue

from whereupon.conditions.paths import follow
from whereupon.decide.batch_state import BatchState
from whereupon.decide.clocks import clock_of
from whereupon.decide.date_moments import Moment, next_moment
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.timed.openings import opening
from whereupon.matching import TimedSubject
from whereupon.messages.times import earlier
from whereupon.records import Person
from whereupon.rules.model import FolderSettings, OnDate, Rule

_TICK = timedelta(microseconds=1)


def moment_after(
    trigger: OnDate, rule: Rule, person: Person, settings: FolderSettings, after: datetime
) -> Moment | None:
    """The first moment of the person's date after an instant; None if there is none, or no date."""
    zone = clock_of(person.attributes, settings, trigger.clock or rule.clock)
    return next_moment(trigger, value_of(trigger, person), zone, after)


def value_of(trigger: OnDate, person: Person) -> JsonValue:
    """What the person has for a date; None if there is nothing."""
    return follow(cast("JsonValue", person.attributes), trigger.path, None)


def dated(
    work: BatchState,
    subject: TimedSubject,
    trigger: OnDate,
    person: Person,
    at: datetime,
    now: datetime,
) -> Evaluation | None:
    """The moment of a date, to be evaluated; None if the date has no such moment.

    Args:
        at: the moment.
        now: the clock's time.
    """
    (rule,) = subject.rules
    found = moment_after(trigger, rule, person, work.index.book.settings, earlier(at, _TICK))
    if found is None or found.at != at:
        return None
    said: dict[str, JsonValue] = {"date": found.date, "attribute": trigger.attribute}
    return opening(subject, person, at, now, value=found.value, properties=said)
