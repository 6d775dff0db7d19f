"""Entities of the Track API, version 2, as messages: by type and action."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import NamedTuple, TypeAlias

from whereupon.messages.codec import JsonError, encode
from whereupon.messages.size_limits import MAX_MESSAGE_BYTES
from whereupon.messages.times import format_instant
from whereupon.web.customerio.answers import RefusedError
from whereupon.web.customerio.asked import Body, flag_in, id_at, object_in, required_id
from whereupon.web.customerio.messages import (
    Tie,
    Who,
    Wire,
    add_device,
    asking,
    delete_device,
    delete_object,
    event_message,
    identify,
    merge_of,
    object_named,
    put_object,
    relate,
    relationships_in,
    report_of,
    traits_of,
    unrelate,
)
from whereupon.web.customerio.persons import Persons, looks_like_email

NO_UPDATE = "nobody has that id, and _update changes only people who are there"


class NothingToDo(Exception):  # noqa: N818 - it is no error
    """An entity asks for nothing as things are; says why."""


class _Entity(NamedTuple):
    body: Body
    persons: Persons
    now: datetime

    @property
    def person(self) -> str:
        """The user id of the person whom it is about."""
        return self.persons.named(object_in(self.body, "identifiers"))

    @property
    def object(self) -> Wire:
        """The object that it is about."""
        return object_named(object_in(self.body, "identifiers"), "identifiers")


_Make: TypeAlias = Callable[[_Entity], list[Wire]]


def messages_of(entity: object, persons: Persons, now: datetime) -> list[Wire]:
    """The messages of one entity.

    Raises:
        RefusedError: it is not one that can be done.
        NothingToDo: there is nobody whom it would change.
    """
    if not isinstance(entity, Mapping):
        raise RefusedError(code="not-an-object", reason="an entity must be a JSON object")
    if _size(entity) > MAX_MESSAGE_BYTES:
        raise RefusedError(
            code="message-too-large", reason=f"an entity has at most {MAX_MESSAGE_BYTES} bytes"
        )
    type_, action = entity.get("type"), entity.get("action")
    actions = _ACTIONS.get(type_) if isinstance(type_, str) else None
    if actions is None:
        reason = f"type must be one of {', '.join(_ACTIONS)}"
        raise RefusedError(code="unknown-type", reason=reason, field="type")
    make = actions.get(action) if isinstance(action, str) else None
    if make is None:
        reason = f"action of a {type_} must be one of {', '.join(actions)}"
        raise RefusedError(code="unknown-action", reason=reason, field="action")
    return make(_Entity(entity, persons, now))


def _size(entity: Body) -> int:
    try:
        return len(encode(entity))
    except JsonError:
        raise RefusedError(
            code="too-deep", reason="the entity nests too many objects and lists"
        ) from None


def identified(user_id: str, attributes: Body, persons: Persons, now: datetime) -> list[Wire]:
    """The messages of an identify.

    With ``_update`` they are of the time before it was asked whether the person is there. So a deletion that comes
    in between is later, and suppresses them. A person who becomes known by an e-mail address has it as an attribute.

    Raises:
        RefusedError: an attribute that says how it is done cannot be read.
        NothingToDo: nobody has the id, and it is an ``_update``.
    """
    made = identify(user_id, attributes)
    if flag_in(attributes, "_update"):
        made[0].setdefault("timestamp", format_instant(now))
        if not persons.is_known(user_id):
            raise NothingToDo(NO_UPDATE)
    elif "email" not in attributes and looks_like_email(user_id) and not persons.is_known(user_id):
        made[0] |= {"traits": {**traits_of(attributes), "email": user_id}}
    return made


# --- people -----------------------------------------------------------------------------------------


def _identify(entity: _Entity) -> list[Wire]:
    beside = ("anonymous_id", "cio_relationships")
    own = {name: entity.body[name] for name in beside if name in entity.body}
    attributes = {**object_in(entity.body, "attributes"), **own}
    if entity.body.get("timestamp") is not None:
        attributes["_timestamp"] = entity.body["timestamp"]
    user_id = entity.persons.to_identify(object_in(entity.body, "identifiers"))
    return identified(user_id, attributes, entity.persons, entity.now)


def _event(kind: str, entity: _Entity) -> list[Wire]:
    identifiers = object_in(entity.body, "identifiers")
    anonymous_id = id_at(entity.body, "anonymous_id") or id_at(
        identifiers, "anonymous_id", "identifiers."
    )
    named = {name: value for name, value in identifiers.items() if name != "anonymous_id"}
    is_anonymous = anonymous_id is not None and not named
    user_id = None if is_anonymous else entity.persons.named(named)
    who = Who(user_id=user_id, anonymous_id=anonymous_id)
    return [event_message(who, entity.body, data="attributes", kind=kind)]


def _asking(event: str, entity: _Entity) -> list[Wire]:
    return [asking(event, entity.person)]


def _merge(entity: _Entity) -> list[Wire]:
    survivor, loser = (
        entity.persons.existing(object_in(entity.body, name), name)
        for name in ("primary", "secondary")
    )
    return [merge_of(survivor, loser)]


def _relate(entity: _Entity) -> list[Wire]:
    who = Who(user_id=entity.person)
    return [relate(who, _object_at(tie), tie.attributes) for tie in _ties_of(entity)]


def _unrelate(entity: _Entity) -> list[Wire]:
    user_id = entity.person
    return [unrelate(user_id, _object_at(tie)) for tie in _ties_of(entity)]


def _object_at(tie: Tie) -> Wire:
    return object_named(tie.identifiers, tie.place)


def _add_device(entity: _Entity) -> list[Wire]:
    return [add_device(entity.person, object_in(entity.body, "device"), field="token")]


def _delete_device(entity: _Entity) -> list[Wire]:
    token = required_id(object_in(entity.body, "device"), "token", "device.")
    return [delete_device(entity.person, token)]


# --- objects ----------------------------------------------------------------------------------------


def _identify_object(entity: _Entity) -> list[Wire]:
    named, attributes = entity.object, object_in(entity.body, "attributes")
    if not entity.body.get("cio_relationships"):
        return [put_object(named, attributes)]
    return [
        relate(_person_at(tie, entity), named, tie.attributes, attributes)
        for tie in _ties_of(entity)
    ]


def _relate_object(entity: _Entity) -> list[Wire]:
    named = entity.object
    return [relate(_person_at(tie, entity), named, tie.attributes) for tie in _ties_of(entity)]


def _unrelate_object(entity: _Entity) -> list[Wire]:
    named = entity.object
    people = [entity.persons.named(tie.identifiers, tie.place) for tie in _ties_of(entity)]
    return [unrelate(user_id, named) for user_id in people]


def _delete_object(entity: _Entity) -> list[Wire]:
    return [delete_object(entity.object)]


def _person_at(tie: Tie, entity: _Entity) -> Who:
    if set(tie.identifiers) == {"anonymous_id"}:
        return Who(anonymous_id=required_id(tie.identifiers, "anonymous_id", f"{tie.place}."))
    return Who(user_id=entity.persons.named(tie.identifiers, tie.place))


def _ties_of(entity: _Entity) -> list[Tie]:
    found = list(relationships_in(entity.body))
    if not found:
        reason = "cio_relationships needs at least one relationship"
        raise RefusedError(code="missing-field", reason=reason, field="cio_relationships")
    return found


# --- deliveries -------------------------------------------------------------------------------------


def _report(entity: _Entity) -> list[Wire]:
    return [report_of(entity.body, delivery="id", metric="name", place="identifiers")]


_ACTIONS: Mapping[str, Mapping[str, _Make]] = {
    "person": {
        "identify": _identify,
        "delete": partial(_asking, "Delete Person"),
        "event": partial(_event, "event"),
        "screen": partial(_event, "screen"),
        "page": partial(_event, "page"),
        "add_relationships": _relate,
        "delete_relationships": _unrelate,
        "add_device": _add_device,
        "delete_device": _delete_device,
        "merge": _merge,
        "suppress": partial(_asking, "Suppress Person"),
        "unsuppress": partial(_asking, "Unsuppress Person"),
    },
    "object": {
        "identify": _identify_object,
        "identify_anonymous": _identify_object,
        "delete": _delete_object,
        "add_relationships": _relate_object,
        "delete_relationships": _unrelate_object,
    },
    "delivery": {"event": _report},
}
