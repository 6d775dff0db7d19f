"""Which segments a person is in, of those that rules watch.

A segment that time may change is asked as of now: as of the arrival of a message, not as of its own time. So what the
engine has said of a person is at any time what asking anew gives. Any other segment is asked as of the message.
"""

from datetime import datetime

from pydantic import JsonValue

from whereupon.decide.batch_state import BatchState
from whereupon.decide.history import HistoryUntil
from whereupon.matching import SubjectKind
from whereupon.messages.times import MICROSECOND, earlier, format_instant
from whereupon.records import Person
from whereupon.rules.model import Segment


def is_in(work: BatchState, segment: Segment, person: Person, at: datetime) -> bool:
    """Whether a person, with the attributes of now, is in a segment at an instant."""
    history = HistoryUntil(work.history, person.key, at, attributes=person.attributes)
    return segment.who.holds(data_of(person, at), history)


def data_of(person: Person, at: datetime) -> dict[str, JsonValue]:
    """What the condition of a segment reads; read only."""
    return {
        "person": person.attributes,  # type: ignore[dict-item]  # read only
        "timestamp": format_instant(at),
    }


def memberships(
    work: BatchState, person: Person, moment: datetime, now: datetime
) -> frozenset[str]:
    """The segments that a rule watches and the person is in.

    Args:
        moment: as of when segments are asked that time does not change.
        now: as of when the others are.
    """
    timed = work.index.timed_segments
    return frozenset(
        segment.id
        for segment in work.index.watched_segments
        if is_in(work, segment, person, now if segment.id in timed else moment)
    )


def ring_segments(work: BatchState, person_key: int, now: datetime) -> None:
    """Let time change a person's segments up to an instant, before a step sends a message then."""
    for segment in work.index.timed_segments:
        work.clocked.ring_until(person_key, SubjectKind.SEGMENT.named(segment), now)


def memberships_before(
    work: BatchState, person: Person, moment: datetime, now: datetime
) -> frozenset[str]:
    """The same before a message is applied.

    At the very instant of a change by time a message comes first: the segment is asked as of just before, and the
    timer is computed anew behind the message.
    """
    timed = work.index.timed_segments
    found = set()
    for segment in work.index.watched_segments:
        at = moment
        if segment.id in timed:
            subject = SubjectKind.SEGMENT.named(segment.id)
            is_tied = work.clocked.take(person.key, subject, now)
            at = earlier(now, MICROSECOND) if is_tied else now
        if is_in(work, segment, person, at):
            found.add(segment.id)
    return frozenset(found)
