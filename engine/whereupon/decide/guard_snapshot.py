"""What is loaded for the guards of destructive actions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from whereupon.records import Breaker, Device, PersonFootprint, Relationship, Request
from whereupon.rules.model import Limit


@dataclass(kw_only=True, slots=True, eq=False)
class GuardSnapshot:
    """What is loaded for a batch that asks for a destructive action; empty for every other batch.

    Attributes:
        breakers: every breaker that was ever opened, by guard file.
        spent: how many requests ran within the window of each limit, by limit and what it counts by.
        people: how many persons there are.
        footprints: of the persons whom the batch may erase or merge, by key.
        open_requests: requests that wait, about the persons whom the batch may erase.
        devices, objects, relationships: those that exist, of those that the batch may delete.
        near: by an id that no person has, an id that differs by case or white space only.
    """

    breakers: dict[str, Breaker] = field(default_factory=dict)
    spent: dict[tuple[Limit, str], int] = field(default_factory=dict)
    people: int = 0
    footprints: dict[int, PersonFootprint] = field(default_factory=dict)
    open_requests: list[Request] = field(default_factory=list)
    devices: dict[str, Device] = field(default_factory=dict)
    objects: set[tuple[str, str]] = field(default_factory=set)
    relationships: set[Relationship] = field(default_factory=set)
    near: Mapping[str, str] = field(default_factory=dict)


NO_GUARDS: Final = GuardSnapshot()
"""Of every batch that asks for no destructive action."""
