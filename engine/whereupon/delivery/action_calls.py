"""The host's actions as values: how they are registered, and what their handlers are asked to do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TypeAlias

from pydantic import BaseModel, JsonValue, ValidationError

from whereupon.messages.codec import encode_canonically
from whereupon.messages.semantic_events import Action
from whereupon.records import Request


@dataclass(frozen=True, slots=True)
class ActionCall:
    """What a handler is asked to do.

    Attributes:
        person: the user id that the message carried.
        properties: the message's, as the action's model; a mapping where it has none.
        idempotency_key: the same for every try, and for the undoing.
        attempt: counts from 1.
    """

    action: str
    person: str | None
    properties: BaseModel | Mapping[str, JsonValue]
    idempotency_key: str
    asked_at: datetime
    attempt: int


Handler: TypeAlias = Callable[[ActionCall], object]
"""Carries out a call; if it raises, the call is tried again (`RetryLater` says when)."""


@dataclass(frozen=True, slots=True)
class Registration:
    """One action of the host's: how it is carried out, and taken back where it can be."""

    action: Action
    handler: Handler
    model: type[BaseModel] | None
    undo: Handler | None
    timeout: timedelta


def fault_finder(model: type[BaseModel]) -> Callable[[Mapping[str, JsonValue]], str]:
    """What is wrong with properties, in words that quote none of them."""

    def fault_in(properties: Mapping[str, JsonValue]) -> str:
        try:
            model.model_validate(dict(properties))
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False, include_context=False)
            places = (".".join(map(str, each["loc"])) or "properties" for each in found)
            return "; ".join(
                f"{place}: {each['type']}" for place, each in zip(places, found, strict=True)
            )
        return ""

    return fault_in


def idempotency_key(request: Request) -> str:
    """32 hexadecimal digits that stand for a request, the same in every process."""
    return sha256(f"{request.action}\n{request.key}".encode()).hexdigest()[:32]


def call_for(request: Request, registration: Registration) -> ActionCall:
    """What a handler is asked to do for a request."""
    data = {} if request.message is None else request.message.data
    properties: BaseModel | Mapping[str, JsonValue] = data
    if registration.model is not None:
        properties = registration.model.model_validate(dict(data))
    return ActionCall(
        action=request.action,
        person=request.person,
        properties=properties,
        idempotency_key=idempotency_key(request),
        asked_at=request.asked_at or request.timestamp,
        attempt=request.attempts + 1,
    )


def audit_facts(request: Request, digest: Callable[[str, str], bytes]) -> dict[str, JsonValue]:
    """What the audit log says of a call, without personal data: names of properties, and a keyed hash."""
    data = dict(request.message.data) if request.message else {}
    hashed = digest("properties", encode_canonically(data).decode("utf-8", "replace")).hex()
    return {
        "idempotency_key": idempotency_key(request),
        "attempt": request.attempts + 1,
        "properties": list[JsonValue](sorted(data)),
        "properties_hash": hashed,
    }
