"""The history of persons that `performed` conditions count."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from pydantic import JsonValue

from whereupon.conditions import NO_HISTORY, Condition, Performed
from whereupon.conditions.same import same_key
from whereupon.decide.evaluation import Evaluation
from whereupon.messages.model import MessageType, body_data
from whereupon.messages.times import earlier, format_instant
from whereupon.records import NOTHING, PastEvent


@dataclass(slots=True)
class HistoryEvent:
    """One event of a person's history; its properties are decoded when they are first asked for.

    Attributes:
        key: of the recorded message.
        message_id: of the recorded message.
    """

    timestamp: datetime
    text: bytes
    key: int = 0
    message_id: str = ""
    _data: Mapping[str, JsonValue] | None = None

    @classmethod
    def of(cls, evaluation: Evaluation) -> "HistoryEvent":
        """A message of this batch."""
        at, text = evaluation.timestamp, evaluation.text
        return cls(at, text, evaluation.key, evaluation.message_id)

    @property
    def data(self) -> Mapping[str, JsonValue]:
        """The event's properties."""
        if self._data is None:
            self._data = body_data(MessageType.TRACK, self.text)
        return self._data


Histories: TypeAlias = Mapping[tuple[int, str], Sequence[HistoryEvent]]
"""By person key and name, the events of that name."""


def events_of(events: Iterable[PastEvent]) -> dict[tuple[int, str], list[HistoryEvent]]:
    """The events by whose they are and their name."""
    found: dict[tuple[int, str], list[HistoryEvent]] = {}
    for event in events:
        known = HistoryEvent(event.timestamp, event.body, event.key, event.message_id)
        found.setdefault((event.owner, event.name), []).append(known)
    return found


def trigger_of(facts: Mapping[str, object]) -> Mapping[str, JsonValue]:
    """The properties of the message that opened an entry or a run, among what is known of the message."""
    properties = facts.get("properties")
    return properties if isinstance(properties, Mapping) else NOTHING


def event_data(
    where: Condition,
    event: str | None,
    properties: Mapping[str, JsonValue],
    happened_at: datetime,
    attributes: Mapping[str, JsonValue],
) -> dict[str, JsonValue]:
    """What a `where` over an event reads: the event, as of its own time, beside the person as now.

    Args:
        event: its name.
        attributes: the person's.
    """
    data: dict[str, object] = {
        "event": event,
        "properties": dict(properties),
        "person": attributes,
    }
    if any("timestamp" in each.variables for each in where.conjuncts):
        data["timestamp"] = format_instant(happened_at)
    return data  # type: ignore[return-value]  # mappings of JSON, never written to


class HistoryUntil:
    """A person's history up to one instant, by the times of the messages.

    Args:
        trigger: the properties of the message that triggers the rule, with which `same` compares.
        attributes: the person's, whose clock the days in a `where` go by.
    """

    __slots__ = ("_attributes", "_histories", "_person_key", "_trigger", "_until")

    def __init__(
        self,
        histories: Histories,
        person_key: int,
        until: datetime,
        trigger: Mapping[str, JsonValue] = NOTHING,
        attributes: Mapping[str, JsonValue] = NOTHING,
    ) -> None:
        self._trigger = trigger
        self._attributes = attributes
        self._histories = histories
        self._person_key = person_key
        self._until = until

    def count(self, performed: Performed) -> int | None:
        """How many events the condition counts, the present one included; None if a key is missing."""
        if performed.same is not None and performed.same.missing(self._trigger) is not None:
            return None
        events = self._histories.get((self._person_key, performed.event), ())
        return sum(1 for event in events if self._counts(event, performed))

    def until(self, instant: datetime) -> "HistoryUntil":
        """The same person's history up to another instant."""
        known = (self._trigger, self._attributes)
        return HistoryUntil(self._histories, self._person_key, instant, *known)

    def times(self, performed: Performed) -> list[datetime]:
        """The times of the events that the condition may count at some instant, later ones included."""
        if performed.same is not None and performed.same.missing(self._trigger) is not None:
            return []
        events = self._histories.get((self._person_key, performed.event), ())
        return [event.timestamp for event in events if self._is_meant(event, performed)]

    def _counts(self, event: HistoryEvent, performed: Performed) -> bool:
        if event.timestamp > self._until:
            return False
        if performed.within is not None and event.timestamp <= earlier(
            self._until, performed.within
        ):
            return False
        return self._is_meant(event, performed)

    def _is_meant(self, event: HistoryEvent, performed: Performed) -> bool:
        """Whether an event of the right name is one that the condition asks for, whenever it was."""
        if not same_key(performed.same, event.data, self._trigger):
            return False
        if performed.where is None:
            return True
        data = event_data(
            performed.where, performed.event, event.data, event.timestamp, self._attributes
        )
        return performed.where.holds(data, NO_HISTORY)
