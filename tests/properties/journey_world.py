"""Whose a message is, for the model of journeys: people, devices that they claim, and merges.

It is the model of identity (see `identity_model`) without what journeys do not ask about: nobody is deleted, and of
two claims of a device the earlier one arrives first. Times are whole seconds.
"""

from dataclasses import dataclass, field
from typing import Any

MINUTE, HOUR, DAY = 60, 3600, 86400
LATE_WINDOW, RETENTION = 5 * MINUTE, 30 * DAY
Data = dict[str, Any]


@dataclass(eq=False)
class Person:
    """A person, compared by the identity of the object; a trait is its value and when it was said."""

    ids: list[str]
    traits: dict[str, tuple[Any, int]] = field(default_factory=dict)

    @property
    def values(self) -> Data:
        """The attributes as they are now."""
        return {name: value for name, (value, _) in self.traits.items()}

    def say(self, data: Data, at: int) -> None:
        """Set attributes; the newest word on each counts."""
        for name, value in data.items():
            if name not in self.traits or self.traits[name][1] <= at:
                self.traits[name] = (value, at)


@dataclass(eq=False)
class Message:
    """A message: its event, or else its type; ``at`` is when it happened."""

    id: str
    name: str
    user: str | None
    device: str | None
    data: Data
    at: int
    owner: Person | None = None


class People:
    """Everybody, and every message in the order of arrival."""

    def __init__(self) -> None:
        self.everybody: list[Person] = []
        self.messages: list[Message] = []
        self._claims: list[tuple[int, str, Person]] = []

    def named(self, user: str) -> Person | None:
        """The person of a user id."""
        return next((p for p in self.everybody if user in p.ids), None)

    def of(self, person: Person | None) -> list[Message]:
        """A person's messages in the order in which they happened."""
        return sorted((m for m in self.messages if m.owner is person), key=lambda m: m.at)

    def after(self, opening: Message, messages: list[Message]) -> list[Message]:
        """Those that happened after the opening message; of one instant, those recorded after it."""
        place = self.messages.index
        return [m for m in messages if (m.at, place(m)) > (opening.at, place(opening))]

    def record(self, message: Message) -> list[Message]:
        """Keep a message; return those that become somebody's by it, in the order in which they happened."""
        self.messages.append(message)
        if message.user is not None:
            person = self.named(message.user) or Person([message.user])
            self.everybody += [] if person in self.everybody else [person]
            message.owner = person
            if message.name == "identify":
                person.say(message.data, message.at)
            if message.device is not None:
                self._claims.append((message.at, message.device, person))
        brought = [m for m in self.messages if m.owner is None and self._claimant(m)]
        for each in brought:
            each.owner = self._claimant(each)
        own = [message] if message.user is not None else []
        return sorted(brought + own, key=lambda m: m.at)

    def _claimant(self, message: Message) -> Person | None:
        """Whoever claimed the device first, after the message or a little before it."""
        for at, device, person in sorted(self._claims, key=lambda claim: claim[0]):
            if device == message.device and at >= message.at - LATE_WINDOW:
                return person if at <= message.at + RETENTION else None
        return None

    def merge(self, survivor: Person, loser: Person) -> None:
        """Two persons become one; an attribute of the loser's fills an empty one."""
        self.everybody.remove(loser)
        survivor.ids += loser.ids
        for name, said in loser.traits.items():
            is_free = survivor.traits.get(name, ("", 0))[0] in (None, "")
            if is_free and said[0] not in (None, ""):
                survivor.traits[name] = said
        for message in self.of(loser):
            message.owner = survivor
        self._claims = [(at, d, survivor if p is loser else p) for at, d, p in self._claims]
