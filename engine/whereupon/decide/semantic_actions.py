"""Semantic events: the guards' verdict, and what each action does to the engine's own data.

A semantic message is consumed: only its id is recorded, no rule is evaluated for it, and no claim ever
brings it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from pydantic import JsonValue

from whereupon.decide.batch_state import BatchState
from whereupon.decide.engine_settings import Settings
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.evaluator import evaluate
from whereupon.decide.guard_facts import current_plan, device_of, object_key, token_in
from whereupon.decide.merges import merge
from whereupon.decide.people import erase_person, person_for
from whereupon.decide.reports import report_delivery
from whereupon.decide.requests import (
    anonymized,
    audit,
    request_action,
    save_request,
)
from whereupon.decide.result import BatchResult
from whereupon.decide.snapshot import Snapshot
from whereupon.decide.suppression import DELETED, SUPPRESSED, add_tombstones, lift_tombstones
from whereupon.guards.judge import Refusal
from whereupon.matching import RuleIndex, RuleList, RuleSelection
from whereupon.messages.model import Message
from whereupon.messages.semantic_events import Action, ActionName, id_in
from whereupon.records import (
    Device,
    IdKind,
    MetricReport,
    ObjectRecord,
    Person,
    Plan,
    Relationship,
    Request,
    RequestOutcome,
    StoredMessage,
    Tombstone,
)
from whereupon.rules.model import Aftermath


def run_action(work: BatchState, message: Message, action: Action) -> None:
    """Judge a semantic message, carry it out if every guard agrees, and record the request."""
    request = request_action(work, message, action)
    key = 0
    if work.changes.requests[request.key].message_id == message.message_id:
        key = work.record_stub(message)  # else a hash of its id is recorded, and not the id
    if request.outcome is RequestOutcome.RAN and not action.handled:
        others = len(work.changes.identifiers)
        _EFFECTS[action.name](work, message, message.timestamp)
        if work.index.on_known and len(work.changes.identifiers) > others:
            _evaluate_known(work, message, key)


def _evaluate_known(work: BatchState, message: Message, key: int) -> None:
    """Evaluate a message that made its person known against the rules that ask for that only.

    Skips are emitted and not stored, since the message is not stored.
    """
    person_key = work.users[message.user_id or ""]
    stored, skips = StoredMessage(key, person_key, message), len(work.changes.skips)
    evaluation = Evaluation.of(stored, person_key, message.received_at)
    evaluate(work, evaluation, RuleSelection(RuleList()).and_besides(work.index.on_known))
    del work.changes.skips[skips:]


def carry_out(work: BatchState, request: Request, message: Message, now: datetime) -> None:
    """Do what a request asks for, which is neither a merge nor a host's action."""
    _EFFECTS[request.action](work, message, now)


def plan_of_request(
    loaded: Snapshot, request: Request, index: RuleIndex, settings: Settings
) -> Plan | None:
    """What a waiting request would take away now; None if it has ended."""
    return current_plan(BatchState(loaded, index, settings), request)


def end_requests(
    loaded: Snapshot,
    requests: Sequence[Request],
    index: RuleIndex,
    settings: Settings,
    *,
    outcome: RequestOutcome,
    now: datetime,
    by: str | None = None,
) -> BatchResult:
    """End requests that wait, without carrying them out: they have expired, or ``by`` has ended them."""
    work = BatchState(loaded, index, settings)
    reason = Refusal.EXPIRED if outcome is RequestOutcome.EXPIRED else None
    for request in requests:
        end_request(work, request, outcome, reason, now, by=by)
    return work.close()


def end_request(
    work: BatchState,
    request: Request,
    outcome: RequestOutcome,
    reason: str | None,
    now: datetime,
    *,
    by: str | None = None,
) -> None:
    """End a request that waits, without carrying it out."""
    ended = replace(
        request,
        outcome=outcome,
        reason=reason,
        detail=None,
        decided_at=now,
        due_at=None,
        expires_at=None,
        message=None,
    )
    facts: dict[str, JsonValue] = {} if by is None else {"actor": by}
    audit(work, ended, outcome.value, now, **facts)
    save_request(work, ended)


def merge_people(work: BatchState, message: Message, survivor: Person, loser: Person) -> Person:
    """Merge two known persons, as an ``alias`` asks, if the guards agree; gives the survivor as it is now."""
    action = work.settings.registry.named(ActionName.MERGE_PEOPLE)
    if request_action(work, message, action).outcome is not RequestOutcome.RAN:
        return survivor
    return merge(work, message, survivor, loser)


def refuse_merge(work: BatchState, message: Message, tombstone: Tombstone) -> None:
    """Record the refusal of an alias whose previous id has a tombstone.

    If the tombstone is the sender's own, nothing is recorded, since that would name an erased person.
    """
    if tombstone.digest in work.settings.digests(IdKind.USER, message.target_id or ""):
        request_action(work, message, work.settings.registry.named(ActionName.MERGE_PEOPLE))


