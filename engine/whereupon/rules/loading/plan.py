"""The tracking plan of a folder, as that to which the names in its files are held.

A folder that describes events (`event:` files), attributes or channels (its settings file) is held to
what it describes. A name that resembles a known one is an error, since it is misspelt and the rule
would never see what it asks for; any other unknown name of an event or a property is a warning, since
a plan may grow after the rules. The lists of the settings file are complete: what is not in them is an
error. Of what the folder does not describe nothing is said.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pydantic import JsonValue

from whereupon.conditions.paths import path_of
from whereupon.errors import Diagnostic, Severity
from whereupon.rules.model import EventPlan, FolderSettings
from whereupon.rules.reserved import action_of
from whereupon.rules.spelling import nearest

Path: TypeAlias = tuple[str | int, ...]
Schemas: TypeAlias = Mapping[str, JsonValue]

OWN_ATTRIBUTES: Final = frozenset(
    {"user_id", "unsubscribed", "topics", "cio_subscription_preferences", "timezone", "locale"}
)
"""The attributes that the engine itself knows: no plan needs to describe them."""

_OF_LISTS: Final = frozenset({"*", "first", "last"})
_SIZES: Final = frozenset({"size", "length"})
_SHORT, _LONG = 4, 10
"""So many letters a name has in which one is wrong, and in which two are."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the folder describes.

    Attributes:
        events: the events that have a file, by name; empty where none has.
        attributes: the schema of each attribute; None where the settings do not say.
        channels: their names; None where the settings do not say.
    """

    events: Mapping[str, EventPlan] = field(default_factory=dict)
    attributes: Schemas | None = None
    channels: tuple[str, ...] | None = None

    @classmethod
    def of(cls, events: Iterable[EventPlan], settings: FolderSettings) -> "Plan":
        """The plan that these event files and settings make."""
        return cls({e.name: e for e in events}, settings.attributes, settings.channels)

    @property
    def is_empty(self) -> bool:
        """Whether the folder describes nothing."""
        return not self.events and self.attributes is None and self.channels is None

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
        message = f"the settings know no attribute {part}{hint or nearest(part, sorted(known))}"
        return Diagnostic.at(path, "unknown-attribute", message)

    def channel_diagnostic(self, name: str, path: Path) -> Diagnostic | None:
        """What is wrong with a channel's name."""
        if self.channels is None or name in self.channels:
            return None
        hint = nearest(name, self.channels) or f"; there are {', '.join(self.channels)}"
        return Diagnostic.at(
            path, "unknown-channel", f"the settings know no channel {name!r}{hint}"
        )

    def property_diagnostic(
        self, name: tuple[str, ...], events: Iterable[str], path: Path
    ) -> Diagnostic | None:
        """What is wrong with the name of a property of any of these events, given by its parts."""
        known = self.properties_of(events)
        unknown = None if known is None or not name else unknown_part(name, known)
        if unknown is None:
            return None
        part, there = unknown
        message = f"no event file knows the property {part}"
        hint = _with_a_dot(name, there)
        if hint:
            return Diagnostic.at(path, "unknown-property", f"{message}{hint}")
        return _unknown(path, "unknown-property", message, part, there)

    # --- schemas --------------------------------------------------------------------------------

    def properties_of(self, events: Iterable[str]) -> Schemas | None:
        """The properties of all of these events; None unless each is described, with properties."""
        found: dict[str, JsonValue] = {}
        names = list(events)
        for name in names:
            plans = list(self._described(name))
            if not plans or not all(plan.properties for plan in plans):
                return None
            for plan in plans:
                for each, schema in plan.properties.items():
                    found[each] = schema if found.get(each, schema) == schema else {}
        return found or None

    def _described(self, name: str) -> Iterator[EventPlan]:
        if name.endswith("*"):
            yield from (p for p in self.events.values() if p.name.startswith(name[:-1]))
        elif name in self.events:
            yield self.events[name]


