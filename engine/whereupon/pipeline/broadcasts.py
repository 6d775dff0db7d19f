"""Starting broadcasts: each scheduled broadcast has one planned run as a row, and each call starts one."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import islice, takewhile

from pydantic import JsonValue

from whereupon.errors import UnknownNameError
from whereupon.matching import RuleIndex
from whereupon.messages.codec import decode
from whereupon.messages.envelope import as_text
from whereupon.messages.times import earlier, format_instant
from whereupon.pipeline.fresh_ids import fresh_id
from whereupon.ports import Session
from whereupon.records import MISSED, OVERTAKEN, STILL_RUNNING, BroadcastRun, Changes
from whereupon.rules.model import OPEN_FOR, OnCall, OnSchedule, Rule, closing_of, local_time_of
from whereupon.runtime.log_lines import log_event

MOST_NOTED = 100
"""Missed times of one standstill that are kept with their reason; further ones are not."""

_LOG = logging.getLogger("whereupon.broadcasting")


def schedule_broadcasts(session: Session, index: RuleIndex, now: datetime) -> bool:
    """Plan the next run of every scheduled broadcast; whether one was missing.

    Of times that passed during a standstill the newest runs, late, unless it is later than the rule allows. The others are
    kept with the reason why they did not run. A run that has not begun follows the present version of the rule: its time
    and its text, or no run at all if the rule has no schedule any more.
    """
    if is_all_scheduled(session, index, now):
        return False
    runs = session.lock_runs()  # another process may have planned it meanwhile
    planned = _planned(session, index, runs, now)
    session.flush(planned)
    missed = Counter(run.rule for run in planned.runs.values() if run.reason is not None)
    for rule, times in missed.items():
        log_event(_LOG, logging.WARNING, "broadcast-missed", rule=rule, times=times)
    return True


def is_all_scheduled(session: Session, index: RuleIndex, now: datetime) -> bool:
    """Whether `schedule_broadcasts` has nothing to do."""
    runs = session.waiting_runs() if index.book.rules else []
    return not index.book.rules or not _planned(session, index, runs, now).runs


def _planned(
    session: Session, index: RuleIndex, runs: list[BroadcastRun], now: datetime
) -> Changes:
    """What changes, given the runs that wait."""
    waiting = {run.rule: run for run in runs if _is_scheduled(run) and not _has_opened(run)}
    changes = Changes()
    for rule in index.book.rules:
        when, run = _schedule(rule), waiting.get(rule.id)
        if run is not None and (run.cursor != 0 or run.paused is not None):
            busy = () if when is None or run.cursor == 0 else _passed(session, rule, when, run, now)
            changes.runs |= {(each.rule, each.occasion): each for each in busy}
            continue
        is_late = run is not None and run.due_at <= now
        making = _opened_late if is_late and when is not None and when.is_personal else _made
        made = [] if when is None else list(making(session, rule, when, run, now))
        new = {(each.rule, each.occasion): each for each in made if each != run}
        if run is not None and run not in made:
            new = {(run.rule, run.occasion): replace(run, cursor=None), **new}
        changes.runs |= new
        if any(each.cursor is not None for each in new.values()):
            changes.rule_versions[rule.digest] = (rule.id, index.version_text(rule))
    return changes


def _has_opened(run: BroadcastRun) -> bool:
    """Whether it lets people in on their own clocks; the next one opens before it has closed."""
    return run.closes_at is not None and run.cursor != 0


def _is_scheduled(run: BroadcastRun) -> bool:
    """Whether a schedule opened the run, not a message or a call."""
    return run.message_key == 0 and run.occasion.startswith(f"{run.rule}@")


def _schedule(rule: Rule) -> OnSchedule | None:
    return next((each for each in rule.triggers if isinstance(each, OnSchedule)), None)


def _made(
    session: Session, rule: Rule, when: OnSchedule, run: BroadcastRun | None, now: datetime
) -> Iterator[BroadcastRun]:
    """The rule's next run, after those that did not start in time.

    If a run is due already, the newest time that has passed counts, by the present schedule.

    Args:
        session: knows the runs that were cancelled before their time.
        rule: the rule.
        when: its schedule.
        run: the waiting run, of any version of the rule.
        now: an instant.
    """
    if run is not None and run.due_at > now and run.digest == rule.digest:
        yield run
        return
    newest = None
    if run is not None and run.due_at <= now:
        newest = when.latest_until(run.due_at, now) or run.due_at
        makes_up = now - newest <= when.late
        why = OVERTAKEN if makes_up else MISSED
        for missed in islice(_times(when, run.due_at), MOST_NOTED):
            if missed >= newest:
                break
            yield replace(_run_at(rule, when, missed), cursor=None, reason=why)
        late = _run_at(rule, when, newest)
        if makes_up:
            yield run if late == run else late
            return
        yield replace(late, cursor=None, reason=MISSED)
    coming = when.next_after(now)
    for due_at in () if coming is None else _times(when, coming):
        following = _run_at(rule, when, due_at)
        is_planned = run is not None and run.occasion == following.occasion
        if is_planned or not session.has_run(rule.id, following.occasion):  # else it was cancelled
            yield following
            return


def _passed(
    session: Session, rule: Rule, when: OnSchedule, run: BroadcastRun, now: datetime
) -> Iterator[BroadcastRun]:
    """The times that have passed while a run was let in, and are not noted yet, with that reason."""
    newest = when.latest_until(run.timestamp, now)
    if newest is None or session.has_run(rule.id, _run_at(rule, when, newest).occasion):
        return
    first = when.next_after(run.timestamp) or newest
    for time in islice(_times(when, first), MOST_NOTED):
        missed = replace(_run_at(rule, when, time), cursor=None, reason=STILL_RUNNING)
        if time <= now and not session.has_run(rule.id, missed.occasion):
            yield missed


def _times(when: OnSchedule, since: datetime) -> Iterator[datetime]:
    """The times of a schedule, from one of them on."""
    time: datetime | None = since
    while time is not None:
        yield time
        time = when.next_after(time)


def _opened_late(
    session: Session, rule: Rule, when: OnSchedule, run: BroadcastRun | None, now: datetime
) -> Iterator[BroadcastRun]:
    """What becomes of a run on each person's clock whose opening has passed, and of those behind it.

    One that has closed so long ago that it is too late for everybody was missed. One after which everybody's next
    time has passed as well was overtaken. All others open now; when each person's turn comes, it is asked whether it
    is too late for that person.
    """
    planned = now if run is None else run.due_at
    recent = when.next_after(earlier(now, when.late + OPEN_FOR))
    noted = islice(_times(when, planned), MOST_NOTED)
    late = () if recent is None else takewhile(lambda at: at <= now, _times(when, recent))
    openings = sorted(at for at in {*noted, *late} if planned <= at <= now)
    for opening, following in zip(openings, [*openings[1:], None], strict=True):
        each = _run_at(rule, when, opening)
        if now - closing_of(opening) > when.late:
            each = replace(each, cursor=None, reason=MISSED)
        elif following is not None and closing_of(following) <= now:
            each = replace(each, cursor=None, reason=OVERTAKEN)
        if opening == planned or not session.has_run(rule.id, each.occasion):
            yield each


def _run_at(rule: Rule, when: OnSchedule, due_at: datetime) -> BroadcastRun:
    shown = (
        f"{local_time_of(due_at):%Y-%m-%dT%H:%M}" if when.is_personal else format_instant(due_at)
    )
    return BroadcastRun(
        rule=rule.id,
        digest=rule.digest,
        occasion=f"{rule.id}@{shown}",
        timestamp=due_at,
        due_at=due_at,
        cursor=0,
        facts={"timestamp": format_instant(due_at), "properties": {}, "context": {}},
        closes_at=closing_of(due_at) if when.is_personal else None,
    )


def started_by_call(
    index: RuleIndex,
    name: str,
    properties: Mapping[str, object] | None,
    key: str | None,
    now: datetime,
) -> tuple[BroadcastRun, Callable[[Session], bool]]:
    """A run of a broadcast whose ``when`` is ``api``, and what starts it within a session, once.

    Args:
        index: the rules in use.
        name: the broadcast's id.
        properties: what its templates and its `who` see.
        key: one key starts it once, ever; None for a fresh one.
        now: when it was called.

    Raises:
        UnknownNameError: there is no such broadcast, or it does not take ``api``.
    """
    rule = callable_broadcast(index, name)
    run = called_run(rule, key, now, as_properties(properties))
    changes = Changes(runs={(rule.id, run.occasion): run})
    changes.rule_versions[rule.digest] = (rule.id, index.version_text(rule))

    def start(session: Session) -> bool:
        is_new = not session.has_run(rule.id, run.occasion)
        if is_new:
            session.flush(changes)
        return is_new

    return run, start


def as_properties(properties: Mapping[str, object] | None) -> Mapping[str, JsonValue]:
    """What a host gives as properties, repaired where JSON cannot hold it, as in a message."""
    read = decode(as_text(dict(properties or {})).text)
    return read if isinstance(read, dict) else {}


def called_run(
    rule: Rule, key: str | None, now: datetime, properties: Mapping[str, JsonValue]
) -> BroadcastRun:
    """The run that a call starts, at its beginning."""
    return BroadcastRun(
        rule=rule.id,
        digest=rule.digest,
        occasion=f"{rule.id}:{key or fresh_id()}",
        timestamp=now,
        due_at=now,
        cursor=0,
        facts={
            "timestamp": format_instant(now),
            "properties": dict(properties),
            "context": {},
        },
    )


def callable_broadcast(index: RuleIndex, name: str) -> Rule:
    """The broadcast of that name; raises `UnknownNameError` if there is none that takes ``api``."""
    known = [r for r in index.book.rules if any(isinstance(t, OnCall) for t in r.triggers)]
    for rule in known:
        if rule.id == name:
            return rule
    names = tuple(rule.id for rule in known)
    raise UnknownNameError(kind="broadcast for `api`", name=name, known=names)
