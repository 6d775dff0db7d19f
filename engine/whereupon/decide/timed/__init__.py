"""What time alone changes for a person: when, and what happens then. Each kind of subject has a module.

A timer is a lower bound (see `records.Timer`). So when it rings, the moment is computed from what is known of the
person. If the moment has not come, the timer moves on. If it has, the kind does what follows from it.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple, TypeAlias

from whereupon.decide.batch_state import BatchState
from whereupon.decide.engine_settings import Settings
from whereupon.decide.result import BatchResult, KeysExhausted, Notice, PoisonError
from whereupon.decide.snapshot import Snapshot
from whereupon.decide.timed import inside, segments, triggers
from whereupon.decide.timers import Due
from whereupon.matching import RuleIndex, SubjectKind, TimedSubject
from whereupon.messages.times import MICROSECOND, earlier, later
from whereupon.records import Person

NextMoment: TypeAlias = Callable[[BatchState, TimedSubject, Person, datetime], datetime | None]
"""The first moment after an instant at which time alone may change the subject for the person; None if there is none."""
Fire: TypeAlias = Callable[[BatchState, TimedSubject, Person, datetime, datetime], None]
"""Does what follows at such a moment: the moment, and the clock's time, which is later after a standstill."""


IsKnown: TypeAlias = Callable[[BatchState, TimedSubject, Person], bool]
"""Whether the batch knows all that the moment depends on; otherwise the timer rings in a later one."""


def _always(_work: BatchState, _subject: TimedSubject, _person: Person) -> bool:
    return True


class Kind(NamedTuple):
    """What one kind of subject does."""

    next_moment: NextMoment
    fire: Fire
    is_known: IsKnown = _always


KINDS: Final[Mapping[SubjectKind, Kind]] = {
    SubjectKind.WHEN: Kind(triggers.next_moment, triggers.fire, triggers.is_known),
    SubjectKind.SEGMENT: Kind(segments.next_moment, segments.fire),
    SubjectKind.INSIDE: Kind(inside.next_moment, inside.fire),
}
"""The kinds."""


def arm_touched(work: BatchState) -> None:
    """Compute anew what messages may have moved, and make timers earlier where that is so."""
    for person_key, name, now in work.clocked.touched():
        person, subject = work.persons.get(person_key), work.index.timed.by_name.get(name)
        if person is None or subject is None or subject.kind not in KINDS:
            continue
        moment = KINDS[subject.kind].next_moment(work, subject, person, now)
        if moment is not None:
            work.clocked.arm(person_key, name, moment)


def ring(work: BatchState, due: Due) -> None:
    """Let a due timer ring, and set it to its next time."""
    person, subject = work.persons.get(due.person_key), work.index.timed.by_name.get(due.subject)
    if person is None or subject is None or subject.kind not in KINDS:
        work.clocked.put(due.person_key, due.subject, None)
        return
    if (due.person_key, due.subject) in work.given_up:
        work.clocked.put(due.person_key, due.subject, None)
        text = f"{due.subject} failed for {person.user_id} at {due.at:%Y-%m-%dT%H:%M:%SZ}"
        work.out.emitted.append(Notice("timer-failed", "", text))
        return
    kind = KINDS[subject.kind]
    if not kind.is_known(work, subject, person):
        work.clocked.leave(due)
        return
    try:
        moment = kind.next_moment(work, subject, person, earlier(due.at, MICROSECOND))
        if moment != due.at:
            work.clocked.put(due.person_key, due.subject, moment)
            return
        behind = later(due.at, MICROSECOND)  # if a step that is late asks meanwhile
        work.clocked.put(due.person_key, due.subject, behind)
        kind.fire(work, subject, person, due.at, max(due.at, work.clocked.now))
        person = work.persons.get(due.person_key)
        if person is not None and work.clocked.due_at(due.person_key, due.subject) == behind:
            moment = kind.next_moment(work, subject, person, due.at)
            work.clocked.put(due.person_key, due.subject, moment)
    except (KeysExhausted, PoisonError):
        raise
    except Exception as error:
        raise PoisonError(error, timer=(due.person_key, due.subject)) from error


def armed(
    loaded: Snapshot,
    subject: TimedSubject,
    since: datetime,
    index: RuleIndex,
    settings: Settings,
) -> BatchResult:
    """The timers of a new subject for persons who are there already.

    Args:
        loaded: has the persons, and what the subject asks of their past.
        since: moments after it count. Of a person of whom something arrived since, those after that arrival
            count: the engine that took it has looked at the moments before.
    """
    work = BatchState(loaded, index, settings)
    bind(work)
    begins = {person_key: loaded.arrived.get(person_key, since) for person_key in loaded.persons}
    for person_key in sorted(begins, key=lambda key: begins[key]):
        work.clocked.pass_to(begins[person_key])
        work.clocked.touch(person_key, (subject.name,))
    return work.close()


def bind(work: BatchState) -> None:
    """Let the timers of a batch be computed and ring."""
    work.clocked.bind(partial(arm_touched, work), partial(ring, work))
