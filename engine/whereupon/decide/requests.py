"""Requests: judged when they come in, and again when a person approves them or their time has come.

A request is a small state machine. Every change of its state is a record for the audit log:

    held ──► ran | refused | cancelled | expired
      └────► approved (the host's own action) ──► ran | failed ──► approved (tried again)

The plan of a request is what it would take away. Approvals are for the plan's digest. A request whose plan
differs from the one that was approved is held again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from pydantic import JsonValue

from whereupon.decide.batch_state import BatchState
from whereupon.decide.engine_settings import Settings
from whereupon.decide.guard_facts import guard_facts, plan_for
from whereupon.decide.result import Notice
from whereupon.decide.suppression import tombstone_for
from whereupon.guards.judge import Absence, Judgement, Policy, judge
from whereupon.messages.model import Message, SenderClass, erased_name
from whereupon.messages.semantic_events import ERASING, Action
from whereupon.messages.times import FIRST_INSTANT, later
from whereupon.records import (
    Approval,
    AuditRecord,
    Breaker,
    IdKind,
    Plan,
    Request,
    RequestOutcome,
)

ACTOR = "actor"
"""The key in a server's context that says on whose behalf the message asks."""


def request_action(work: BatchState, message: Message, action: Action) -> Request:
    """Judge a message that asks for an action, and record the request."""
    request = Request(
        message_id=message.message_id,
        action=action.name,
        event=message.name or message.type,
        person=message.user_id,
        outcome=RequestOutcome.HELD,
        reason=None,
        timestamp=message.timestamp,
        decided_at=message.received_at,
        source=message.source,
        key=work.new_key(),
        asked_at=message.received_at,
        requester=_requester(message),
        message=message,
    )
    return judge_request(work, request, (), message.received_at)


def judge_request(
    work: BatchState, request: Request, approvals: Sequence[Approval], now: datetime
) -> Request:
    """Judge a request as things are now, and save the outcome."""
    action = work.settings.registry.asked_for(request.action, request.event)
    policy = work.settings.policy_on(action.name)
    if (message := request.message) is None:
        return request
    plan = plan_for(work, action, message) if action.destructive else None
    facts = guard_facts(work, request, message, policy, approvals, plan, now)
    judgement = judge(message, action, policy, facts)
    if judgement.passed is not None:
        _open_breaker(work, judgement, now)
    if judgement.outcome is RequestOutcome.RAN and action.destructive:
        _spend(work, action, message.source)
    decided = _as_judged(request, judgement, action, policy, plan, now)
    audit(work, decided, "judged", now)
    save_request(work, decided)
    if facts.missing is not None and decided.outcome in {RequestOutcome.RAN, RequestOutcome.HELD}:
        _note_missing(work, decided, facts.missing)
    return decided


def _as_judged(
    request: Request,
    judgement: Judgement,
    action: Action,
    policy: Policy,
    plan: Plan | None,
    now: datetime,
) -> Request:
    outcome = judgement.outcome
    if outcome is RequestOutcome.RAN and action.handled:
        outcome = RequestOutcome.APPROVED
    held = outcome is RequestOutcome.HELD
    refused = outcome is RequestOutcome.REFUSED
    expires_at = later(request.asked_at or now, max(policy.expires_after, policy.cool_off))
    return replace(
        request,
        outcome=outcome,
        reason=judgement.reason,
        detail=judgement.detail,
        decided_at=now,
        due_at=judgement.due_at if held else now if outcome is RequestOutcome.APPROVED else None,
        expires_at=expires_at if held else None,
        plan=None if refused else plan,
        message=request.message if outcome.is_open else None,
    )


def _note_missing(work: BatchState, request: Request, absence: str) -> None:
    """Emit a notice that a request runs, or waits, though there is nothing that it could take away."""
    text = _NOTHING.get(absence)
    if text is None:
        return
    near = work.guards.near.get(request.person or "")
    if near is not None and absence == Absence.PERSON:
        text += f"; {near!r} is known, and differs by case or white space only"
    work.out.emitted.append(Notice(absence, request.message_id, text))


