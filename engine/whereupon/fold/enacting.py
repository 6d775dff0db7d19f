"""Semantic events: the guards' verdict, and what each action does to the engine's own data.

A semantic message is consumed: only its id is remembered, no rule sees it, and no claim ever brings
it up again.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from pydantic import JsonValue

from whereupon.actions import DEFAULT_STANCE, Refusal, Verdict, judge
from whereupon.fold.people import forget, merge, person_for
from whereupon.fold.silencing import bury, silenced, unbury
from whereupon.fold.working import Working
from whereupon.messages import Message
from whereupon.semantics import DELIVERY_METRICS, ERASING, Action, ActionName
from whereupon.state import (
    Device,
    IdKind,
    Person,
    Relationship,
    Report,
    Request,
    RequestOutcome,
    Tombstone,
)

DELETED = "deleted"
SUPPRESSED = "suppressed"


_HEARD_ANYWAY = ERASING | {ActionName.UNSUPPRESS_PERSON}
"""Actions that do not mind a tombstone: they lay it, or lift it."""


def enact(work: Working, message: Message, action: Action) -> None:
    """Judge a semantic message, carry it out if every guard agrees, and record the request."""
    work.record_husk(message)
    verdict = verdict_on(work, message, action)
    if verdict.outcome is RequestOutcome.RAN:
        _EFFECTS[action.name](work, message)


def verdict_on(work: Working, message: Message, action: Action) -> Verdict:
    """What the guards say, recorded as a request."""
    stance = work.settings.stances.get(action.name, DEFAULT_STANCE)
    verdict = judge(message, action, stance)
    if verdict.outcome is RequestOutcome.RAN and action.name not in _HEARD_ANYWAY:
        stone = silenced(work, message)
        verdict = Verdict(RequestOutcome.REFUSED, stone.reason) if stone else verdict
    if verdict.outcome is RequestOutcome.RAN and not _metric_is_known(message, action):
        verdict = Verdict(
            RequestOutcome.REFUSED,
            Refusal.INVALID,
            f"properties.metric is one of {', '.join(sorted(DELIVERY_METRICS))}",
        )
    request = Request(
        message_id=message.message_id,
        action=action.name,
        event=message.name or message.type,
        person=message.user_id,
        outcome=verdict.outcome,
        reason=verdict.reason,
        timestamp=message.timestamp,
        decided_at=message.received_at,
        source=message.source,
        detail=verdict.detail,
    )
    work.out.told.append(request)
    if action.name in ERASING and verdict.outcome is RequestOutcome.RAN:
        request = replace(request, person=None)  # nothing that is kept names who is gone
    work.changes.requests.append(request)
    return verdict


def _metric_is_known(message: Message, action: Action) -> bool:
    if action.name != ActionName.REPORT_DELIVERY:
        return True
    metric = message.data.get("metric")
    return isinstance(metric, str) and metric in DELIVERY_METRICS


def merge_people(work: Working, message: Message, survivor: Person, loser: Person) -> Person:
    """The action behind ``alias`` between two known persons; guarded like any other."""
    action = work.settings.registry.named(ActionName.MERGE_PEOPLE)
    if verdict_on(work, message, action).outcome is not RequestOutcome.RAN:
        return survivor
    return merge(work, message, survivor, loser)


def refuse_merge(work: Working, message: Message, stone: Tombstone) -> None:
    """Record what became of an alias from an id that a tombstone silences: nobody is merged by it.

    Where the tombstone is the speaker's own, nothing is kept: it would name who is gone.
    """
    if stone.digest == work.settings.digest(IdKind.USER, message.target_id or ""):
        verdict_on(work, message, work.settings.registry.named(ActionName.MERGE_PEOPLE))


def _delete(work: Working, message: Message) -> None:
    bury(
        work,
        _erased(work, message),
        of=message.user_id or "",
        until=message.timestamp,
        reason=DELETED,
    )


def _suppress(work: Working, message: Message) -> None:
    named = _erased(work, message)
    bury(work, named, of=message.user_id or "", until=None, reason=SUPPRESSED)


def _erased(work: Working, message: Message) -> list[tuple[IdKind, str]]:
    """Forget the person and say by which identifiers they were known; unknown ones count too."""
    user_id = message.user_id or ""
    named = {(IdKind.USER, user_id)}
    key = work.users.get(user_id)
    if key is not None:
        named |= {(known.kind, known.value) for known in work.identifiers_of(key)}
        forget(work, work.persons[key])
    return sorted(named)


def _upsert_device(work: Working, message: Message) -> None:
    device = _device(message)
    person = person_for(work, message.user_id or "", message.timestamp)
    token = str(device["token"])
    platform = device.get("type")
    work.changes.devices[token] = Device(
        token=token,
        person_key=person.key,
        platform=str(platform) if platform is not None else None,
        attributes=message.data,
        updated_at=message.timestamp,
    )


def _delete_device(work: Working, message: Message) -> None:
    work.changes.devices[str(_device(message)["token"])] = None


def _device(message: Message) -> Mapping[str, JsonValue]:
    device = message.context.get("device")
    return device if isinstance(device, dict) else {}


def object_key(properties: Mapping[str, JsonValue], object_id: object) -> tuple[str, str]:
    """An object's type and id, as text; type 1 where none is given (design §8)."""
    type_id = properties.get("objectTypeId")
    return ("1" if type_id is None else str(type_id), str(object_id))


def _delete_object(work: Working, message: Message) -> None:
    work.changes.things[object_key(message.data, message.data["objectId"])] = None


def _delete_relationship(work: Working, message: Message) -> None:
    key = work.users.get(message.user_id or "")
    if key is not None:
        tie = Relationship(key, *object_key(message.data, message.data["objectId"]))
        work.changes.relationships[tie] = False


def _report(kind: str, subject: str, metric: str) -> Callable[[Working, Message], None]:
    def note(work: Working, message: Message) -> None:
        data = message.data
        work.changes.reports.append(
            Report(
                message_id=message.message_id,
                kind=kind,
                subject=str(data.get(subject, "")),
                metric=str(data.get(metric, "")),
                person=message.user_id,
                timestamp=message.timestamp,
            )
        )

    return note


_EFFECTS: dict[str, Callable[[Working, Message], None]] = {
    ActionName.DELETE_PERSON: _delete,
    ActionName.SUPPRESS_PERSON: _suppress,
    ActionName.UNSUPPRESS_PERSON: unbury,
    ActionName.UPSERT_DEVICE: _upsert_device,
    ActionName.DELETE_DEVICE: _delete_device,
    ActionName.DELETE_OBJECT: _delete_object,
    ActionName.DELETE_RELATIONSHIP: _delete_relationship,
    ActionName.REPORT_DELIVERY: _report("delivery", "deliveryId", "metric"),
    ActionName.REPORT_CONTENT: _report("content", "deliveryId", "actionType"),
}
