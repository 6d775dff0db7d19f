"""One decision about one message, and what came of it: the values, and one sentence that says all."""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from whereupon.decide.decisions import Outcome, Reason
from whereupon.decide.idempotency import keys_at, possible_addresses
from whereupon.insight.clauses import by_message, by_moment, in_audience, sentence_for, subject_of
from whereupon.insight.conversions import converted
from whereupon.insight.moments import led_by_time
from whereupon.insight.outcomes import outcome_of
from whereupon.insight.redecision import DecidedAgain
from whereupon.messages.model import id_in_ref
from whereupon.messages.times import format_instant
from whereupon.records import (
    Delivery,
    EndReason,
    Entry,
    EntryEnd,
    EntryState,
    RulePause,
    Skips,
    SkipVerdict,
    StoredMessage,
    TimeSkip,
    Trail,
)
from whereupon.rules.model import Rule, RuleKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One decision about one message, explained; for a broadcast, one of its runs.

    Attributes:
        subject: the message's name or type; for a scheduled broadcast, its time; what time alone changed, such as
            ``segment/lapsed``.
        reason: why the person did not enter: a `Reason`; for a broadcast's run also ``pending`` (the person's turn
            has not come), ``paused``, ``cancelled``, ``not-named``, ``unknown-then`` (the person was not known yet), ``not-meant`` (it cannot be said any more).
        reworded: whether the rule has changed since.
        sentence: the whole in one sentence.
        state: the entry's state, if the person entered, or was held out.
        waits_until: when the next step of a running entry is due; None if it waits for something without an end.
        step: the address of the next step of an entry that has not ended; of one that has, where it ended.
        trail: what the entry passed on its way.
        ended: how an entry ended; None while it runs.
        converted_at: when the person reached the rule's goal, by the message's own time.
        deliveries: what the entry sent, is to send, or held back, in that order.
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
    state: EntryState | None = None
    waits_until: datetime | None = None
    ended: EntryEnd | None = None
    converted_at: datetime | None = None
    deliveries: tuple[Delivery, ...] = ()
    step: str | None = None
    trail: Trail = ()


class Occasion(NamedTuple):
    """What could have let a person into a rule, and did not: a message, a moment, or a run of a broadcast.

    Attributes:
        rule: the rule, and the others likewise as of an `Explanation`.
        digest: of the rule version that was asked.
        clause: what did not happen, such as ``did not enter thanks by purchase of 2026-03-01T12:00:00Z``.
    """

    rule: str
    digest: str
    message_id: str
    subject: str
    timestamp: datetime
    decided_at: datetime
    clause: str
    retroactive: bool = False

    def explained(
        self, person: str, current: Rule | None, reason: str, because: str
    ) -> Explanation:
        """Why the person did not enter.

        Args:
            current: the rule as it is now, if there is one.
            because: the reason as a clause.
        """
        return Explanation(
            message_id=self.message_id,
            subject=self.subject,
            timestamp=self.timestamp,
            decided_at=self.decided_at,
            rule=self.rule,
            person=person,
            outcome=Outcome.SKIPPED,
            reason=reason,
            retroactive=self.retroactive,
            reworded=current is not None and current.digest != self.digest,
            sentence=f"{person} {self.clause}: {because}.",
        )


def without_repeats(explanations: Iterable[Explanation]) -> list[Explanation]:
    """A person's explanations, one for each message and rule.

    A message may have opened an entry, then gone to another person by a claim, and come back by another claim.
    """
    said = list(explanations)
    entered = {(each.rule, each.message_id) for each in said if each.outcome is Outcome.ENTERED}
    held_out = {(each.rule, each.message_id) for each in said if each.state is EntryState.HELD_OUT}
    return [
        each
        for each in said
        if not (each.reason == Reason.CLAIMED_BEFORE and (each.rule, each.message_id) in entered)
        and not (_is_skip_of_holdout(each) and (each.rule, each.message_id) in held_out)
    ]


def _is_skip_of_holdout(explanation: Explanation) -> bool:
    """Whether it is of a skip; the entry of the holdout, which says more, may still be kept."""
    return explanation.reason == Reason.HOLDOUT and explanation.state is None


def explain(
    verdict: Entry | Skips | TimeSkip,
    message: StoredMessage | None,
    person: str,
    rule_id: str,
    again: DecidedAgain,
    deliveries: Sequence[Delivery] = (),
    user_id: str = "",
) -> Iterator[Explanation]:
    """Why a person entered a rule or not by one message, or by time alone; nothing if the record does not say.

    Args:
        person: the person's name in the sentence.
        deliveries: the person's deliveries, among them those of the entry.
        user_id: the person's first user id, if the sentence uses another name.
    """
    if isinstance(verdict, Entry):
        yield _explain_entry(verdict, message, person, again, deliveries, user_id or person)
    elif isinstance(verdict, TimeSkip):
        yield _explain_time_skip(verdict, person, again.current(rule_id))
    elif message is not None:
        rule = again.current(rule_id)
        for said in again.verdicts(verdict, message, rule_id):
            yield _explain_skip(verdict, said, message, person, rule)