_OBJECT_IDS = frozenset({"objectId", "objectTypeId", "object_type_id"})
"""Properties of a semantic event that say which object it is about."""

# --- effects ----------------------------------------------------------------------------------------


def _delete(work: BatchState, message: Message, instant: datetime) -> None:
    policy = work.settings.policies.get(ActionName.DELETE_PERSON)
    ignoring = policy is not None and policy.tombstone is Aftermath.IGNORE
    _erase(work, message, instant, None if ignoring else instant, DELETED)


def _suppress(work: BatchState, message: Message, instant: datetime) -> None:
    _erase(work, message, instant, None, SUPPRESSED)


def _erase(
    work: BatchState, message: Message, instant: datetime, until: datetime | None, reason: str
) -> None:
    """Erase the person, and add a tombstone for every identifier of theirs, known or named."""
    user_id = message.user_id or ""
    named = {(IdKind.USER, user_id)}
    key = work.users.get(user_id)
    if key is None:
        work.changes.vacant_ids.add(user_id)
    else:
        named |= {(known.kind, known.value) for known in work.identifiers_of(key)}
        footprint = work.guards.footprints.get(key)
        if until is not None and footprint is not None and footprint.latest is not None:
            until = max(until, footprint.latest)  # all of that is erased, and must not come again
        erase_person(work, work.persons[key], max(instant, message.received_at))
    users = {value for kind, value in named if kind is IdKind.USER}
    _drop_requests(work, users, message)
    add_tombstones(work, sorted(named), of=user_id, until=until, reason=reason)


def _drop_requests(work: BatchState, user_ids: set[str], message: Message) -> None:
    """Cancel the other requests about the person that wait."""
    waiting = {request.key: request for request in work.guards.open_requests}
    waiting |= {key: r for key, r in work.changes.requests.items() if r.outcome.is_open}
    for request in waiting.values():
        target = request.message.target_id if request.message else None
        named = request.person in user_ids or target in user_ids
        if not named or request.ref == message.ref:
            continue
        end_request(work, request, RequestOutcome.CANCELLED, Refusal.ERASED, message.received_at)
        if request.person in user_ids:
            work.changes.requests[request.key] = anonymized(work.changes.requests[request.key])
            work.drop_stub(request.ref)


def _unsuppress(work: BatchState, message: Message, _instant: datetime) -> None:
    lift_tombstones(work, message)


def _upsert_device(work: BatchState, message: Message, _instant: datetime) -> None:
    device = device_of(message)
    person = person_for(work, message.user_id or "", message.timestamp)
    token = token_in(device) or ""  # the guards have seen that there is one
    platform = device.get("type")
    work.changes.devices[token] = Device(
        token=token,
        person_key=person.key,
        platform=str(platform) if platform is not None else None,
        attributes=message.data,
        updated_at=message.timestamp,
    )


def _delete_device(work: BatchState, message: Message, _instant: datetime) -> None:
    work.changes.devices[token_in(device_of(message)) or ""] = None


def _upsert_object(work: BatchState, message: Message, _instant: datetime) -> None:
    place = object_key(message.data, message.data["objectId"])
    own = {name: value for name, value in message.data.items() if name not in _OBJECT_IDS}
    work.changes.objects[place] = ObjectRecord(*place, own, message.timestamp)


def _delete_object(work: BatchState, message: Message, _instant: datetime) -> None:
    place = object_key(message.data, message.data["objectId"])
    work.changes.objects[place] = None
    work.changes.named_objects.pop(place, None)


def _delete_relationship(work: BatchState, message: Message, _instant: datetime) -> None:
    key = work.users.get(message.user_id or "")
    if key is not None:
        tie = Relationship(key, *object_key(message.data, message.data["objectId"]))
        work.changes.relationships[tie] = False


def _report_content(work: BatchState, message: Message, _instant: datetime) -> None:
    data = message.data
    work.changes.reports.append(
        MetricReport(
            ref=message.ref,
            kind="content",
            subject=id_in(data.get("deliveryId")) or "",
            metric=id_in(data.get("actionType")) or "",
            person=message.user_id,
            timestamp=message.timestamp,
        )
    )


_EFFECTS: dict[str, Callable[[BatchState, Message, datetime], None]] = {
    ActionName.DELETE_PERSON: _delete,
    ActionName.SUPPRESS_PERSON: _suppress,
    ActionName.UNSUPPRESS_PERSON: _unsuppress,
    ActionName.UPSERT_DEVICE: _upsert_device,
    ActionName.DELETE_DEVICE: _delete_device,
    ActionName.UPSERT_OBJECT: _upsert_object,
    ActionName.DELETE_OBJECT: _delete_object,
    ActionName.DELETE_RELATIONSHIP: _delete_relationship,
    ActionName.REPORT_DELIVERY: report_delivery,
    ActionName.REPORT_CONTENT: _report_content,
}
