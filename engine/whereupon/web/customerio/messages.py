"""Calls of the Track API as messages of the Segment spec, in wire form.

A call that is one thing to its sender becomes one message, or several that go in together. Nothing here asks the
store; what is wrong in the call is a `RefusedError`, what is wrong in a message is told when it is taken.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from pydantic import JsonValue

from whereupon.api.report_calls import report_message
from whereupon.messages.metrics import METRIC_NAMES
from whereupon.messages.semantic_events import BUILT_IN
from whereupon.messages.times import parse_instant
from whereupon.web.customerio.answers import RefusedError
from whereupon.web.customerio.asked import Body, id_at, object_in, objects_in, required_id

Wire: TypeAlias = dict[str, object]

_RESERVED = frozenset(
    {"id", "cio_id", "anonymous_id", "_update", "_timestamp", "cio_relationships"}
)
"""Attributes of an identify that say how it is done, or for which person."""

_EVENT_TYPES = {"event": "track", "page": "page", "screen": "screen"}
_METRICS = frozenset(
    {
        "bounced",
        "clicked",
        "converted",
        "deferred",
        "delivered",
        "dropped",
        "opened",
        "spammed",
        "sent",
    }
)
_SEMANTIC = {event: action.name for action in BUILT_IN for event in action.events}
_INSTEAD = "this API has calls of its own for what that event asks; as an event it is not taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """The ids of a message: a person's, an anonymous one, or both."""

    user_id: str | None = None
    anonymous_id: str | None = None

    def as_wire(self) -> Wire:
        """The fields of a message that say it."""
        ids = {"userId": self.user_id, "anonymousId": self.anonymous_id}
        return {name: value for name, value in ids.items() if value is not None}


# --- people -----------------------------------------------------------------------------------------


def identify(user_id: str, attributes: Body) -> list[Wire]:
    """Set attributes; ``anonymous_id`` claims, and ``cio_relationships`` relate the person to objects."""
    given = attributes.get("id")
    if given is not None and id_at(attributes, "id") != user_id:
        reason = "a person's id cannot be changed; identify the new id, and merge the two people"
        raise RefusedError(code="other-id", reason=reason, field="id")
    if attributes.get("cio_id") is not None:
        reason = "there is no cio_id in whereupon; leave it out"
        raise RefusedError(code="bad-field", reason=reason, field="cio_id")
    who = Who(user_id=user_id, anonymous_id=id_at(attributes, "anonymous_id"))
    said: Wire = {"type": "identify", **who.as_wire(), "traits": traits_of(attributes)}
    return [said | _at(attributes, "_timestamp"), *_relationships_of(user_id, attributes)]


def traits_of(attributes: Body) -> dict[str, JsonValue]:
    """The attributes that are kept of a person."""
    return {name: value for name, value in attributes.items() if name not in _RESERVED}


def event_message(who: Who, body: Body, *, data: str = "data", kind: str | None = None) -> Wire:
    """An event, a page or a screen.

    Args:
        data: the field that holds the properties.
        kind: ``event``, ``page`` or ``screen``; by default as the field ``type`` says.
    """
    said = (body.get("type") or "event") if kind is None else kind
    if not isinstance(said, str) or said not in _EVENT_TYPES:
        reason = f"type must be one of {', '.join(_EVENT_TYPES)}"
        raise RefusedError(code="unknown-type", reason=reason, field="type")
    name = body.get("name")
    if not isinstance(name, str) or not name.strip():
        raise RefusedError(
            code="missing-event", reason="an event needs a name, which is a text", field="name"
        )
    name = name.strip()
    if said == "event" and name in _SEMANTIC:
        raise RefusedError(
            code="semantic-event",
            reason=f"{name!r} asks for {_SEMANTIC[name]}: {_INSTEAD}",
            field="name",
        )
    type_ = _EVENT_TYPES[said]
    message: Wire = {
        "type": type_,
        ("event" if type_ == "track" else "name"): name,
        **who.as_wire(),
        "properties": object_in(body, data),
    }
    message_id = id_at(body, "id")
    own = {} if message_id is None else {"messageId": message_id}
    return message | own | _at(body, "timestamp")


def asking(name: str, user_id: str, properties: Body | None = None, **more: object) -> Wire:
    """A semantic event that asks for an action on a person."""
    return {
        "type": "track",
        "event": name,
        "userId": user_id,
        "properties": dict(properties or {}),
        **more,
    }


def merge_of(survivor: str, loser: str) -> Wire:
    """One person becomes another."""
    return {"type": "alias", "userId": survivor, "previousId": loser}


def add_device(user_id: str, device: Body, *, field: str = "id") -> Wire:
    """Register a device.

    Args:
        field: holds the token.
    """
    value, platform = (
        required_id(device, field, "device."),
        required_id(device, "platform", "device."),
    )
    if parse_instant(device.get("last_used")) is None and device.get("last_used") is not None:
        reason = "device.last_used is not a time; send Unix seconds"
        raise RefusedError(code="bad-timestamp", reason=reason, field="device.last_used")
    rest = {n: v for n, v in device.items() if n not in {field, "platform", "attributes"}}
    about = {"token": value, "type": platform}
    properties = {**rest, **object_in(device, "attributes", "device.")}
    return asking("Device Created or Updated", user_id, properties, context={"device": about})


