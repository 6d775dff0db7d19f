"""What the guards decide about a request by: facts about its person and its object, and its plan."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256

from pydantic import JsonValue

from whereupon.decide.batch_state import BatchState
from whereupon.decide.suppression import suppressions, tombstone_over
from whereupon.guards.judge import Absence, GuardFacts, Policy, Refusal
from whereupon.messages.codec import encode_canonically
from whereupon.messages.model import Message, MessageType, SenderClass
from whereupon.messages.semantic_events import ERASING, Action, ActionName, id_in
from whereupon.messages.times import later
from whereupon.records import Approval, Device, Plan, Relationship, Request
from whereupon.rules.model import Scope


def guard_facts(
    work: BatchState,
    request: Request,
    message: Message,
    policy: Policy,
    approvals: Sequence[Approval],
    plan: Plan | None,
    now: datetime,
) -> GuardFacts:
    """What `judge` decides a request by, as things are now.

    Args:
        plan: what the request would take away now; None if its action is not destructive.
    """
    tombstone = tombstone_over(work, message)
    key = _subject_key(work, message)
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
            work.spent.get((limit, spender(limit.scope, message.source)), 0)
            for limit in policy.limits
        ],
        people=work.guards.people,
        approvals=len({each.actor for each in approvals if each.plan == digest}),
        plan_changed=request.reason == Refusal.PLAN_CHANGED
        or (request.plan is not None and request.plan.digest != digest),
    )


def _subject_key(work: BatchState, message: Message) -> int | None:
    """The key of the person whom a request would take away; of a merge, of the person who is merged."""
    is_merge = message.type is MessageType.ALIAS
    return work.users.get((message.target_id if is_merge else message.user_id) or "")


def _is_theirs(work: BatchState, message: Message) -> bool:
    """Whether a device that is to be deleted belongs to the named person, or to no person."""
    action = work.settings.registry.action_for(message.name)
    if action is None or action.name != ActionName.DELETE_DEVICE:
        return True
    device = _device(work, message)
    return device is None or device.person_key == work.users.get(message.user_id or "")


def _device(work: BatchState, message: Message) -> Device | None:
    """The device that a message asks to delete, of whichever person."""
    token = token_in(device_of(message))
    if token is None:
        return None
    changed = work.changes.devices
    return changed[token] if token in changed else work.guards.devices.get(token)


def _has_object(work: BatchState, place: tuple[str, str]) -> bool:
    """Whether there is an object of that type and id, by now."""
    if place in work.changes.objects:
        return work.changes.objects[place] is not None
    return place in work.changes.named_objects or place in work.guards.objects


def _has_relationship(work: BatchState, tie: Relationship) -> bool:
    """Whether there is that tie, by now."""
    return work.changes.relationships.get(tie, tie in work.guards.relationships)


def _missing(work: BatchState, action: str, message: Message) -> Absence | None:
    """What the message is about, if that does not exist; else None."""
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
            return None if _has_object(work, place) else Absence.OBJECT
        case ActionName.DELETE_RELATIONSHIP:
            if key is None:
                return Absence.PERSON
            tie = Relationship(key, *object_key(message.data, message.data.get("objectId")))
            return None if _has_relationship(work, tie) else Absence.RELATIONSHIP
        case _:
            return None


def spender(scope: Scope, source: SenderClass) -> str:
    """What a limit counts by: the class of sender, or nothing."""
    return source if scope is Scope.SOURCE else ""


def object_key(properties: object, object_id: object) -> tuple[str, str]:
    """An object's type and id, as text; the type is 1 if none is given."""
    given = properties if isinstance(properties, Mapping) else {}
    type_id = next((given[name] for name in _TYPE_IDS if given.get(name) is not None), None)
    return (id_in(type_id) or "1", id_in(object_id) or "")


_TYPE_IDS = ("objectTypeId", "object_type_id")


def device_of(message: Message) -> Mapping[str, JsonValue]:
    """The device in a message's context."""
    device = message.context.get("device")
    return device if isinstance(device, dict) else {}


def token_in(device: Mapping[str, JsonValue]) -> str | None:
    """A device's token, as text; None if there is no token to look up."""
    return id_in(device.get("token"))


def _is_overtaken(work: BatchState, request: Request, message: Message, key: int | None) -> bool:
    """Whether the person did something after the message that would erase them, by more than clocks differ."""
    latest = work.guards.footprints[key].latest if key in work.guards.footprints else None
    if latest is None or request.action not in ERASING:
        return False
    return latest > later(message.timestamp, work.settings.identity.late_window)


def plan_for(work: BatchState, action: Action, message: Message) -> Plan:
    """What the request would take away, by what the store holds now."""
    key = _subject_key(work, message)
    takes = action.name in ERASING or action.name == ActionName.MERGE_PEOPLE
    footprint = work.guards.footprints.get(key) if takes and key is not None else None
    counts = dict(footprint.counts) if footprint else {}
    counts = {name: count for name, count in counts.items() if count}
    if action.name == ActionName.DELETE_DEVICE and _device(work, message) is not None:
        counts["devices"] = 1
    about = [action.name, message.user_id, message.target_id, dict(message.data), counts]
    return Plan(sha256(encode_canonically(about)).hexdigest()[:16], counts)


def current_plan(work: BatchState, request: Request) -> Plan | None:
    """What a waiting request would take away now; None if it has ended."""
    if request.message is None:
        return None
    action = work.settings.registry.asked_for(request.action, request.event)
    return plan_for(work, action, request.message)
