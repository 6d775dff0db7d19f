"""The tracking plan of a folder, against which the names in its files are checked.

A folder describes events in `event:` files, and attributes, channels and the like in its settings. A name that
resembles a known one is an error, since it is misspelt. Any other unknown name of an event or a property
is a warning, since a plan may grow after the rules. The lists of the settings file are complete: any other
attribute, channel, function or secret is an error. Nothing is said about what the folder does not describe.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from whereupon.conditions.paths import path_of
from whereupon.errors import Diagnostic
from whereupon.rules.plan.schema_paths import Schemas, unknown_part
from whereupon.rules.reserved import action_of
from whereupon.rules.rule_reader import Path
from whereupon.rules.spelling import nearest, resembled

OWN_ATTRIBUTES: Final = frozenset(
    {"user_id", "unsubscribed", "topics", "cio_subscription_preferences", "timezone", "locale"}
)
"""The attributes that the engine itself reads. No plan needs to describe them."""


@dataclass(frozen=True, slots=True)
class TrackingPlan:
    """What the folder describes.

    Attributes:
        events: the schemas of the properties of each event that has a file, by the event's name.
        attributes: the schema of each attribute; None if the settings do not say.
        channels, functions, secrets: their names; None if the settings do not say.
    """

    events: Mapping[str, Schemas] = field(default_factory=dict)
    attributes: Schemas | None = None
    channels: tuple[str, ...] | None = None
    functions: tuple[str, ...] | None = None
    secrets: tuple[str, ...] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether the folder describes nothing."""
        told = (self.attributes, self.channels, self.functions, self.secrets)
        return not self.events and all(each is None for each in told)

    # --- names ----------------------------------------------------------------------------------

    def event_diagnostic(self, name: str, path: Path) -> Diagnostic | None:
        """What is wrong with an event's name, or with a beginning of names (``Order *``)."""
        if not self.events or name in self.events or action_of(name) is not None:
            return None
        known = list(self.events)
        if name.endswith("*"):
            start = name[:-1]
            if any(event.startswith(start) for event in known):
                return None
            known = [f"{begun}*" for event in known for begun in _beginnings(event, start)]
        return _unknown(path, "unknown-event", f"no event file describes {name!r}", name, known)

    def attribute_diagnostic(self, name: tuple[str, ...], path: Path) -> Diagnostic | None:
        """What is wrong with the name of an attribute, given by its parts."""
        if self.attributes is None or not name or name[0] in OWN_ATTRIBUTES:
            return None
        unknown = unknown_part(name, self.attributes)
        if unknown is None:
            return None
        part, there = unknown
        hint = _with_a_dot(name, there)
        known = {*there, *OWN_ATTRIBUTES} if there is self.attributes else set(there)
        message = f"the settings have no attribute {part}{hint or nearest(part, sorted(known))}"
        return Diagnostic.at(path, "unknown-attribute", message)

    def channel_diagnostic(self, name: str, path: Path) -> Diagnostic | None:
        """What is wrong with a channel's name."""
        return _not_among(self.channels, "channel", name, "unknown-channel", path)

    def function_diagnostic(self, name: str, path: Path) -> Diagnostic | None:
        """What is wrong with the name of a function."""
        return _not_among(self.functions, "function", name, "unknown-function", path)

    def secret_diagnostic(self, name: str, path: Path) -> Diagnostic | None:
        """What is wrong with the name of a secret."""
        return _not_among(self.secrets, "secret", name, "unknown-secret", path)

    def property_diagnostic(
        self, name: tuple[str, ...], events: Iterable[str], path: Path
    ) -> Diagnostic | None:
        """What is wrong with the name of a property of any of these events, given by its parts."""
        known = self.properties_of(events)
        unknown = None if known is None or not name else unknown_part(name, known)
        if unknown is None:
            return None
        part, there = unknown
        message = f"no event file describes the property {part}"
        hint = _with_a_dot(name, there)
        if hint:
            return Diagnostic.at(path, "unknown-property", f"{message}{hint}")
        return _unknown(path, "unknown-property", message, part, there)

    # --- schemas --------------------------------------------------------------------------------

    def properties_of(self, events: Iterable[str]) -> Schemas | None:
        """The properties of all of these events; None unless each is described, with properties."""
        found: dict[str, JsonValue] = {}
        for name in events:
            described = list(self._described(name))
            if not described or not all(described):
                return None
            for properties in described:
                for each, schema in properties.items():
                    found[each] = schema if found.get(each, schema) == schema else {}
        return found or None

    def _described(self, name: str) -> Iterator[Schemas]:
        """The properties of the events of a name, or of a beginning of names."""
        if name.endswith("*"):
            start = name[:-1]
            yield from (each for event, each in self.events.items() if event.startswith(start))
        elif name in self.events:
            yield self.events[name]


def _not_among(
    known: tuple[str, ...] | None, kind: str, name: str, code: str, path: Path
) -> Diagnostic | None:
    """What is wrong with a name of something that the settings list."""
    if known is None or name in known:
        return None
    said = f"there are {', '.join(known)}" if known else f"there is no {kind} at all"
    hint = nearest(name, known) or f"; {said}"
    whose = "the host has" if kind == "secret" else "the settings have"
    return Diagnostic.at(path, code, f"{whose} no {kind} {name!r}{hint}")


def _beginnings(event: str, like: str) -> Iterator[str]:
    """The beginnings of an event's name that may be meant: up to a gap, or of about the same length."""
    if like and not like[-1].isalnum():
        yield from (event[: gap.end()] for gap in re.finditer(r"[\W_]+", event))
    yield from (event[: len(like) + more] for more in (0, 1, -1))


def _unknown(path: Path, code: str, message: str, name: str, known: Iterable[str]) -> Diagnostic:
    known = list(known)
    meant = resembled(name, known)
    if meant is not None:
        return Diagnostic.at(path, code, f"{message}; did you mean {meant!r}?")
    return Diagnostic.warning_at(path, code, f"{message}{nearest(name, known)}")


def _with_a_dot(name: tuple[str, ...], known: Schemas) -> str:
    """What to write if a known name contains the dots that were read as a path."""
    for start in range(len(name)):
        for end in range(start + 2, len(name) + 1):
            whole = ".".join(name[start:end])
            if whole in known:
                return (
                    f"; its name has a dot, so write {path_of([*name[:start], whole, *name[end:]])}"
                )
    return ""
