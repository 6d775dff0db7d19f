"""Requests: judged when they come in, and again whenever somebody agrees or their time has come.

A request is a small state machine, and every change of it is a record for the audit log:

    held ──► ran | refused | cancelled | expired
      └────► approved (the host's own action) ──► ran | failed ──► approved (tried again)

What it would take away is its plan. Approvals are for the plan's digest; a request whose plan is no
longer the one that was shown is held again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

from pydantic import JsonValue

from whereupon.decide.batch_state import BatchState
from whereupon.decide.snapshot import Notice, Settings
from whereupon.decide.suppression import suppressions, tombstone_for, tombstone_over
from whereupon.guards.judge import Absence, GuardFacts, Policy, Refusal, Verdict, judge
from whereupon.messages.codec import encode_canonically
from whereupon.messages.model import Message, MessageType, SenderClass, erased_name
from whereupon.messages.semantic_events import ERASING, Action, ActionName, id_in
from whereupon.messages.times import FIRST_INSTANT, later
from whereupon.records import (
    Approval,
    AuditRecord,
    Breaker,
    Device,
    IdKind,
    Plan,
    Relationship,
    Request,
    RequestOutcome,
)
from whereupon.rules.model import Scope

ACTOR = "actor"
"""Where a server's message says on whose behalf it asks: ``context.actor``."""


def ask(work: BatchState, message: Message, action: Action) -> Request:
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
    """Judge a request as things are now, and record what becomes of it."""
    action = work.settings.registry.asked_for(request.action, request.event)
    policy = work.settings.policy_on(action.name)
    message = request.message
    if message is None:
        return request
    plan = plan_for(work, action, message) if action.destructive else None
    seen = _seen(work, request, message, policy, approvals, plan, now)
    verdict = judge(message, action, policy, seen)
    if verdict.passed is not None:
        _open_breaker(work, verdict, now)
    if verdict.outcome is RequestOutcome.RAN and action.destructive:
        _spend(work, action, message.source)
    decided = _as_judged(request, verdict, action, policy, plan, now)
    record(work, decided, "judged", now)
    keep(work, decided)
    if seen.missing is not None and decided.outcome in {RequestOutcome.RAN, RequestOutcome.HELD}:
        _note_missing(work, decided, seen.missing)
    return decided


def _as_judged(
    request: Request,
    verdict: Verdict,
    action: Action,
    policy: Policy,
    plan: Plan | None,
    now: datetime,
) -> Request:
    outcome = verdict.outcome
    if outcome is RequestOutcome.RAN and action.handled:
        outcome = RequestOutcome.APPROVED
    held = outcome is RequestOutcome.HELD
    refused = outcome is RequestOutcome.REFUSED
    expires_at = later(request.asked_at or now, max(policy.expires_after, policy.cool_off))
    return replace(
        request,
        outcome=outcome,
        reason=verdict.reason,
        detail=verdict.detail,
        decided_at=now,
        due_at=verdict.due_at if held else now if outcome is RequestOutcome.APPROVED else None,
        expires_at=expires_at if held else None,
        plan=None if refused else plan,
        message=request.message if outcome.is_open else None,
    )


def _seen(
    work: BatchState,
    request: Request,
    message: Message,
    policy: Policy,
    approvals: Sequence[Approval],
    plan: Plan | None,
    now: datetime,
) -> GuardFacts:
    tombstone = tombstone_over(work, message)
    key = _about(work, message)
    person = work.persons.get(key) if key is not None else None
    digest = plan.digest if plan else ""
    return GuardFacts(
        asked_at=request.asked_at or now,
        now=now,
        is_open=request.outcome.is_open,
        silenced_by=tombstone.reason if tombstone else None,
        is_theirs=_is_theirs(work, message),
        missing=_missing(work, request.action, message),
        person=person.attributes if person else None,
        overtaken=_is_overtaken(work, request, message, key),
        open_breakers=[
            name for name in policy.guards if (b := work.breakers.get(name)) and b.is_open
        ],
        spent=[
            work.spent.get((limit, _spender(limit.scope, message.source)), 0)
            for limit in policy.limits
        ],
        people=work.guards.people,
        approvals=len({each.actor for each in approvals if each.plan == digest}),
        plan_changed=request.reason == Refusal.PLAN_CHANGED
        or (request.plan is not None and request.plan.digest != digest),
    )


def _about(work: BatchState, message: Message) -> int | None:
    """The key of the person whom a request would take away: of a merge, the one who is merged."""
    is_merge = message.type is MessageType.ALIAS
    return work.users.get((message.target_id if is_merge else message.user_id) or "")


def _is_theirs(work: BatchState, message: Message) -> bool:
    """Whether a device that is to be deleted is the named person's; one that nobody has is."""
    action = work.settings.registry.action_for(message.name)
    if action is None or action.name != ActionName.DELETE_DEVICE:
        return True
    device = _device(work, message)
    return device is None or device.person_key == work.users.get(message.user_id or "")


def _device(work: BatchState, message: Message) -> Device | None:
    """The device that a message would have deleted, whosever it is."""
    token = token_in(device_of(message))
    return work.device(token) if token is not None else None


