"""What must be in the store after a session, and what is: one message beside the other, field by field."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime

import orjson
from pydantic import JsonValue
from tests.clients.session import Call, Json

from whereupon import Engine
from whereupon.messages.times import parse_instant
from whereupon.records import StoredMessage

_MISSING = "(missing)"
_TARGETS = {"group": "groupId", "alias": "previousId"}
_NAMED = ("track", "page", "screen")
TIMES = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")
"""Fields that are compared as instants, since a client writes them in a form of its own."""


def message_of(call: Call) -> Json:
    """The message of the Segment specification that a call makes, without what each client adds."""
    message: Json = {
        "messageId": call.message_id,
        "type": call.type,
        "timestamp": call.timestamp.isoformat(),
    }
    if call.type != "alias":
        message["properties" if call.type in _NAMED else "traits"] = data_of(call)
    optional = {
        "userId": _text(call.user_id),
        "anonymousId": _text(call.anonymous_id),
        "event" if call.type == "track" else "name": call.name,
        "category": call.category,
        _TARGETS.get(call.type, ""): call.target,
        "context": dict(call.context) or None,
    }
    return message | {name: value for name, value in optional.items() if value is not None}


def data_of(call: Call) -> Json:
    """The properties or traits as they are in the store."""
    if call.arrives is not None:
        return dict(call.arrives)
    data: Json = orjson.loads(orjson.dumps(call.data))
    return data


def stored_in(engine: Engine) -> dict[str, StoredMessage]:
    """Every recorded message by its id; fails if one is there twice."""
    with engine.store.session() as session:
        found = [*session.scan(StoredMessage)]
    by_id = {message.message_id: message for message in found}
    assert len(by_id) == len(found), sorted(message.message_id for message in found)
    return by_id


def body_of(message: StoredMessage) -> Json:
    """A recorded message as it is in the store; integers keep all their digits."""
    body: Json = json.loads(message.body)
    return body


def differences(expected: Mapping[str, JsonValue], found: Mapping[str, JsonValue]) -> list[str]:
    """One line for each field in which two messages differ, missing and additional ones too."""
    return [*_differences(expected, found, "")]


def _differences(
    expected: JsonValue | Mapping[str, JsonValue], found: object, at: str
) -> Iterable[str]:
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for name in sorted({*expected, *found}):
            place = f"{at}.{name}" if at else name
            yield from _differences(expected.get(name, _MISSING), found.get(name, _MISSING), place)
    elif not _is_same(expected, found, at):
        yield f"{at}: expected {expected!r}, found {found!r}"


def _is_same(expected: object, found: object, at: str) -> bool:
    if at in TIMES and isinstance(expected, str) and isinstance(found, str):
        return instant(expected) == instant(found)
    return type(expected) is type(found) and expected == found


def instant(text: str) -> datetime:
    """The instant that a text names."""
    read = parse_instant(text)
    assert read is not None, text
    return read


def _text(identifier: str | int | None) -> str | None:
    return None if identifier is None else str(identifier)
