"""What last broke the silences of persons."""

from collections.abc import Mapping
from datetime import datetime

from whereupon.matching import TimedSubject
from whereupon.ports import Session
from whereupon.records import LastMessage, Person, breaking_since
from whereupon.rules.model import OnQuiet


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
