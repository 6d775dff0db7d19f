"""What a destructive request is judged by, read from the store.

Ordinary batches do not come here. A batch that does locks the ledger until its transaction ends, so two requests
cannot both be the last one that a limit allows.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from whereupon.decide import GuardSnapshot, Settings, Snapshot, object_key
from whereupon.guards.judge import Policy
from whereupon.messages.model import Message, MessageType
from whereupon.messages.semantic_events import ERASING, Action, ActionName, id_in
from whereupon.messages.times import earlier
from whereupon.ports import Session
from whereupon.records import Breaker, IdKind, Relationship
from whereupon.rules.model import Limit, Scope


def guard_snapshot(
    session: Session,
    settings: Settings,
    loaded: Snapshot,
    messages: Sequence[Message],
    now: datetime | None,
) -> GuardSnapshot:
    """What the guards may look at for the destructive messages of a batch."""
    asked = [(action, m) for m in messages if (action := _asked_for(m, settings, loaded))]
    guards = GuardSnapshot()
    if not asked:
        return guards
    session.lock_requests()
    policies = [settings.policy_on(action.name) for action, _ in asked]
    if any(policy.guards for policy in policies):
        guards.breakers = {breaker.guard: breaker for breaker in session.breakers()}
    _count(guards, session, policies, [message for _, message in asked], now)
    _load_footprints(guards, session, loaded, asked)
    tokens = {
        token
        for action, message in asked
        if action.name == ActionName.DELETE_DEVICE
        and isinstance(device := message.context.get("device"), dict)
        and (token := id_in(device.get("token"))) is not None
    }
    guards.devices = {device.token: device for device in session.devices(tokens)} if tokens else {}
    _load_objects(guards, session, loaded, asked)
    return guards


def _load_objects(
    guards: GuardSnapshot,
    session: Session,
    loaded: Snapshot,
    asked: Sequence[tuple[Action, Message]],
) -> None:
    """The objects and relationships to delete that exist."""
    places, ties = set[tuple[str, str]](), set[Relationship]()
    for action, message in asked:
        if action.name not in {ActionName.DELETE_OBJECT, ActionName.DELETE_RELATIONSHIP}:
            continue
        place = object_key(message.data, message.data.get("objectId"))
        key = loaded.users.get(message.user_id or "")
        if action.name == ActionName.DELETE_OBJECT:
            places.add(place)
        elif key is not None:
            ties.add(Relationship(key, *place))
    guards.objects = session.objects(places) if places else set()
    guards.relationships = session.relationships(ties) if ties else set()


def _asked_for(message: Message, settings: Settings, loaded: Snapshot) -> Action | None:
    registry = settings.registry
    if message.type is MessageType.ALIAS:
        known = message.target_id in loaded.users
        return registry.named(ActionName.MERGE_PEOPLE) if known else None
    if message.type is not MessageType.TRACK or message.name not in registry.guarded:
        return None
    return registry.action_for(message.name)


def _count(
    guards: GuardSnapshot,
    session: Session,
    policies: Sequence[Policy],
    messages: Sequence[Message],
    now: datetime | None,
) -> None:
    """How many requests ran in the window of each limit in question."""
    limits = dict.fromkeys(limit for policy in policies for limit in policy.limits)
    moment = now or min(message.received_at for message in messages)
    if any(limit.share is not None for limit in limits):
        guards.people = session.count_persons()
    for limit in limits:
        since = _since(limit, moment, guards.breakers.get(limit.guard))
        sources: set[str] = {m.source for m in messages} if limit.scope is Scope.SOURCE else {""}
        for source in sources:
            guards.spent[limit, source] = session.count_ran(limit.actions, source, since)


def _since(limit: Limit, now: datetime, breaker: Breaker | None) -> datetime:
    """When the window of a limit begins; what ran before its breaker was closed does not count."""
    since = earlier(now, limit.per)
    if breaker is None or breaker.closed_at is None:
        return since
    return max(since, earlier(breaker.closed_at, timedelta(microseconds=1)))


def _load_footprints(
    guards: GuardSnapshot,
    session: Session,
    loaded: Snapshot,
    asked: Sequence[tuple[Action, Message]],
) -> None:
    """How much data the persons have whom the batch may erase or merge, and what else was asked for them."""
    erased: set[str] = set()
    for action, message in asked:
        if action.name in ERASING and message.user_id is not None:
            erased.add(message.user_id)
            _hold(guards, session, loaded.users.get(message.user_id))
        elif action.name == ActionName.MERGE_PEOPLE:
            _hold(guards, session, loaded.users.get(message.target_id or ""))
    if erased:
        erased |= {i.value for i in loaded.identifiers_of if i.kind is IdKind.USER}
        guards.open_requests = session.open_requests_of(erased)


def _hold(guards: GuardSnapshot, session: Session, key: int | None) -> None:
    if key is not None and key not in guards.footprints:
        guards.footprints[key] = session.footprint(key)