def _beginnings(event: str, like: str) -> Iterator[str]:
    """How an event's name begins, as far as what resembles it may reach: to a gap, or to its length."""
    if like and not like[-1].isalnum():
        yield from (event[: gap.end()] for gap in re.finditer(r"[\W_]+", event))
    yield from (event[: len(like) + more] for more in (0, 1, -1))


def unknown_part(name: tuple[str, ...], known: Schemas) -> tuple[str, Schemas] | None:
    """The part of a path that the schemas do not know, with those that are there; None for none."""
    there: Schemas = known
    for place, part in enumerate(name):
        if part not in there:
            return part, there
        inner = _schemas_below(there[part], name[place + 1 :])
        if inner is None:
            return None
        skipped, there = inner
        if skipped:
            return unknown_part(name[place + 1 + skipped :], there)
    return None


def schema_at(name: tuple[str, ...], known: Schemas) -> JsonValue:
    """The schema of the value at a path; None where nothing describes it."""
    schema: JsonValue = None
    there: Schemas = known
    for place, part in enumerate(name):
        schema = there.get(part)
        inner = _schemas_below(schema, name[place + 1 :])
        if inner is None:
            return schema if place == len(name) - 1 else None
        skipped, there = inner
        if skipped:
            return schema_at(name[place + 1 + skipped :], there)
    return schema


def _schemas_below(schema: JsonValue, rest: tuple[str, ...]) -> tuple[int, Schemas] | None:
    """What a value has in it, behind so many parts that say which items; None where nobody says."""
    skipped = 0
    while isinstance(schema, dict) and skipped < len(rest) and _is_place(rest[skipped], schema):
        schema, skipped = schema.get("items"), skipped + 1
    if not isinstance(schema, dict) or schema.get("additionalProperties"):
        return None
    below = schema.get("properties")
    if not isinstance(below, dict) or not below or len(rest) == skipped:
        return None
    return None if rest[skipped] in _SIZES else (skipped, below)


def _is_place(part: str, schema: Schemas) -> bool:
    return "items" in schema and (part in _OF_LISTS or part.isdecimal())


# --- names that resemble each other -----------------------------------------------------------------


def resembled(name: str, known: Iterable[str]) -> str | None:
    """The known name of which this one is a misspelling; None where it is a name of its own.

    Case, spaces and signs count for nothing, digits for all: Step 1 and Step 2 are two names.
    """
    letters, digits = _letters(name), _digits(name)
    best: tuple[int, str] | None = None
    for other in known:
        if _digits(other) != digits:
            continue
        against = _letters(other)
        most = _allowed(letters, against)
        distance = _distance(letters, against, most)
        if distance <= most and (best is None or distance < best[0]):
            best = distance, other
    return None if best is None else best[1]


def _allowed(letters: str, against: str) -> int:
    """How many letters may be wrong: more in a long name, and where they only changed places."""
    if len(letters) < _SHORT:
        return 0
    return 2 if len(letters) >= _LONG or sorted(letters) == sorted(against) else 1


def _unknown(path: Path, code: str, message: str, name: str, known: Iterable[str]) -> Diagnostic:
    known = list(known)
    meant = resembled(name, known)
    if meant is not None:
        return Diagnostic.at(path, code, f"{message}; did you mean {meant!r}?")
    return Diagnostic.at(path, code, f"{message}{nearest(name, known)}", Severity.WARNING)


def _with_a_dot(name: tuple[str, ...], known: Schemas) -> str:
    """What to write where a known name has the dots that were read as a path."""
    for start in range(len(name)):
        for end in range(start + 2, len(name) + 1):
            whole = ".".join(name[start:end])
            if whole in known:
                return (
                    f"; its name has a dot, so write {path_of([*name[:start], whole, *name[end:]])}"
                )
    return ""


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _digits(name: str) -> list[str]:
    return re.findall(r"\d+", name)


def _distance(one: str, other: str, most: int) -> int:
    """How many letters are wrong, missing, too many or in each other's place; beyond ``most`` more than it."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        row = [i]
        for j, against in enumerate(other, start=1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != against))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == against:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]
