"""Runs of broadcasts on each person's clock: when it is whose turn, and who has missed it.

The people of such a run have a timer each (`BroadcastRun.subject`). It is a lower bound, as all timers are: the
moment is computed from the clock that the person has when it rings.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from whereupon.decide.batch_state import BatchState
from whereupon.decide.clocks import clock_of
from whereupon.decide.decisions import Reason
from whereupon.messages.local_times import moment_shown
from whereupon.messages.times import LAST_INSTANT
from whereupon.records import BroadcastRun, Person
from whereupon.rules.model import FolderSettings, OnSchedule, Rule, local_time_of


def own_time(opening: datetime, person: Person, rule: Rule, settings: FolderSettings) -> datetime:
    """When the person's clock shows the time of a run.

    Args:
        opening: of the run: when the first clocks on earth show it.
        rule: says whose clock counts, before the settings do.
    """
    zone = clock_of(person.attributes, settings, rule.clock)
    return moment_shown(local_time_of(opening), zone) or LAST_INSTANT


class Turns(NamedTuple):
    """The people whose timers of a run ring at an instant.

    Attributes:
        come: those whose turn it is, or was: a person who has changed clocks meanwhile may have missed it.
        later: those whose turn comes later, and when.
        missed: those who are not let in any more, and why.
    """

    come: list[Person]
    later: dict[int, datetime]
    missed: list[tuple[Person, Reason]]


def turns_at(
    run: BroadcastRun,
    rule: Rule,
    persons: Sequence[Person],
    settings: FolderSettings,
    at: datetime,
    now: datetime,
) -> Turns:
    """Whose turn it is.

    Args:
        run: which opened at its `timestamp`.
        at: when the timers ring.
        now: the clock's time, which is later after a standstill.
    """
    turns = Turns([], {}, [])
    for person in persons:
        moment = own_time(run.timestamp, person, rule, settings)
        reason = _reason_to_leave_out(run, rule, person, settings, at, now)
        if moment > at:
            turns.later[person.key] = moment
        elif reason is not None:
            turns.missed.append((person, reason))
        else:
            turns.come.append(person)
    return turns


def _reason_to_leave_out(
    run: BroadcastRun,
    rule: Rule,
    person: Person,
    settings: FolderSettings,
    at: datetime,
    now: datetime,
) -> Reason | None:
    """Too late for the rule, or the person's next time has passed as well; or the rule lets nobody in then."""
    if not rule.active.allows(at):
        return Reason.INACTIVE
    when = next((each for each in rule.triggers if isinstance(each, OnSchedule)), None)
    if when is None or now <= at:
        return None
    following = when.next_after(run.timestamp)
    is_overtaken = following is not None and own_time(following, person, rule, settings) <= now
    return Reason.TOO_OLD if is_overtaken or now - at > when.late else None


def arm_own_times(work: BatchState, person: Person) -> None:
    """Arm the person's turn in the runs that are open, or open soon: they have become known, or their clock may be another one."""
    now, settings = work.clocked.now, work.index.book.settings
    for run in work.open_runs:
        rule = work.index.by_id.get(run.rule)
        if rule is None:
            continue
        moment, place = own_time(run.timestamp, person, rule, settings), (person.key, run.subject)
        if moment > now:
            work.changes.armed[place] = min(moment, work.changes.armed.get(place, moment))
