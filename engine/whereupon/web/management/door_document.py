"""The door's part of the OpenAPI document, made of the types of messages and of their limits.

JSON Schema counts characters where the limits count bytes. So a text that is within a schema here may still be refused,
and the answer says why.
"""

from typing import Any, Final

from whereupon.messages.model import NAMED, MessageType, data_key
from whereupon.messages.size_limits import MAX_BATCH_MESSAGES, MAX_MESSAGE_ID_CHARACTERS
from whereupon.messages.wire import (
    MAX_ID_BYTES,
    MAX_NAME_BYTES,
    WITHOUT_PERSON,
)

TAG: Final = "door"
SECURITY: Final = {
    "writeKey": {
        "type": "http",
        "scheme": "basic",
        "description": "The secret of a server's or a client's key as the user, no password. Clients that send no"
        " `Authorization` have it in the body, as `writeKey`.",
    }
}
_SUMMARIES = {
    MessageType.IDENTIFY: "Say who somebody is, and what is known of them.",
    MessageType.TRACK: "Say what somebody did.",
    MessageType.PAGE: "Say which page somebody looked at.",
    MessageType.SCREEN: "Say which screen of an app somebody looked at.",
    MessageType.GROUP: "Say to what somebody belongs.",
    MessageType.ALIAS: "Say that two ids are one person's; the person of `userId` survives.",
}
_EXAMPLES: dict[MessageType, dict[str, object]] = {
    MessageType.IDENTIFY: {"userId": "ada", "traits": {"plan": "pro"}},
    MessageType.TRACK: {"userId": "ada", "event": "purchase", "properties": {"price": 25}},
    MessageType.PAGE: {"anonymousId": "anon-1", "name": "Shop"},
    MessageType.SCREEN: {"anonymousId": "anon-1", "name": "Shop"},
    MessageType.GROUP: {"userId": "ada", "groupId": "acme"},
    MessageType.ALIAS: {"userId": "ada", "previousId": "ada@example.com"},
}
_MEANINGS = {
    200: "Stored, for good; or stored but for those that are named.",
    400: "Nothing is stored: the body cannot be read, or every message is refused.",
    401: "The key is missing, unknown, over, or not for this.",
    404: "There is nothing at this path.",
    405: "This path does not take this method.",
    429: "More came in than may; `Retry-After` says when to try again.",
    500: "The service failed.",
    503: "The store cannot be written now; `Retry-After` says when to try again.",
}
_STATUSES = (400, 401, 429, 500, 503)
_ID: dict[str, Any] = {
    "type": ["string", "number", "null"],
    "maxLength": MAX_ID_BYTES,
    "description": f"At most {MAX_ID_BYTES} bytes.",
}
_OBJECT: dict[str, Any] = {"type": ["object", "null"]}
_TIME: dict[str, Any] = {
    "type": ["string", "number", "null"],
    "description": "ISO 8601, or Unix time.",
}


def door_schemas() -> dict[str, Any]:
    """The schemas of messages, batches and answers, by name."""
    messages = {f"{type_.capitalize()}Message": _message(type_) for type_ in MessageType}
    every = [{"$ref": f"#/components/schemas/{name}"} for name in messages]
    return {
        **messages,
        "Batch": {
            "type": "object",
            "required": ["batch"],
            "properties": {
                "batch": {
                    "type": "array",
                    "maxItems": MAX_BATCH_MESSAGES,
                    "items": {"anyOf": every},
                },
                "sentAt": _TIME,
                "context": _OBJECT,
                "writeKey": {"type": "string"},
            },
        },
        "Stored": {
            "type": "object",
            "required": ["success"],
            "properties": {
                "success": {"const": True},
                "accepted": {"type": "integer"},
                "rejected": {
                    "type": "array",
                    "items": {"$ref": "#/components/schemas/RejectedMessage"},
                },
            },
        },
        "RejectedMessage": {
            "type": "object",
            "required": ["index", "code", "message"],
            "properties": {
                "index": {"type": "integer"},
                "code": {"type": "string"},
                "field": {"type": ["string", "null"]},
                "message": {"type": "string"},
            },
        },
        "DoorProblem": {
            "type": "object",
            "required": ["code", "message", "error"],
            "properties": {
                "code": {"type": "string", "description": "Kebab-case, and for ever."},
                "message": {"type": "string"},
                "error": {"type": "string", "description": "The same as `message`."},
                "accepted": {"type": "integer"},
                "rejected": {
                    "type": "array",
                    "items": {"$ref": "#/components/schemas/RejectedMessage"},
                },
            },
        },
    }


