"""Semantic events: event names that ask for an action, and names that resemble them.

A name must match exactly in case and spelling. Integrations send both the spelling of the client
documentation and that of the API schema, so both are listed. An event with a similar name is an ordinary
event; a notice reports the similarity.
"""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from functools import lru_cache

from pydantic import JsonValue

from whereupon.messages.metrics import CLIENT_METRICS, METRIC_NAMES
from whereupon.messages.wire import digits_of


class ActionName(StrEnum):
    """The built-in actions."""

    DELETE_PERSON = "Delete Person"
    SUPPRESS_PERSON = "Suppress Person"
    UNSUPPRESS_PERSON = "Unsuppress Person"
    UPSERT_DEVICE = "Create or Update Device"
    DELETE_DEVICE = "Delete Device"
    UPSERT_OBJECT = "Create or Update Object"
    DELETE_OBJECT = "Delete Object"
    DELETE_RELATIONSHIP = "Delete Relationship"
    REPORT_DELIVERY = "Report Delivery Event"
    REPORT_CONTENT = "Report Content Event"
    MERGE_PEOPLE = "Merge People"


@dataclass(frozen=True, slots=True)
class Action:
    """One action of the registry.

    Attributes:
        events: the exact semantic event names; none if another call asks for the action (alias).
        needs_user: whether the message itself must carry the user id that the action is about.
        needs: paths that the message must have, such as ``properties.objectId``.
        destructive: whether data are lost, so that guards judge the action.
        fault_in: returns what is wrong with the properties of a message, in words that do not quote
            them; empty if nothing is wrong.
        handled: whether a function of the host performs the action.
        server_fault: returns why only a server may ask for it with these properties; empty if anybody may.
    """

    name: str
    events: tuple[str, ...]
    needs_user: bool = True
    needs: tuple[tuple[str, ...], ...] = ()
    destructive: bool = True
    fault_in: Callable[[Mapping[str, JsonValue]], str] | None = None
    handled: bool = False
    server_fault: Callable[[Mapping[str, JsonValue]], str] | None = None


def id_in(value: object) -> str | None:
    """An id in the properties or the context of a message, as text; None if the value is not an id.

    It is a text or a number, as are the ids of the message itself. A text with a NUL is not an id, since no
    database can look it up.
    """
    if isinstance(value, str):
        return (value.strip() or None) if "\0" not in value else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return digits_of(value)


_TOKEN = ("context", "device", "token")
_OBJECT = ("properties", "objectId")


def _report_fault(properties: Mapping[str, JsonValue]) -> str:
    metric = properties.get("metric")
    if not isinstance(metric, str) or metric not in METRIC_NAMES:
        return f"properties.metric must be one of {', '.join(sorted(METRIC_NAMES))}"
    for name in ("permanent", "consent"):
        if not isinstance(properties.get(name, True), bool):
            return f"properties.{name} must be true or false"
    if not isinstance(properties.get("reason", ""), str | None):
        return "properties.reason must be a text"
    return ""


def _server_report(properties: Mapping[str, JsonValue]) -> str:
    metric = properties.get("metric")
    if isinstance(metric, str) and METRIC_NAMES.get(metric) in CLIENT_METRICS:
        return ""
    return f"only a server may report it; a client reports {', '.join(sorted(CLIENT_METRICS))}"


def _object_type_fault(properties: Mapping[str, JsonValue]) -> str:
    kind = properties.get("objectTypeId")
    if kind is None or id_in(kind) is not None:
        return ""
    return "properties.objectTypeId must be a text or a number"


