"""Why a rule skipped a message, as clauses that a marketer understands."""

import re
from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue

from whereupon.conditions.paths import path_of
from whereupon.decide.decisions import Decision, Reason
from whereupon.insight.moments import subject_of_moment
from whereupon.messages.codec import encode
from whereupon.messages.times import format_duration, format_instant
from whereupon.records import StoredMessage
from whereupon.rules.model import (
    EveryTime,
    NotWhileActive,
    Once,
    OncePer,
    OncePerCalendar,
    OncePerKey,
    OnSchedule,
    Rule,
)


def describe(decision: Decision, rule: Rule | None) -> str:
    """A fresh decision's reason as words; empty when the person entered."""
    if decision.reason is None:
        return ""
    return sentence_for(decision.reason, decision.condition, decision.values, rule)


def sentence_for(
    reason: Reason, condition: str | None, values: Mapping[str, JsonValue], rule: Rule | None
) -> str:
    """A skip's reason as a clause, without a full stop."""
    match reason:
        case Reason.WHERE | Reason.WHO | Reason.KEY_MISSING:
            return _failing(condition or "its condition holds", values)
        case Reason.REENTRY:
            return _reentry(rule)
        case Reason.TOO_OLD if rule is not None and (when := _own_schedule(rule)) is not None:
            limit = format_duration(when.late)
            return f"nobody was awake at that time, and it was too late to make up for it (limit {limit})"
        case Reason.TOO_OLD:
            return f"it was too old to trigger (limit {_limit(rule)})"
        case _:
            return _CLAUSES[reason]


def _own_schedule(rule: Rule) -> OnSchedule | None:
    """Its schedule on each person's clock, if it has one."""
    schedules = (each for each in rule.triggers if isinstance(each, OnSchedule))
    return next((each for each in schedules if each.is_personal), None)


def _limit(rule: Rule | None) -> str:
    if rule is None:
        return "max_age"
    limit, within = format_duration(rule.max_age), rule.retroactive.within
    return limit if within is None else f"{limit}, or {format_duration(within)} before a claim"


def _failing(condition: str, values: Mapping[str, JsonValue]) -> str:
    seen = values_seen(values)
    return f"the rule asks that {as_clause(condition)}" + (f", but {seen}" if seen else "")


def values_seen(values: Mapping[str, JsonValue]) -> str:
    """What a condition saw, as a clause; empty if it saw nothing."""
    return ", ".join(_seen(name, value) for name, value in values.items())


def as_clause(condition: str) -> str:
    """A condition's words after *that*, with a subject if they have none."""
    told = _ABOUT_THE_PERSON.sub("the person ", condition)
    return f"this does not hold: {told[5:-1]}" if _NEGATED.fullmatch(told) else told


_ABOUT_THE_PERSON = re.compile(
    r"(?:^|(?<=\()|(?<= or )|(?<= and ))(?=has (?:never )?performed |is in segment )"
)
_NEGATED = re.compile(r"not \([^()]*\)")


def _seen(name: str, value: JsonValue) -> str:
    event = name.removeprefix(_COUNTED)
    if event != name:
        return f"{event} counted {'once' if value == 1 else f'{_shown(value)} times'}"
    return f"{name.split('.', 1)[-1]} was {_shown(value)}"


_COUNTED = "performed "


def _shown(value: JsonValue) -> str:
    return "missing" if value is None else encode(value).decode()


def _reentry(rule: Rule | None) -> str:
    match rule.reentry if rule else None:
        case Once():
            return "they had entered before, and the rule lets each person in once"
        case OncePer(period):
            return f"they had an entry less than {format_duration(period)} away"
        case OncePerCalendar(span):
            return (
                f"they had an entry on the same {span}"
                if span == "day"
                else f"they had an entry in the same {span}"
            )
        case OncePerKey(path):
            return f"they had entered before with the same {path_of(path)}"
        case NotWhileActive():
            return "their earlier entry was still running"
        case EveryTime() | None:
            return "they had entered before"


_CLAUSES = {
    Reason.GOAL_MET: "they had reached its goal before",
    Reason.HOLDOUT: "they belong to its holdout, who are sent nothing so that the others can be compared with them",
    Reason.RETROACTIVE_OFF: "it was anonymous, and the rule does not look back",
    Reason.RETROACTIVE_TAKE: "the rule takes only one of the messages that a claim brings",
    Reason.INACTIVE: "the rule was not active then",
    Reason.PAUSED: "an operator had paused the rule",
    Reason.SUPPRESSED: "the person is suppressed",
    Reason.DELETED: "it happened before the person was deleted",
    Reason.SOURCE: "a broadcast is triggered by a server only, and a client sent it, or what led to it",
    Reason.LOOP: "too many steps had led to one another",
    Reason.CLAIMED_BEFORE: "somebody else's claim had put it to the rules already",
    Reason.CHANGED_BACK: "it had changed back when the engine came to it",
}


def subject_of(message: StoredMessage | None, occasion: str = "") -> str:
    """A message's name, or its type; without one, the subject that time changed, or the occasion of a broadcast."""
    if message is None:
        return subject_of_moment(occasion) or occasion
    return message.name or message.type


def in_audience(
    rule_id: str, occasion: str, timestamp: datetime, message: StoredMessage | None
) -> str:
    """In whose audience a person was or was not: that of one run of a broadcast, as a clause.

    Args:
        message: what started the run, if a message did.
    """
    how = _set_off_by(rule_id, occasion, message)
    return f"in the audience of {rule_id} of {format_instant(timestamp)}, {how}"


def by_message(rule_id: str, subject: str, timestamp: datetime) -> str:
    """Which rule a message led to or not, as a clause."""
    return f"{rule_id} by {subject} of {format_instant(timestamp)}"


def by_moment(rule_id: str, moment: str, timestamp: datetime) -> str:
    """Which rule time alone led to or not, as a clause.

    Args:
        moment: how, see `led_by_time`.
    """
    return f"{rule_id} at {format_instant(timestamp)}, {moment}"


def _set_off_by(rule_id: str, occasion: str, message: StoredMessage | None) -> str:
    """What started a broadcast: its schedule, a call or a message, as a clause."""
    if message is not None:
        return f"set off by {subject_of(message)}"
    kind, key = occasion.removeprefix(rule_id)[:1], occasion.removeprefix(rule_id)[1:]
    if occasion.startswith(rule_id) and kind == "@":
        return "by its schedule"
    return f"called up as {key}" if kind == ":" else f"set off by {occasion}"
