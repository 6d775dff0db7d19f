"""When scheduled broadcasts are due: each has one run waiting as a row, the next after the last."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from whereupon.matching import RuleIndex
from whereupon.ports import Session
from whereupon.rules import OnSchedule, Rule
from whereupon.scheduling import next_occurrence
from whereupon.state import BroadcastRun, Changes
from whereupon.times import format_instant


def schedule_broadcasts(session: Session, index: RuleIndex, now: datetime) -> None:
    """See to it that every scheduled broadcast has its next time as a row.

    A time that passed while nobody was awake stays due and runs once, late; further times that
    passed meanwhile are not made up for. A row whose rule was reworded before it began is replaced.
    """
    scheduled = [(rule, when) for rule in index.book.rules for when in _schedules(rule)]
    if not scheduled:
        return
    waiting = {run.rule: run for run in session.waiting_runs() if run.message_key == 0}
    changes = Changes()
    for rule, when in scheduled:
        run = waiting.get(rule.id)
        if run is not None and (run.digest == rule.digest or run.cursor != 0 or run.due_at <= now):
            continue
        if run is not None:
            changes.runs[run.rule, run.occasion] = replace(run, cursor=None)
        due_at = next_occurrence(when.cron, when.timezone, now)
        if due_at is not None:
            made = _run_at(rule, due_at)
            changes.runs[made.rule, made.occasion] = made
            changes.wordings[rule.digest] = (rule.id, index.wording_of(rule))
    if changes.runs:
        session.flush(changes)


def _schedules(rule: Rule) -> Iterable[OnSchedule]:
    return [trigger for trigger in rule.triggers if isinstance(trigger, OnSchedule)][:1]


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
