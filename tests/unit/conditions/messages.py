"""Messages and histories for the tests of conditions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from whereupon.conditions import NO_HISTORY, Condition, JsonValue, Performed, parse_condition
from whereupon.errors import Diagnostic

NOON = "2024-06-30T12:00:00Z"


@dataclass(frozen=True, slots=True)
class Past:
    """A history that knows how often each event happened, and what it was asked."""

    counts: Mapping[str, int] = field(default_factory=dict)
    asked: list[Performed] = field(default_factory=list)

    def count(self, performed: Performed) -> int:
        """Return the number that the event was given."""
        self.asked.append(performed)
        return self.counts.get(performed.event, 0)


def message(
    properties: JsonValue = None, person: JsonValue = None, *, timestamp: JsonValue = NOON
) -> dict[str, JsonValue]:
    """The data of a purchase at noon."""
    return {
        "event": "purchase",
        "type": "track",
        "timestamp": timestamp,
        "context": {},
        "properties": {} if properties is None else properties,
        "person": {} if person is None else person,
    }


def where(raw: JsonValue) -> Condition:
    """The condition of a ``where`` without a diagnostic."""
    condition, diagnostics = parse_condition(raw, root="properties")
    assert diagnostics == ()
    return condition


def who(raw: JsonValue, segments: Mapping[str, JsonValue] | None = None) -> Condition:
    """The condition of a ``who`` without a diagnostic."""
    condition, diagnostics = parse_condition(
        raw, root="person", segments=segments or {}, history_allowed=True
    )
    assert diagnostics == ()
    return condition


def holds(raw: JsonValue, properties: JsonValue) -> bool:
    """Whether a ``where`` holds for a purchase with these properties."""
    return where(raw).holds(message(properties), NO_HISTORY)


def diagnostics_of(
    raw: JsonValue,
    *,
    root: Literal["properties", "person"] = "properties",
    segments: Mapping[str, JsonValue] | None = None,
    history_allowed: bool = False,
) -> tuple[Diagnostic, ...]:
    """The diagnostics of a condition."""
    return parse_condition(
        raw, root=root, segments=segments or {}, history_allowed=history_allowed
    )[1]