def delete_device(user_id: str, token: str) -> Wire:
    """Forget a device."""
    return asking("Device Deleted", user_id, context={"device": {"token": token}})


# --- objects ----------------------------------------------------------------------------------------


def object_named(identifiers: Body, place: str) -> Wire:
    """An object's type and id, as properties name them; its type is 1 if none is given."""
    if identifiers.get("cio_object_id") is not None:
        reason = f"there is no cio_object_id in whereupon; send {place}.object_id"
        raise RefusedError(code="unknown-object", reason=reason, field=f"{place}.cio_object_id")
    object_id = required_id(identifiers, "object_id", f"{place}.")
    type_id = id_at(identifiers, "object_type_id", f"{place}.") or "1"
    return {"objectTypeId": type_id, "objectId": object_id}


def relate(who: Who, named: Wire, tie: Body, attributes: Body | None = None) -> Wire:
    """Relate a person to an object, and set the object's attributes.

    Args:
        tie: the attributes of the relationship.
    """
    own = {"relationshipAttributes": dict(tie)} if tie else {}
    traits = {**(attributes or {}), **own, "objectTypeId": named["objectTypeId"]}
    return {"type": "group", **who.as_wire(), "groupId": named["objectId"], "traits": traits}


def put_object(named: Wire, attributes: Body) -> Wire:
    """Set an object's attributes."""
    properties = {**attributes, **named}
    return {"type": "track", "event": "Object Created or Updated", "properties": properties}


def unrelate(user_id: str, named: Mapping[str, object]) -> Wire:
    """Take a person away from an object."""
    return asking("Relationship Deleted", user_id) | {"properties": dict(named)}


def delete_object(named: Mapping[str, object]) -> Wire:
    """Delete an object."""
    return {"type": "track", "event": "Object Deleted", "properties": dict(named)}


class Tie(NamedTuple):
    """A relationship, as a call names it.

    Attributes:
        identifiers: of the object or the person at its other end.
        place: where they stand.
        attributes: of the relationship; they stand in the traits of a ``group`` call, as Customer.io's pipelines have it.
    """

    identifiers: Body
    place: str
    attributes: Body


def relationships_in(body: Body) -> Iterator[Tie]:
    """The relationships that a call names; raises `RefusedError`."""
    for number, each in enumerate(objects_in(body, "cio_relationships")):
        place = f"cio_relationships[{number}]."
        identifiers = object_in(each, "identifiers", place)
        attributes = object_in(each, "relationship_attributes", place)
        yield Tie(identifiers, f"{place}identifiers", attributes)


def _relationships_of(user_id: str, attributes: Body) -> Iterator[Wire]:
    """Of an identify: a list to add, or an object that says whether to add or to delete."""
    given = attributes.get("cio_relationships")
    deletes = False
    if isinstance(given, dict):
        action = given.get("action", "add_relationships")
        if action not in {"add_relationships", "delete_relationships"}:
            reason = "cio_relationships.action must be add_relationships or delete_relationships"
            raise RefusedError(
                code="unknown-action", reason=reason, field="cio_relationships.action"
            )
        deletes, attributes = (
            action == "delete_relationships",
            {"cio_relationships": given.get("relationships")},
        )
    who = Who(user_id=user_id)
    for tie in relationships_in(attributes):
        named = object_named(tie.identifiers, tie.place)
        yield unrelate(user_id, named) if deletes else relate(who, named, tie.attributes)


# --- deliveries -------------------------------------------------------------------------------------


def report_of(
    body: Body, *, delivery: str = "delivery_id", metric: str = "metric", place: str = ""
) -> Wire:
    """What became of a delivery.

    Args:
        delivery: the field that holds the delivery's idempotency key.
        metric: the field that holds the metric.
        place: where the key's field stands.
    """
    key = required_id(object_in(body, place) if place else body, delivery, place and f"{place}.")
    said = body.get(metric)
    if not isinstance(said, str) or said not in METRIC_NAMES or said not in _METRICS:
        reason = f"{metric} must be one of {', '.join(sorted(_METRICS))}"
        raise RefusedError(code="unknown-metric", reason=reason, field=metric)
    reason_said = body.get("reason")
    if not isinstance(reason_said, str | None):
        raise RefusedError(code="bad-field", reason="reason must be a text", field="reason")
    at = parse_instant(body["timestamp"]) if body.get("timestamp") is not None else None
    if at is None and body.get("timestamp") is not None:
        raise RefusedError(
            code="bad-timestamp",
            reason="timestamp is not a time; send Unix seconds",
            field="timestamp",
        )
    made = report_message(key, said, at=at, reason=reason_said)
    return {name: value for name, value in made.items() if value is not None}


def _at(body: Body, name: str) -> Wire:
    value = body.get(name)
    if value is None:
        return {}
    if parse_instant(value) is None:
        raise RefusedError(
            code="bad-timestamp", reason=f"{name} is not a time; send Unix seconds", field=name
        )
    return {"timestamp": value}
