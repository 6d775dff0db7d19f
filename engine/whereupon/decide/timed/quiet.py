"""A person's silence: when it has lasted for long enough, and what opens the rule then."""

from datetime import datetime

from pydantic import JsonValue

from whereupon.decide.batch_state import BatchState
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.timed.openings import opening
from whereupon.matching import TimedSubject
from whereupon.messages.times import earlier, format_instant, later
from whereupon.records import SINCE, Person
from whereupon.rules.model import OnQuiet


def silence_over(
    work: BatchState, subject: TimedSubject, trigger: OnQuiet, person: Person, after: datetime
) -> datetime | None:
    """When a silence has lasted for long enough; None if that was before, or is not known.

    If the store was not asked, it may be earlier than in truth.
    """
    last = work.timed_past.last(person.key, subject.name)
    if last is None and not work.timed_past.is_known(person.key, subject.name):
        return None
    since = person.created_at if last is None else last.timestamp
    moment = later(since, trigger.span)
    return moment if moment > after else None


def hushed(
    work: BatchState,
    subject: TimedSubject,
    trigger: OnQuiet,
    person: Person,
    at: datetime,
    now: datetime,
) -> Evaluation:
    """The moment at which a silence has lasted for long enough, to be evaluated. A silence is known by its beginning.

    Args:
        at: the moment.
        now: the clock's time.
    """
    last = work.timed_past.last(person.key, subject.name)
    since = format_instant(earlier(at, trigger.span))
    said: dict[str, JsonValue] = {
        "quiet_since": since,
        "last_event": last.name or None if last is not None else None,
    }
    return opening(subject, person, at, now, value=f"{SINCE}{since}", properties=said)