_NOTHING: Mapping[str, str] = {
    Absence.PERSON: "nobody is known by that user id: there was nothing to take away",
    Absence.SUPPRESSION: "nobody is suppressed by that user id: there was nothing to lift",
    Absence.DEVICE: "nobody has a device of that token: there was nothing to delete",
    Absence.OBJECT: "no object is known by that type and id: there was nothing to delete",
    Absence.RELATIONSHIP: "the person has no tie to that object: there was nothing to delete",
}


def _spend(work: BatchState, action: Action, source: SenderClass) -> None:
    """Count a request that runs in every limit for its action that this batch looks at."""
    for limit, spender in work.spent:
        if action.name in limit.actions and spender in {"", source}:
            work.spent[limit, spender] += 1


def _open_breaker(work: BatchState, judgement: Judgement, now: datetime) -> None:
    limit = judgement.passed
    if limit is None:
        return
    breaker = Breaker(limit.guard, limit.text, now)
    work.breakers[limit.guard] = work.changes.breakers[limit.guard] = breaker
    facts: dict[str, JsonValue] = {
        "kind": "breaker-opened",
        "guard": limit.guard,
        "limit": limit.text,
    }
    work.changes.records.append(AuditRecord(now, 0, facts))


# --- records ----------------------------------------------------------------------------------------


def save_request(work: BatchState, request: Request) -> None:
    """Emit a request and save it; an ended request does not name an erased person."""
    work.out.emitted.append(request)
    if _names_erased_person(work, request):
        work.changes.erased_ids.append(request.ref)
        request = anonymized(request)
    work.changes.requests[request.key] = request


def _names_erased_person(work: BatchState, request: Request) -> bool:
    if request.outcome.is_open or request.person is None:
        return False
    if request.action in ERASING and request.outcome is RequestOutcome.RAN:
        return True
    named = (IdKind.USER, request.person)
    return (
        request.person not in work.users and tombstone_for(work, named, FIRST_INSTANT) is not None
    )


def anonymized(request: Request) -> Request:
    """A request as it is saved when its person is erased; the message's id is removed, too."""
    if request.person is None:
        return replace(request, message=None, requester=None)
    message_id = erased_name(request.ref)
    return replace(request, message_id=message_id, person=None, message=None, requester=None)


def audit(work: BatchState, request: Request, kind: str, now: datetime, **facts: JsonValue) -> None:
    """Add what happened to a request to the records for the audit log, if it is audited."""
    if is_audited(request, work.settings):
        work.changes.records.append(audit_record(request, work.settings, kind, now, **facts))


def is_audited(request: Request, settings: Settings) -> bool:
    """Whether the audit log records a request: if its action is destructive, or the host's own."""
    action = settings.registry.asked_for(request.action, request.event)
    return action.destructive or action.handled


def audit_record(
    request: Request, settings: Settings, kind: str, now: datetime, **facts: JsonValue
) -> AuditRecord:
    """What happened to a request, as a record for the audit log."""
    person = settings.digest(IdKind.USER, request.person or "").hex()
    return AuditRecord(now, request.key, {"kind": kind, **audit_facts(request, person), **facts})


def audit_facts(request: Request, person: str) -> dict[str, JsonValue]:
    """What the audit log says of a request: keyed hashes, counts and the engine's own names.

    Args:
        person: the keyed hash of the user id.
    """
    facts: dict[str, JsonValue] = {
        "action": request.action,
        "outcome": request.outcome.value,
        "source": request.source.value,
    }
    if request.person is not None:
        facts["person"] = person
    if request.reason is not None:
        facts["reason"] = request.reason
    if request.requester is not None:
        facts["requester"] = request.requester
    if request.plan is not None:
        facts["plan"] = request.plan.digest
        facts["counts"] = dict(request.plan.counts)
    return facts


def _requester(message: Message) -> str | None:
    """Who asks on behalf of the person, if a server says so. What a client says about it is ignored."""
    actor = message.context.get(ACTOR) if message.source is SenderClass.SERVER else None
    return actor if isinstance(actor, str) and actor and actor != message.user_id else None
