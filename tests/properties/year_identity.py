"""Who a message is of, for the model of a year: people, the devices that they claim, merges. Nothing is the engine's."""

from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from tests.properties.year_clock import DAY, SECOND
from tests.properties.year_rules import Rule
from tests.properties.year_sends import Entry
from tests.properties.year_words import Data, Said

_LATE_WINDOW, _RETENTION = 300 * SECOND, 30 * DAY
_CONSENT = {"unsubscribed", "topics"}
"""Of these the newer word counts, when two become one."""


@dataclass(frozen=True)
class OwnRun:
    """A broadcast's run at each person's own time: the time on the wall, and until when the run is open."""

    rule: Rule
    occasion: str
    wall: str
    closes: int

    def __hash__(self) -> int:
        return hash(self.occasion)


@dataclass(eq=False)
class Person:
    """A person, compared by the identity of the object.

    Attributes:
        traits: a value and when it was said.
        told: their values; None if they are to be looked up anew.
        inside: the watched segments that the person is in.
        past: their own messages that have been applied, in the order in which they happened.
        ahead: those that a claim has brought, and that are applied next.
        fired: what time has asked already, by rule, occasion and moment; several things may wake them at one moment.
        runs: when their turn is in the runs at each person's own time.
        asked: up to when everything that time alone does is done.
        next: when time alone may change something next; None if that is to be computed.
    """

    ids: list[str]
    known_at: int
    traits: dict[str, tuple[Any, int]] = field(default_factory=dict)
    told: Data | None = None
    inside: set[str] = field(default_factory=set)
    past: list[Said] = field(default_factory=list)
    ahead: list[Said] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    fired: set[tuple[str, str, int]] = field(default_factory=set)
    runs: dict[OwnRun, int] = field(default_factory=dict)
    asked: int = 0
    next: int | None = None

    @property
    def values(self) -> Data:
        """The attributes as they are now."""
        if self.told is None:
            self.told = {
                name: value for name, (value, _) in self.traits.items() if value is not None
            }
        return self.told

    @property
    def evidence(self) -> list[Said]:
        """All that is recorded of them, in the order in which it happened."""
        return sorted(self.past + self.ahead, key=attrgetter("at"))

    def was_in(self, rule: Rule, occasion: str) -> bool:
        """Whether the occasion has let them into the rule; if it has not, it may, once their clock shows its time again."""
        return any(e.rule is rule and e.opening.id == occasion for e in self.entries)

    def tell(self, data: Data, at: int) -> None:
        """Set attributes; the newest word on each counts."""
        self.told = None
        for name, value in data.items():
            if name not in self.traits or self.traits[name][1] <= at:
                self.traits[name] = (value, at)

    def add(self, message: Said) -> None:
        """Apply a message to the past."""
        self.past.append(message)
        self.past.sort(key=attrgetter("at"))


class People:
    """The people of a household, and the messages that are nobody's yet."""

    def __init__(self) -> None:
        self.everybody: list[Person] = []
        self.unclaimed: list[Said] = []
        self._claims: list[tuple[int, str, Person]] = []

    def named(self, user: str | None) -> Person | None:
        """The person of a user id."""
        return next((person for person in self.everybody if user in person.ids), None)

    def claim(self, person: Person, message: Said) -> list[Said]:
        """What becomes the person's by a message with the id of a device."""
        if message.device is not None:
            self._claims.append((message.at, message.device, person))
        brought = [m for m in self.unclaimed if self._claimant(m) is person]
        self.unclaimed = [m for m in self.unclaimed if m not in brought]
        for each in brought:
            each.owner = person
        return sorted(brought, key=attrgetter("at"))

    def _claimant(self, message: Said) -> Person | None:
        for at, device, person in sorted(self._claims, key=lambda claim: claim[0]):
            if device == message.device and at >= message.at - _LATE_WINDOW:
                return person if at <= message.at + _RETENTION else None
        return None

    def merge(self, survivor: Person, loser: Person, both: list[Entry]) -> None:
        """Two become one, with the entries of both."""
        survivor.told = None
        for name, (value, at) in loser.traits.items():
            mine = survivor.traits.get(name, ("", 0))
            newer = name in _CONSENT and at > mine[1]
            if value not in (None, "") and (newer or mine[0] in (None, "")):
                survivor.traits[name] = (value, at)
        for run, moment in loser.runs.items():
            survivor.runs[run] = min(moment, survivor.runs.get(run, moment))
        survivor.ids += loser.ids
        survivor.known_at = min(survivor.known_at, loser.known_at)
        survivor.past = sorted(survivor.past + loser.past, key=attrgetter("at"))
        survivor.entries, survivor.fired = both, survivor.fired | loser.fired
        survivor.runs = {
            run: at
            for run, at in survivor.runs.items()
            if not survivor.was_in(run.rule, run.occasion)
        }
        for each in [*survivor.past, *both]:
            setattr(each, "owner" if isinstance(each, Said) else "person", survivor)
        self._claims = [(at, d, survivor if p is loser else p) for at, d, p in self._claims]
        self.everybody.remove(loser)