BUILT_IN = (
    Action(ActionName.DELETE_PERSON, ("Delete Person", "User Deleted")),
    Action(ActionName.SUPPRESS_PERSON, ("Suppress Person", "User Suppressed")),
    Action(ActionName.UNSUPPRESS_PERSON, ("Unsuppress Person", "User Unsuppressed")),
    Action(
        ActionName.UPSERT_DEVICE,
        ("Device Created or Updated",),
        needs=(_TOKEN,),
        destructive=False,
    ),
    Action(ActionName.DELETE_DEVICE, ("Delete Device", "Device Deleted"), needs=(_TOKEN,)),
    Action(
        ActionName.UPSERT_OBJECT,
        ("Object Created or Updated",),
        needs_user=False,
        needs=(_OBJECT,),
        destructive=False,
        fault_in=_object_type_fault,
        server_fault=lambda _: "only a server may change an object without its people",
    ),
    Action(
        ActionName.DELETE_OBJECT,
        ("Delete Object", "Object Deleted"),
        needs_user=False,
        needs=(_OBJECT,),
        fault_in=_object_type_fault,
    ),
    Action(
        ActionName.DELETE_RELATIONSHIP,
        ("Delete Relationship", "Relationship Deleted"),
        needs=(_OBJECT,),
        fault_in=_object_type_fault,
    ),
    Action(
        ActionName.REPORT_DELIVERY,
        ("Report Delivery Event",),
        needs_user=False,
        needs=(("properties", "deliveryId"), ("properties", "metric")),
        destructive=False,
        fault_in=_report_fault,
        server_fault=_server_report,
    ),
    Action(
        ActionName.REPORT_CONTENT,
        ("Report Content Event",),
        needs_user=False,
        needs=(("properties", "actionType"),),
        destructive=False,
    ),
    Action(ActionName.MERGE_PEOPLE, ()),
)

ERASING = frozenset({ActionName.DELETE_PERSON, ActionName.SUPPRESS_PERSON})
"""The actions that erase a person."""

LIFTING = ActionName.UNSUPPRESS_PERSON
"""The action that lifts tombstones. Suppression applies neither to it nor to the actions of `ERASING`."""


class Registry:
    """Actions by the event names that ask for them. It is a value: adding an action gives a new registry.

    Attributes:
        audited, erasing, guarded, lifting, reporting: the event names that ask for what the audit log records; for
            persons to be erased; for something destructive; to lift tombstones; and for reports of deliveries.
    """

    __slots__ = (
        "_by_event",
        "_by_name",
        "_normalized",
        "actions",
        "audited",
        "erasing",
        "guarded",
        "lifting",
        "near_miss",
        "reporting",
    )

    def __init__(self, actions: tuple[Action, ...] = BUILT_IN) -> None:
        self.actions = actions
        self._by_event = {event: action for action in actions for event in action.events}
        self.erasing = frozenset(
            event for event, action in self._by_event.items() if action.name in ERASING
        )
        self._by_name = {action.name: action for action in actions}
        self.guarded = frozenset(
            event for event, action in self._by_event.items() if action.destructive
        )
        self.audited = frozenset(
            event
            for event, action in self._by_event.items()
            if action.destructive or action.handled
        )
        self.lifting = frozenset(
            event for event, action in self._by_event.items() if action.name == LIFTING
        )
        self.reporting = frozenset(
            event
            for event, action in self._by_event.items()
            if action.name == ActionName.REPORT_DELIVERY
        )
        self._normalized = {normalized(event): event for event in self._by_event}
        self.near_miss = lru_cache(maxsize=4096)(
            self._near_miss
        )  # the same names come again and again

    def action_for(self, event: str) -> Action | None:
        """The action that this exact event name asks for."""
        return self._by_event.get(event)

    def named(self, name: str) -> Action:
        """The action with that name; raises `KeyError`."""
        return self._by_name[name]

    def asked_for(self, name: str, event: str) -> Action:
        """The action with that name; if it is not registered here, an action that the host performs."""
        known = self._by_name.get(name)
        if known is not None:
            return known
        return Action(name, (event,), needs_user=False, handled=True)

    def with_action(self, action: Action) -> "Registry":
        """A registry with one more action; raises `ValueError` if its name or one of its events is in use."""
        used = {name for each in self.actions for name in (each.name, *each.events)}
        for name in (action.name, *action.events):
            if name in used:
                message = f"there is an action {name!r} already"
                raise ValueError(message)
        return Registry((*self.actions, action))

    def _near_miss(self, event: str) -> str | None:
        """The semantic event name that the name of an ordinary event resembles, if there is one."""
        if event in self._by_event:
            return None
        flat = normalized(event)
        if exact := self._normalized.get(flat):
            return exact
        close = get_close_matches(flat, self._normalized, n=1, cutoff=0.9)
        return self._normalized[close[0]] if close else None


# Letters of other alphabets that look like Latin letters, and that NFKD does not change.
_LOOK_ALIKES = str.maketrans("аеорсухіјѕԁɡνтпԛѡ", "aeopcyxijsdgvtnqw")


def normalized(name: str) -> str:
    """A name without its case, spaces, punctuation and accents, and with Latin letters for look-alikes."""
    flat = unicodedata.normalize("NFKD", name).casefold().translate(_LOOK_ALIKES)
    return "".join(letter for letter in flat if letter.isalnum())
