"""Evidence: what a person is recorded to have done since an instant. Waits, exits and goals ask for it.

A claim brings several messages, which are applied one after another, in the order in which they happened. What
they lead to sees all of them, since they have all happened.
"""

from collections.abc import Mapping
from datetime import datetime
from operator import attrgetter
from typing import Final, Protocol

from pydantic import JsonValue

from whereupon.conditions import ALWAYS, NO_HISTORY, Condition
from whereupon.conditions.same import Same, same_key
from whereupon.decide.batch_state import BatchState
from whereupon.decide.history import Histories, HistoryEvent, event_data, trigger_of
from whereupon.records import NOTHING, Entry


class Awaited(Protocol):
    """An event that something waits for: an arm of a wait, an exit, or a goal."""

    @property
    def event(self) -> str | None:
        """Its name."""
        ...

    @property
    def where(self) -> Condition:
        """Over its properties."""
        ...

    @property
    def same(self) -> Same | None:
        """What ties it to the message that opened the entry."""
        ...


_TIME_AND_KEY: Final = attrgetter("timestamp", "key")


def recorded(work: BatchState, entry: Entry, name: str, since: datetime) -> list[HistoryEvent]:
    """The events of a name that the entry's person is recorded to have done since an instant, in their order.

    The message that opened the entry is not among them, nor what was recorded before it at the same instant.
    """
    place, opened = (entry.person_key, name), (entry.timestamp, entry.message_key)
    found = [
        event
        for events in (work.history.get(place, ()), work.ahead.get(place, ()))
        for event in events
        if event.timestamp >= since and (event.timestamp, event.key) > opened
    ]
    return sorted(found, key=_TIME_AND_KEY) if found else found


def all_events(work: BatchState) -> Histories:
    """The history of the batch's persons, with the events of a claim that are not applied yet."""
    if not work.ahead:
        return work.history
    known = work.history
    return {**known, **{k: [*known.get(k, ()), *coming] for k, coming in work.ahead.items()}}


def holds_for(
    work: BatchState,
    awaited: Awaited,
    properties: Mapping[str, JsonValue],
    happened_at: datetime,
    entry: Entry,
) -> bool:
    """Whether an event of the right name is one that is waited for.

    Args:
        entry: whose opening message the event may have to agree with.
    """
    if awaited.same is not None:
        trigger = trigger_of(entry.facts)
        if not same_key(awaited.same, properties, trigger):
            return False
    if awaited.where is ALWAYS:
        return True
    person = work.persons.get(entry.person_key)
    attributes = NOTHING if person is None else person.attributes
    data = event_data(awaited.where, awaited.event, properties, happened_at, attributes)
    return awaited.where.holds(data, NO_HISTORY)