def _explain_entry(
    entry: Entry,
    message: StoredMessage | None,
    person: str,
    again: DecidedAgain,
    deliveries: Sequence[Delivery],
    user_id: str,
) -> Explanation:
    current, then = again.current(entry.rule), again.version_of(entry.rule, entry.digest)
    subject = subject_of(message, id_in_ref(entry.occasion))
    broadcast = any(rule and rule.kind is RuleKind.BROADCAST for rule in (then, current))
    addresses = possible_addresses(then)
    made_at = dict(zip(keys_at(entry, user_id, addresses), addresses, strict=True))
    made = _made_by(entry, made_at, deliveries)
    began = _began(entry, message, subject, is_broadcast=broadcast)
    came_of_it = _held_out(entry) if entry.is_held_out else outcome_of(entry, made, then, made_at)
    still = _stands_still(current, again.pauses.get(entry.rule)) if entry.is_inside else ""
    return Explanation(
        message_id=id_in_ref(entry.occasion),
        subject=subject,
        timestamp=entry.timestamp,
        decided_at=entry.entered_at,
        rule=entry.rule,
        person=person,
        outcome=Outcome.SKIPPED if entry.is_held_out else Outcome.ENTERED,
        reason=Reason.HOLDOUT if entry.is_held_out else None,
        retroactive=entry.retroactive,
        reworded=current is not None and current.digest != entry.digest,
        sentence=f"{person} {began}; {came_of_it}{still}.",
        state=entry.state,
        waits_until=entry.waits_until,
        ended=entry.ended,
        converted_at=entry.converted_at,
        deliveries=tuple(made),
        step=entry.address,
        trail=entry.trail,
    )


def _stands_still(current: Rule | None, pause: RulePause | None) -> str:
    """A clause about a rule that is switched off, by its file or by an operator."""
    if current is not None and not current.active.on:
        return ", and stands still while the rule is switched off"
    if pause is None:
        return ""
    since = format_instant(pause.since)
    return f", and stands still while the rule is paused, since {since} by {pause.by}"


def _made_by(entry: Entry, keys: Container[str], deliveries: Sequence[Delivery]) -> list[Delivery]:
    """What an entry made. One occasion may have opened a second entry, of a person who has since been merged."""
    found = [d for d in deliveries if (d.rule, d.occasion) == (entry.rule, entry.occasion)]
    own = [d for d in found if d.idempotency_key in keys]
    is_other = entry.ended is not None and entry.ended.reason == EndReason.MERGED
    return own if own or is_other else found


def _began(entry: Entry, message: StoredMessage | None, subject: str, *, is_broadcast: bool) -> str:
    if is_broadcast:
        return f"was {in_audience(entry.rule, entry.occasion, entry.timestamp, message)}"
    moment = led_by_time(id_in_ref(entry.occasion))
    if moment is not None:
        led = by_moment(entry.rule, moment, entry.timestamp)
    else:
        led = by_message(entry.rule, subject, entry.timestamp)
    if entry.is_held_out:
        return f"did not enter {led}"
    if entry.retroactive:
        return f"entered {led}, retroactively: it was anonymous until they were identified"
    return f"entered {led}"


def _held_out(entry: Entry) -> str:
    reached = converted(entry)
    return sentence_for(Reason.HOLDOUT, None, {}, None) + (f"; {reached}" if reached else "")


def _explain_skip(
    skips: Skips, said: SkipVerdict, message: StoredMessage, person: str, rule: Rule | None
) -> Explanation:
    rule_id, digest, reason, condition, values = said
    subject = subject_of(message)
    did_not = "did not enter"
    if rule is not None and rule.kind is RuleKind.BROADCAST:
        did_not = "did not set off"
    occasion = Occasion(
        rule=rule_id,
        digest=digest,
        message_id=message.message_id,
        subject=subject,
        timestamp=message.timestamp,
        decided_at=skips.decided_at,
        clause=f"{did_not} {by_message(rule_id, subject, message.timestamp)}",
        retroactive=skips.retroactive,
    )
    because = sentence_for(Reason(reason), condition, values, rule)
    return occasion.explained(person, rule, reason, because)


def _explain_time_skip(skip: TimeSkip, person: str, rule: Rule | None) -> Explanation:
    rule_id, digest, reason, condition, values = skip.verdict
    moment = led_by_time(skip.occasion) or ""
    occasion = Occasion(
        rule=rule_id,
        digest=digest,
        message_id=skip.occasion,
        subject=subject_of(None, skip.occasion),
        timestamp=skip.timestamp,
        decided_at=skip.decided_at,
        clause=f"did not enter {by_moment(rule_id, moment, skip.timestamp)}",
    )
    because = sentence_for(Reason(reason), condition, values, rule)
    return occasion.explained(person, rule, reason, because)
