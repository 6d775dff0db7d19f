"""Why a broadcast did not go to a person.

Nothing is recorded about the people whom a broadcast leaves out, since they may be a million. The question is asked
again with the person as they are now, and the sentence says so.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from whereupon.decide import Settings, Snapshot, excluded_by, goal_reached_by
from whereupon.decide.decisions import Reason
from whereupon.insight.clauses import in_audience, sentence_for, subject_of
from whereupon.insight.explanations import Explanation, Occasion
from whereupon.insight.redecision import DecidedAgain
from whereupon.matching import RuleIndex
from whereupon.messages.times import LAST_INSTANT, format_instant
from whereupon.ports import HistoryNeed, Session
from whereupon.records import (
    CANCELLED,
    MISSED,
    NAMED,
    OVERTAKEN,
    STILL_RUNNING,
    BroadcastRun,
    Person,
    TimeSkip,
)
from whereupon.rules.model import Rule, Rulebook


def explain_runs(
    session: Session, name: str, person: Person, rule_id: str, again: DecidedAgain, limit: int
) -> Iterator[Explanation]:
    """The runs of a broadcast that did not go to a person, or have not yet, newest first.

    Args:
        name: the user id that was asked about.
    """
    runs = session.runs_of(rule_id, limit)
    entered = session.past_entries([rule_id], [person.key]) if runs else []
    went = {past.occasion for past in entered} | _missed(session, runs, person)
    opening = [run.message_key for run in runs if run.message_key]
    messages = {message.key: message for message in session.messages(opening)} if opening else {}
    for run in runs:
        if run.occasion in went:
            continue
        rule = again.version_of(rule_id, run.digest)
        message = messages.get(run.message_key)
        audience = in_audience(rule_id, run.occasion, run.timestamp, message)
        occasion = Occasion(
            rule=rule_id,
            digest=run.digest,
            message_id=run.occasion,
            subject=subject_of(message, run.occasion),
            timestamp=run.timestamp,
            decided_at=run.due_at,
            clause=f"was not {audience}",
        )
        reason, because = _left_out(session, run, rule, person)
        yield occasion.explained(name, again.current(rule_id), reason, because)


def _missed(session: Session, runs: Iterable[BroadcastRun], person: Person) -> set[str]:
    """The runs of which it is told otherwise that they did not let the person in at their own time."""
    own = {run.subject: run.occasion for run in runs if run.closes_at is not None}
    skips = session.scan(TimeSkip, person.key) if own else ()
    return {own[skip.occasion] for skip in skips if skip.occasion in own}


_REASONS = {
    CANCELLED: (CANCELLED, "an operator cancelled it before their turn came"),
    NAMED: ("not-named", "it went to people whom the call named, as far as `who` admitted them"),
    MISSED: (MISSED, "nobody was awake at its time, and it was too late to make up for it"),
    OVERTAKEN: (OVERTAKEN, "nobody was awake at its time, and a newer one went out instead"),
    STILL_RUNNING: (STILL_RUNNING, "the one before it still let people in at its time"),
}
"""A word and a clause for the reason of a run."""


def _not_yet(run: BroadcastRun) -> tuple[str, str]:
    begun = "their turn has not come yet" if run.cursor else "it has not begun"
    if (paused := run.paused) is not None:
        return Reason.PAUSED, f"{begun}: {paused.by} paused it at {format_instant(paused.at)}"
    verb = "comes" if run.closes_at is not None and run.cursor else "was due"
    return "pending", f"{begun}, and {verb} at {format_instant(run.due_at)}"


def _turn_of(session: Session, run: BroadcastRun, person: Person) -> BroadcastRun | None:
    """The run, due when it is the person's turn; None if it was already."""
    if not run.is_open:
        return run if run.cursor is not None and run.cursor < person.key else None
    timers = session.timers([person.key], LAST_INSTANT)
    own = (timer.due_at for timer in timers if timer.subject == run.subject)
    return next((replace(run, due_at=at) for at in own), None)


def _left_out(
    session: Session, run: BroadcastRun, rule: Rule | None, person: Person
) -> tuple[str, str]:
    """Why a run did not go to a person: a word, and a clause."""
    coming = _turn_of(session, run, person)
    if coming is not None:
        return _not_yet(coming)
    if run.reason is not None:
        return _REASONS[run.reason]
    if rule is None:
        return "not-meant", "the rule is no longer there"
    if not rule.active.allows(run.timestamp):
        return Reason.INACTIVE, sentence_for(Reason.INACTIVE, None, {}, rule)
    if person.created_at > run.due_at:
        since = format_instant(person.created_at)
        return "unknown-then", f"they have been known since {since} only"
    names = frozenset(performed.event for performed in rule.who.performed)
    names |= {rule.goal.event} if rule.goal is not None else set()
    past = session.history([HistoryNeed(person.key, names, None)]) if names else []
    loaded = Snapshot(history=past, persons={person.key: person})
    index = RuleIndex(Rulebook((rule,)))
    failure = excluded_by(loaded, run, rule, person, index, Settings())
    if failure is not None:
        said = sentence_for(Reason.WHO, failure.text, failure.values, rule)
        return Reason.WHO, f"{said} (as they are now)"
    if goal_reached_by(loaded, run, rule, person, index, Settings()):
        return Reason.GOAL_MET, sentence_for(Reason.GOAL_MET, None, {}, rule)
    return "not-meant", (
        "`who` would have them now, but had not when it was sent"
        if run.admitted
        else "it was sent to nobody"
    )
