"""The verdict on one rule, one message and one person: entered, or skipped with a reason.

The order is that of the hosted products: the trigger and its `where`; whether the rule is open to the
message at all (active, retroactive, age); the person (`who`, and whether they reached the goal before); re-entry. The holdout is
asked last, by the evaluator. Pure: everything that a verdict
depends on is in the `Evaluation`, whose `see` has been called, and in the person's earlier entries.
"""

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import cast

from pydantic import JsonValue

from whereupon.conditions import ALWAYS, Condition, Failure
from whereupon.conditions.paths import follow, parts_of
from whereupon.decide.clocks import clock_of
from whereupon.decide.decisions import ENTERED, Reason, Verdict
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.goals_before import reached_before
from whereupon.decide.reentry import reentry_verdict
from whereupon.messages.model import SenderClass
from whereupon.records import PastEntry
from whereupon.rules.files.settings import DEFAULT_SETTINGS
from whereupon.rules.keys.active import DEFAULT_ACTIVE
from whereupon.rules.keys.reentry import EVERY_TIME
from whereupon.rules.model import FolderSettings, OncePerCalendar, Rule, RuleKind, Take

_CAMPAIGN, _SERVER = RuleKind.CAMPAIGN, SenderClass.SERVER  # looked up slowly as attributes
_NONE, _WHERE, _TOO_OLD = Take.NONE, Reason.WHERE, Reason.TOO_OLD


def verdict_on(
    rule: Rule,
    evaluation: Evaluation,
    past: Sequence[PastEntry],
    *,
    where_holds: bool = False,
    is_paused: bool = False,
    settings: FolderSettings = DEFAULT_SETTINGS,
) -> Verdict:
    """Whether the person enters the rule by this message.

    Args:
        past: the person's earlier entries in this rule; may be empty if the rule lets people in every
            time.
        where_holds: whether the rule's `where` is known to hold.
        is_paused: whether an operator has paused the rule.
        settings: of the folder.
    """
    opening = opening_verdict(rule, evaluation, where_holds=where_holds, is_paused=is_paused)
    if opening is not ENTERED:
        return opening
    who = rule.who
    if who is not ALWAYS and not who.holds(evaluation.data, evaluation.history):
        return _excluded(who, evaluation)
    if rule.goal is not None and (reached := reached_before(rule.goal, evaluation)) is not None:
        return Verdict(Reason.GOAL_MET, reached)
    if rule.reentry is EVERY_TIME:
        return ENTERED
    if type(rule.reentry) is OncePerCalendar:
        return reentry_verdict(rule, evaluation, past, _zone(rule, evaluation, settings))
    return reentry_verdict(rule, evaluation, past)


def _zone(rule: Rule, evaluation: Evaluation, settings: FolderSettings) -> tzinfo:
    """The timezone of the person's clock."""
    person = cast("Mapping[str, JsonValue]", evaluation.data["person"])
    return clock_of(person, settings, rule.clock)


def verdict_on_unmatched(rule: Rule, evaluation: Evaluation) -> Verdict:
    """Why a rule that was no candidate (see `RuleList.candidates`) skips the message.

    Its `where` does not hold, or its `who` fails before it asks for the history. So neither the history
    nor earlier entries can change the verdict.
    """
    is_campaign = rule.kind is _CAMPAIGN
    if not is_campaign and evaluation.source is not _SERVER:
        return Verdict(Reason.SOURCE)
    failure = rule.where.failing(evaluation.data, evaluation.history)  # mostly there is one
    if failure is not None:
        return Verdict(_WHERE, failure)
    if is_campaign:
        return verdict_on(rule, evaluation, (), where_holds=True)
    return opening_verdict(rule, evaluation, where_holds=True)


def opening_verdict(
    rule: Rule, evaluation: Evaluation, *, where_holds: bool = False, is_paused: bool = False
) -> Verdict:
    """Whether the message may trigger the rule for any person."""
    if not (where_holds or rule.where.holds(evaluation.data, evaluation.history)):
        return Verdict(_WHERE, rule.where.failing(evaluation.data, evaluation.history))
    reason = Reason.PAUSED if is_paused else closed_by(rule, evaluation)
    return Verdict(reason) if reason else ENTERED


def _excluded(who: Condition, evaluation: Evaluation) -> Verdict:
    """Why `who` excludes the person; a question about the same thing asks for a key first."""
    failing = who.failing_conjunct(evaluation.data, evaluation.history)
    if failing is None:
        return Verdict(Reason.WHO)
    for performed in failing.performed:
        missing = performed.same and performed.same.missing(evaluation.properties)
        if missing:
            name = f"properties.{missing}"
            value = follow(dict(evaluation.properties), parts_of(missing), None)
            return Verdict(Reason.KEY_MISSING, Failure(f"{name} is given", {name: value}))
    return Verdict(Reason.WHO, failing.failure(evaluation.data, evaluation.history))


def closed_by(rule: Rule, evaluation: Evaluation) -> Reason | None:
    """Why a rule is not open to a message at all, whatever the message says; None if it is open."""
    active = rule.active
    if active is not DEFAULT_ACTIVE and not active.allows(evaluation.timestamp):
        return Reason.INACTIVE
    age = evaluation.now - evaluation.timestamp
    if evaluation.retroactive:
        policy = rule.retroactive
        if policy.take is _NONE:
            return Reason.RETROACTIVE_OFF
        if policy.within is not None and age > policy.within:
            return _TOO_OLD
    return _TOO_OLD if age > rule.max_age else None
