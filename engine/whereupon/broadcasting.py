"""When scheduled broadcasts are due: each has one run waiting as a row, the next after the last."""

from dataclasses import replace
from datetime import datetime

from whereupon.matching import RuleIndex
from whereupon.ports import Session
from whereupon.rules import OnSchedule, Rule
from whereupon.scheduling import next_occurrence
from whereupon.state import BroadcastRun, Changes
from whereupon.times import format_instant


def schedule_broadcasts(session: Session, index: RuleIndex, now: datetime) -> bool:
    """See to it that every scheduled broadcast has its next time as a row; whether one had not.

    A time that passed while nobody was awake stays due and runs once, late; further times that
    passed meanwhile are not made up for. What has not begun follows the rule as it is worded now: its
    time and its text, or no time at all where the rule has no schedule any more.
    """
    if not index.book.rules or not _planned(index, session.waiting_runs(), now).runs:
        return False
    session.flush(_planned(index, session.hold_runs(), now))  # others may have been at it, too
    return True


def _planned(index: RuleIndex, runs: list[BroadcastRun], now: datetime) -> Changes:
    """What is to change, seen the runs that wait."""
    waiting = {run.rule: run for run in runs if _is_scheduled(run)}
    changes = Changes()
    for rule in index.book.rules:
        when, run = _schedule(rule), waiting.get(rule.id)
        if run is not None and (run.cursor != 0 or run.digest == rule.digest):
            continue
        if run is not None:
            changes.runs[run.rule, run.occasion] = replace(run, cursor=None)
        made = _made(rule, when, run, now) if when is not None else None
        if made is not None:
            changes.runs[made.rule, made.occasion] = made
            changes.wordings[rule.digest] = (rule.id, index.wording_of(rule))
    return changes


def _is_scheduled(run: BroadcastRun) -> bool:
    """Whether a time opened it, not a message or a call (see `_run_at`)."""
    return run.message_key == 0 and run.occasion.startswith(f"{run.rule}@")


def _schedule(rule: Rule) -> OnSchedule | None:
    return next((each for each in rule.triggers if isinstance(each, OnSchedule)), None)


def _made(
    rule: Rule, when: OnSchedule, run: BroadcastRun | None, now: datetime
) -> BroadcastRun | None:
    """The rule's next run; where one is due already under an older wording, that one, reworded."""
    if run is not None and run.due_at <= now:
        return replace(run, digest=rule.digest)
    due_at = next_occurrence(when.cron, when.timezone, now)
    return None if due_at is None else _run_at(rule, due_at)


def _run_at(rule: Rule, due_at: datetime) -> BroadcastRun:
    return BroadcastRun(
        rule=rule.id,
        digest=rule.digest,
        occasion=f"{rule.id}@{format_instant(due_at)}",
        timestamp=due_at,
        due_at=due_at,
        cursor=0,
        facts={"timestamp": format_instant(due_at), "properties": {}, "context": {}},
    )