def _missing(work: BatchState, action: str, message: Message) -> Absence | None:
    """What the message is about and is not there, if anything."""
    key = work.users.get(message.user_id or "")
    match action:
        case ActionName.DELETE_PERSON | ActionName.SUPPRESS_PERSON:
            return Absence.PERSON if key is None else None
        case ActionName.UNSUPPRESS_PERSON if not suppressions(work, message):
            return Absence.PERSON if key is None else Absence.SUPPRESSION
        case ActionName.DELETE_DEVICE:
            return Absence.DEVICE if _device(work, message) is None else None
        case ActionName.DELETE_OBJECT:
            place = object_key(message.data, message.data.get("objectId"))
            return None if work.has_object(place) else Absence.OBJECT
        case ActionName.DELETE_RELATIONSHIP:
            if key is None:
                return Absence.PERSON
            tie = Relationship(key, *object_key(message.data, message.data.get("objectId")))
            return None if work.has_relationship(tie) else Absence.RELATIONSHIP
        case _:
            return None


def _note_missing(work: BatchState, request: Request, absence: str) -> None:
    """Say that a request ran, or waits, though there is nothing that it could take away."""
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


def object_key(properties: object, object_id: object) -> tuple[str, str]:
    """An object's type and id, as text; type 1 where none is given."""
    said = properties if isinstance(properties, Mapping) else {}
    type_id = next((said[name] for name in _TYPE_IDS if said.get(name) is not None), None)
    return (id_in(type_id) or "1", id_in(object_id) or "")


_TYPE_IDS = ("objectTypeId", "object_type_id")


def device_of(message: Message) -> Mapping[str, JsonValue]:
    """The device in a message's context."""
    device = message.context.get("device")
    return device if isinstance(device, dict) else {}


def token_in(device: Mapping[str, JsonValue]) -> str | None:
    """A device's token, as text; None where there is none that could be looked up."""
    return id_in(device.get("token"))


def _is_overtaken(work: BatchState, request: Request, message: Message, key: int | None) -> bool:
    """Whether the person did something after what would erase them, more than clocks differ by."""
    latest = work.guards.footprints[key].latest if key in work.guards.footprints else None
    if latest is None or request.action not in ERASING:
        return False
    return latest > later(message.timestamp, work.settings.identity.late_window)


# --- plan -------------------------------------------------------------------------------------------


def plan_for(work: BatchState, action: Action, message: Message) -> Plan:
    """What the request would take away, as it is in the store now."""
    key = _about(work, message)
    takes = action.name in ERASING or action.name == ActionName.MERGE_PEOPLE
    held = work.guards.footprints.get(key) if takes and key is not None else None
    counts = {name: count for name, count in (held.counts if held else {}).items() if count}
    if action.name == ActionName.DELETE_DEVICE and _device(work, message) is not None:
        counts["devices"] = 1
    about = [action.name, message.user_id, message.target_id, dict(message.data), counts]
    return Plan(sha256(encode_canonically(about)).hexdigest()[:16], counts)


# --- blast radius -----------------------------------------------------------------------------------


def planned(work: BatchState, request: Request) -> Plan | None:
    """What a waiting request would take away now."""
    if request.message is None:
        return None
    action = work.settings.registry.asked_for(request.action, request.event)
    return plan_for(work, action, request.message)


def _spender(scope: Scope, source: SenderClass) -> str:
    return source if scope is Scope.SOURCE else ""


def _spend(work: BatchState, action: Action, source: SenderClass) -> None:
    """Count one that runs against every limit about it that this batch looks at."""
    for limit, spender in work.spent:
        if action.name in limit.actions and spender in {"", source}:
            work.spent[limit, spender] += 1


def _open_breaker(work: BatchState, verdict: Verdict, now: datetime) -> None:
    limit = verdict.passed
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


def keep(work: BatchState, request: Request) -> None:
    """Tell of a request, and keep it; once it has ended, it names nobody who is gone."""
    work.out.emitted.append(request)
    if _is_of_nobody(work, request):
        work.changes.erased_ids.append(request.ref)
        request = nameless(request)
    work.changes.requests[request.key] = request


def _is_of_nobody(work: BatchState, request: Request) -> bool:
    if request.outcome.is_open or request.person is None:
        return False
    if request.action in ERASING and request.outcome is RequestOutcome.RAN:
        return True
    named = (IdKind.USER, request.person)
    return (
        request.person not in work.users and tombstone_for(work, named, FIRST_INSTANT) is not None
    )


def nameless(request: Request) -> Request:
    """A request as it is kept when its person is erased: the message's id goes, too."""
    if request.person is None:
        return replace(request, message=None, requester=None)
    message_id = erased_name(request.ref)
    return replace(request, message_id=message_id, person=None, message=None, requester=None)


def record(
    work: BatchState, request: Request, kind: str, now: datetime, **facts: JsonValue
) -> None:
    """Put what happened to a request among what the audit log gets."""
    if is_audited(request, work.settings):
        work.changes.records.append(recorded(request, work.settings, kind, now, **facts))


def is_audited(request: Request, settings: Settings) -> bool:
    """Whether the audit log hears of a request: not of those that harm nobody."""
    action = settings.registry.asked_for(request.action, request.event)
    return action.destructive or action.handled


def recorded(
    request: Request, settings: Settings, kind: str, now: datetime, **facts: JsonValue
) -> AuditRecord:
    """What happened to a request, for the audit log."""
    person = settings.digest(IdKind.USER, request.person or "").hex()
    told = {"kind": kind, **facts_of(request, person), **facts}
    return AuditRecord(now, request.key, told)


def facts_of(request: Request, person: str) -> dict[str, JsonValue]:
    """What the audit log says of a request: keyed hashes, counts and names of ours, nobody's data.

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
    """Who asks for the person, where a server says so; what a client says of it counts for nothing."""
    actor = message.context.get(ACTOR) if message.source is SenderClass.SERVER else None
    return actor if isinstance(actor, str) and actor and actor != message.user_id else None
