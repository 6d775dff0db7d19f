"""The records of an engine as effects that a test can expect."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from pydantic import JsonValue

from whereupon.decide.decisions import Decision, Outcome
from whereupon.insight import describe
from whereupon.records import Delivery, DeliveryState, Request
from whereupon.replay.records import Record
from whereupon.rules.model import Guard, Rule
from whereupon.testing.cases import Effect, EffectKind, offset


def observe(records: Iterable[Record], subject: Rule | Guard, start: datetime) -> Iterator[Effect]:
    """The effects of a rule, and every request; for a guard, the requests for its actions."""
    for record in records:
        match record:
            case Decision() if isinstance(subject, Rule) and record.rule == subject.id:
                yield _decided(record, subject, start)
            case Delivery() if isinstance(subject, Rule) and record.rule == subject.id:
                yield _delivered(record, start)
            case Request() if isinstance(subject, Rule) or record.action in subject.actions:
                yield _requested(record, start)
            case _:
                pass


def _decided(decision: Decision, rule: Rule, start: datetime) -> Effect:
    at = offset(decision.decided_at - start)
    by = f"by {_subject(decision)} at {at}"
    person: JsonValue = decision.person
    if decision.outcome is Outcome.ENTERED:
        facts = {"person": person, "at": at, "retroactive": decision.retroactive}
        return Effect(EffectKind.ENTERED, facts, because=f"they entered {by}")
    because = f"{by} ({decision.reason}), {describe(decision, rule)}"
    facts = {"person": person, "at": at, "reason": decision.reason}
    return Effect(EffectKind.SKIPPED, facts, because=because)


def _subject(decision: Decision) -> str:
    if decision.type is None:
        return "schedule"
    return f"{decision.type} {decision.event}" if decision.event else decision.type


def _delivered(delivery: Delivery, start: datetime) -> Effect:
    facts: dict[str, JsonValue] = {
        "channel": delivery.channel,
        "person": delivery.person,
        "at": offset(delivery.due_at - start),
    }
    if delivery.state is DeliveryState.WITHHELD:
        return Effect(EffectKind.WITHHELD, {**facts, "reason": delivery.reason})
    return Effect(EffectKind.DELIVERY, facts, delivery.content)


def _requested(request: Request, start: datetime) -> Effect:
    facts: dict[str, JsonValue] = {
        "action": request.action,
        "person": request.person,
        "at": offset(request.decided_at - start),
        "outcome": request.outcome,
        "reason": request.reason,
    }
    return Effect(EffectKind.REQUEST, facts, because=request.detail or "")
