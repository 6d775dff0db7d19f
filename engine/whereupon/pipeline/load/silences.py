"""What last broke the silences of persons."""

from collections.abc import Mapping
from datetime import datetime

from whereupon.matching import TimedSubject
from whereupon.messages.times import later
from whereupon.pipeline.load.load_plan import LoadPlan
from whereupon.ports import Session
from whereupon.records import LastMessage, Person, breaking_since
from whereupon.rules.model import OnQuiet


def may_ring_anew(subject: TimedSubject, load_plan: LoadPlan) -> bool:
    """Whether a timer that a batch makes may ring in the same batch; those that are due already are loaded.

    A silence that a message begins ends its length after the message. So most batches are too short for that.
    """
    first, oldest, until = load_plan.first, load_plan.oldest, load_plan.until
    if first is None or until is None:
        return False
    if load_plan.kin:  # where two merge, what is known of one is asked for the other
        return True
    if isinstance(subject.trigger, OnQuiet) and oldest is not None:
        return first < until and later(oldest, subject.trigger.span) <= until
    return first < until


def last_messages(
    session: Session,
    persons: Mapping[int, Person],
    subject: TimedSubject,
    since: Mapping[int, datetime],
) -> Mapping[int, LastMessage]:
    """The last message of each person that breaks the silence of a trigger; those without one are left out.

    Args:
        subject: the trigger; of another kind, it has no silence.
        since: by person, an instant at which the silence may be over.
    """
    if not isinstance(subject.trigger, OnQuiet):
        return {}
    breaking, span = subject.trigger.breaking, subject.trigger.span
    known = ((persons[key], at) for key, at in since.items() if key in persons)
    oldest = {person.key: breaking_since(person, at, span) for person, at in known}
    return session.last_messages(breaking, oldest)
