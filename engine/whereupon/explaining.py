"""Decisions as sentences that a marketer understands: why somebody did, or did not, enter a rule."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from pydantic import JsonValue

import whereupon.consent as consent
from whereupon.codec import encode
from whereupon.conditions.paths import path_of
from whereupon.deciding_again import DecidedAgain
from whereupon.decisions import Decision, Outcome, Reason
from whereupon.errors import UnknownNameError
from whereupon.ports import Session
from whereupon.rules import EveryTime, NotWhileActive, Once, OncePer, OncePerKey, Rule
from whereupon.state import Delivery, Entry, Skips, SkipVerdict, StoredMessage
from whereupon.times import format_duration, format_instant


@dataclass(frozen=True, slots=True)
class Explanation:
    """One decision about one message, explained.

    Attributes:
        subject: what was decided on: the message's name or type; for a scheduled broadcast its time.
        reworded: the rule has changed since.
        sentence: the whole in one sentence.
    """

    message_id: str
    subject: str
    timestamp: datetime
    decided_at: datetime
    rule: str
    person: str
    outcome: Outcome
    reason: str | None
    retroactive: bool
    reworded: bool
    sentence: str


def explain_rule(
    session: Session, person: str, rule_id: str, rule: Rule | None, limit: int
) -> list[Explanation]:
    """Why somebody did, or did not, enter a rule: one explanation a message, newest first.

    Args:
        person: one of their user ids.
        rule: as the rulebook words it now, if it still has it.

    Raises:
        UnknownNameError: nobody is known by that id.
    """
    known = session.identifiers([person], [])
    if not known:
        raise UnknownNameError(kind="person", name=person)
    again = DecidedAgain(session.wording, {rule_id: rule}.get)
    decided = session.decided(known[0].key, rule_id, limit)
    said = (explain(verdict, each, person, rule_id, again) for each, verdict in decided)
    return told_once(chain.from_iterable(said))


def told_once(explanations: Iterable[Explanation]) -> list[Explanation]:
    """A person's explanations, of each message and rule one.

    A message that let them in may have become somebody else's by a claim, and theirs again by another.
    """
    said = list(explanations)
    entered = {(each.rule, each.message_id) for each in said if each.outcome is Outcome.ENTERED}
    return [
        each
        for each in said
        if each.reason != Reason.CLAIMED_BEFORE or (each.rule, each.message_id) not in entered
    ]


def explain(
    verdict: Entry | Skips,
    message: StoredMessage | None,
    person: str,
    rule_id: str,
    again: DecidedAgain,
) -> Iterator[Explanation]:
    """Why somebody did, or did not, enter a rule by one message; nothing where that is not said."""
    rule = again.current(rule_id)
    if isinstance(verdict, Entry):
        yield _explain_entry(verdict, message, person, rule)
    elif message is not None:
        for said in again.verdicts(verdict, message, rule_id):
            yield _explain_skip(verdict, said, message, person, rule)


def _explain_entry(
    entry: Entry, message: StoredMessage | None, person: str, rule: Rule | None
) -> Explanation:
    subject = subject_of(message, entry.occasion)
    how = (
        ", retroactively: it was anonymous until they were identified" if entry.retroactive else ""
    )
    sentence = (
        f"{person} entered {entry.rule} by {subject} of {format_instant(entry.timestamp)}{how}; "
        f"the entry is {entry.state}."
    )
    return Explanation(
        entry.occasion,
        subject,
        entry.timestamp,
        entry.entered_at,
        entry.rule,
        person,
        Outcome.ENTERED,
        None,
        entry.retroactive,
        rule is not None and rule.digest != entry.digest,
        sentence,
    )


def _explain_skip(
    skips: Skips, said: SkipVerdict, message: StoredMessage, person: str, rule: Rule | None
) -> Explanation:
    rule_id, digest, reason, condition, values = said
    subject = subject_of(message)
    because = sentence_for(Reason(reason), condition, values, rule)
    happened = format_instant(message.timestamp)
    return Explanation(
        message.message_id,
        subject,
        message.timestamp,
        skips.decided_at,
        rule_id,
        person,
        Outcome.SKIPPED,
        reason,
        skips.retroactive,
        rule is not None and rule.digest != digest,
        f"{person} did not enter {rule_id} by {subject} of {happened}: {because}.",
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
        case Reason.TOO_OLD:
            return f"it was too old to trigger (limit {_limit(rule)})"
        case _:
            return _CLAUSES[reason]


def _limit(rule: Rule | None) -> str:
    if rule is None:
        return "max_age"
    limit, within = format_duration(rule.max_age), rule.retroactive.within
    return limit if within is None else f"{limit}, or {format_duration(within)} before a claim"


def _failing(condition: str, values: Mapping[str, JsonValue]) -> str:
    seen = ", ".join(_seen(name, value) for name, value in values.items())
    return f"the rule asks that {_clause(condition)}" + (f", but {seen}" if seen else "")


def _clause(condition: str) -> str:
    """A condition's words behind *that*: with a subject where they have none."""
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
        case OncePerKey(path):
            return f"they had entered before with the same {path_of(path)}"
        case NotWhileActive():
            return "their earlier entry was still running"
        case EveryTime() | None:
            return "they had entered before"


_CLAUSES = {
    Reason.RETROACTIVE_OFF: "it was anonymous, and the rule does not look back",
    Reason.RETROACTIVE_TAKE: "the rule takes only one of the messages that a claim brings",
    Reason.INACTIVE: "the rule was not active then",
    Reason.SUPPRESSED: "the person is suppressed",
    Reason.DELETED: "it happened before the person was deleted",
    Reason.SOURCE: "a broadcast is triggered by a server only, and a client sent it",
    Reason.LOOP: "too many steps had led to one another",
    Reason.CLAIMED_BEFORE: "somebody else's claim had put it to the rules already",
}


def why_withheld(delivery: Delivery) -> str:
    """Why a delivery was not handed to its channel, as a clause."""
    match delivery.reason:
        case consent.UNSUBSCRIBED:
            return "they are unsubscribed"
        case consent.TOPIC:
            return f"they have opted out of the topic {delivery.topic}"
        case consent.ERASED:
            return "the person was erased"
        case reason:
            return reason or "no reason given"


def subject_of(message: StoredMessage | None, occasion: str = "") -> str:
    """What a message is called: its name, or its type; the occasion where there is no message."""
    if message is None:
        return occasion
    return message.name or message.type