def _message(type_: MessageType) -> dict[str, Any]:
    """The schema of one type of message; other members are kept, too."""
    properties: dict[str, Any] = {
        "userId": _ID,
        "anonymousId": _ID,
        "messageId": {
            "type": ["string", "number", "null"],
            "maxLength": MAX_MESSAGE_ID_CHARACTERS,
            "description": "Makes recording idempotent, for ever.",
        },
        "timestamp": _TIME,
        "sentAt": _TIME,
        "context": _OBJECT,
        data_key(type_): _OBJECT,
        "type": {"enum": [type_.value, None], "description": "The path says it, too."},
    }
    required: list[str] = []
    if type_ in NAMED:
        name = "event" if type_ is MessageType.TRACK else "name"
        properties[name] = {
            "type": "string",
            "maxLength": MAX_NAME_BYTES,
            "description": f"At most {MAX_NAME_BYTES} bytes.",
        }
        required = [name] if type_ is MessageType.TRACK else []
    elif type_ is not MessageType.IDENTIFY:
        target = "groupId" if type_ is MessageType.GROUP else "previousId"
        properties[target] = _ID
        required = [target]
    ids = [["userId"]] if type_ is MessageType.ALIAS else [["userId"], ["anonymousId"]]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "examples": [_EXAMPLES[type_]],
        "anyOf": [{"required": each} for each in ids],
    }
    if type_ is MessageType.TRACK:
        schema["anyOf"].append({"properties": {"event": {"enum": sorted(WITHOUT_PERSON)}}})
    return schema | ({"required": required} if required else {})


def door_paths() -> dict[str, Any]:
    """The paths of the door."""
    paths = {f"/v1/{type_}": {"post": _call(type_)} for type_ in MessageType}
    batch = {"$ref": "#/components/schemas/Batch"}
    example = {"batch": [{"type": "track", **_EXAMPLES[MessageType.TRACK]}]}
    for path, name in (("/v1/batch", "send_batch"), ("/v1/import", "import_batch")):
        summary = "Send many messages, of any type."
        paths[path] = {"post": _operation(name, summary, {**batch, "examples": [example]})}
    paths["/v1/projects/{key}/settings"] = {"get": _settings()}
    return paths


def _call(type_: MessageType) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{type_.capitalize()}Message"}
    short = f" Also at `/v1/{type_.value[0]}`."
    return _operation(f"send_{type_}", _SUMMARIES[type_] + short, schema)


def _operation(name: str, summary: str, schema: dict[str, Any]) -> dict[str, Any]:
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {
        "operationId": name,
        "tags": [TAG],
        "summary": summary,
        "security": [{"writeKey": []}],
        "requestBody": body,
        "responses": {"200": _answer(200, "Stored"), **_refusals(*_STATUSES)},
    }


def _settings() -> dict[str, Any]:
    return {
        "operationId": "get_project_settings",
        "tags": [TAG],
        "summary": "The settings of clients in browsers and apps; the key is a client's.",
        "security": [],
        "parameters": [
            {
                "name": "key",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "minLength": 1},
                "example": "wk_example",
            }
        ],
        "responses": {
            "200": {
                "description": "Where to send messages.",
                "content": {"application/json": {"schema": {"type": "object"}}},
            },
            **_refusals(404, 500),
        },
    }


def _refusals(*statuses: int) -> dict[str, Any]:
    return {str(status): _answer(status, "DoorProblem") for status in statuses}


def _answer(status: int, name: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{name}"}
    answer: dict[str, Any] = {
        "description": _MEANINGS[status],
        "content": {"application/json": {"schema": schema}},
    }
    if status in {429, 503}:
        answer["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return answer
