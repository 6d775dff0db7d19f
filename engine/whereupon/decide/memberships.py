"""Which segments a person is in, of those that rules watch.

They are asked as of now: as of the arrival of a message, not as of its own time. So what the engine has said of a person
is at any time what asking anew gives. A segment that time does not change counts a message that is ahead of its time, too.
"""

from collections.abc import Sequence
from datetime import datetime

from pydantic import JsonValue

from whereupon.decide.batch_state import BatchState
from whereupon.decide.history import HistoryUntil
from whereupon.matching import SubjectKind
from whereupon.messages.times import MICROSECOND, earlier, format_instant
from whereupon.records import Person
from whereupon.rules.model import Segment

_SEGMENT = SubjectKind.SEGMENT  # looked up slowly as an attribute


def is_in(work: BatchState, segment: Segment, person: Person, at: datetime) -> bool:
    """Whether a person, with the attributes of now, is in a segment at an instant."""
    return bool(_those_in(work, (segment,), person, at))


def data_of(person: Person, at: datetime) -> dict[str, JsonValue]:
    """What the condition of a segment reads; read only."""
    return {
        "person": person.attributes,  # type: ignore[dict-item]  # read only
        "timestamp": format_instant(at),
    }


def _those_in(
    work: BatchState, segments: Sequence[Segment], person: Person, at: datetime
) -> frozenset[str]:
    if not segments:
        return frozenset()
    data, history = data_of(person, at), HistoryUntil(work.history, person.key, at)
    return frozenset(segment.id for segment in segments if segment.who.holds(data, history))


def memberships(
    work: BatchState, person: Person, moment: datetime, now: datetime
) -> frozenset[str]:
    """The segments that a rule watches and the person is in.

    Args:
        moment: when the message happened, which may be after it arrived.
        now: when it arrived.
    """
    timed, others = _apart(work)
    latest = max(moment, now)
    return _those_in(work, others, person, latest) | _those_in(work, timed, person, now)


def _apart(work: BatchState) -> tuple[Sequence[Segment], Sequence[Segment]]:
    """The watched segments that time may change, and those that it does not."""
    watched, timed = work.index.watched_segments, work.index.timed_segments
    if not timed:
        return (), watched
    return (
        [segment for segment in watched if segment.id in timed],
        [segment for segment in watched if segment.id not in timed],
    )


def ring_segments(work: BatchState, person_key: int, now: datetime) -> None:
    """Let time change a person's segments up to an instant, before a step sends a message then."""
    for segment in work.index.timed_segments:
        work.clocked.ring_until(person_key, _SEGMENT.named(segment), now)


def memberships_before(
    work: BatchState, person: Person, moment: datetime, now: datetime
) -> frozenset[str]:
    """The same before a message is applied.

    At the very instant of a change by time a message comes first: the segment is asked as of just before, and the
    timer is computed anew behind the message.
    """
    timed, others = _apart(work)
    tied = [
        segment
        for segment in timed
        if work.clocked.take(person.key, _SEGMENT.named(segment.id), now)
    ]
    found = _those_in(work, others, person, max(moment, now))
    found |= _those_in(work, [s for s in timed if s not in tied], person, now)
    return found | _those_in(work, tied, person, earlier(now, MICROSECOND))
