"""Running the steps of an entry: from where it stands to its next wait or its end.

Pure: what the steps ask for comes back as effects, in order; carrying them out is the fold's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import lru_cache
from hashlib import blake2b
from typing import TypeAlias

from pydantic import JsonValue

from whereupon.decide.consent import reason_to_withhold
from whereupon.messages.codec import read_object
from whereupon.messages.times import format_local, later
from whereupon.records import (
    Delivery,
    DeliveryState,
    EndReason,
    Entry,
    EntryEnd,
    EntryState,
    Person,
)
from whereupon.rules.model import Leave, Rule, Send, SetAttributes, TrackEvent, Wait
from whereupon.templates import Content, TemplateError, render_content

ENTRANT = "entrant"
"""Among an entry's facts once its person was merged: the user id by which they had entered."""


@dataclass(frozen=True, slots=True)
class Said:
    """A message that a step sends into the engine: a ``track``, or the identify of a ``set``.

    Attributes:
        event: the event's name; None for an identify.
        message_id: the same however often the step is run again.
    """

    event: str | None
    data: Mapping[str, JsonValue]
    message_id: str


@dataclass(frozen=True, slots=True)
class StepFailed:
    """A step could not be done (a template's variable is missing); the entry goes on."""

    position: int
    reason: str


_Facts: TypeAlias = Mapping[str, JsonValue]
Effect: TypeAlias = Delivery | Said | StepFailed


def advance(entry: Entry, rule: Rule, person: Person, now: datetime) -> tuple[Entry, Effect | None]:
    """Do the entry's next step.

    Returns:
        The entry behind that step (with a due time if it now waits, ended if it left or sent its
        last), and what the step asks for. A `Delivery` comes without a key of the store.
    """
    if entry.position >= len(rule.steps):
        return end(entry, EntryEnd(EndReason.COMPLETED, now)), None
    step, behind = rule.steps[entry.position], entry.position + 1
    match step:
        case Send():
            sent = _send(step, entry, person, now, rule.zone)
            if behind == len(rule.steps):
                return end(entry, EntryEnd(EndReason.COMPLETED, now), position=behind), sent
            return _at(entry, behind, now), sent
        case Wait():
            return _at(entry, behind, later(now, step.duration)), None
        case Leave():
            return end(entry, EntryEnd(EndReason.STEP, now), position=behind), None
        case SetAttributes(attributes):
            return _at(entry, behind, now), _say(None, attributes, entry, person, now, rule.zone)
        case TrackEvent(event, properties):
            return _at(entry, behind, now), _say(event, properties, entry, person, now, rule.zone)
        case _:
            raise TypeError(step)


def _at(entry: Entry, position: int, due_at: datetime) -> Entry:
    return entry.moved(position, due_at)


def end(entry: Entry, ended: EntryEnd, *, position: int | None = None) -> Entry:
    """The entry, ended; a slot that only guarded its running is free again.

    Args:
        position: where it ends, if not where it stands.
    """
    slot = None if entry.slot == "active" else entry.slot
    state = _STATES.get(ended.reason, EntryState.EXITED)
    return entry.over(slot, state, entry.position if position is None else position, ended)


_STATES: Mapping[str, EntryState] = {
    EndReason.COMPLETED: EntryState.COMPLETED,
    EndReason.FAILED: EntryState.FAILED,
}


def keys_behind(entry: Entry, name: str) -> list[str]:
    """The idempotency keys of the steps that an entry has behind it.

    Args:
        entry: also one whose person was merged.
        name: the first user id of whose it is, or was before a merge.
    """
    entrant = str(read_object(entry.facts).get(ENTRANT, name))
    return [_key_of(entry, entrant, position) for position in range(entry.position)]


def _key(entry: Entry, facts: _Facts, person: Person) -> str:
    """The idempotency key of the entry's next step: 32 hexadecimal digits of a hash.

    It depends on the rule, what opened the entry, who entered and the step alone, so that every try,
    every machine and every store gives the same, before and after a merge.
    """
    return _key_of(entry, str(facts.get(ENTRANT, person.user_id)), entry.position)


def _key_of(entry: Entry, entrant: str, position: int) -> str:
    parts = (entry.rule, entry.occasion, entrant, str(position))
    return blake2b("\x1f".join(parts).encode("utf-8", "replace"), digest_size=16).hexdigest()


def _send(step: Send, entry: Entry, person: Person, now: datetime, zone: tzinfo) -> Delivery:
    facts = read_object(entry.facts)
    reason = reason_to_withhold(person.attributes, step.kind, step.topic)
    content: dict[str, JsonValue] = {}
    if reason is None:
        try:
            content = _rendered(step.content, facts, person, now, zone)
        except TemplateError as error:
            reason = f"template: {error}"
    return Delivery(
        key=0,
        idempotency_key=_key(entry, facts, person),
        rule=entry.rule,
        person_key=person.key,
        person=person.user_id,
        channel=step.channel,
        due_at=now,
        content=content,
        recipient=person.attributes,
        state=DeliveryState.PENDING if reason is None else DeliveryState.WITHHELD,
        reason=reason,
        occasion=entry.occasion,
        kind=step.kind,
        topic=step.topic,
    )


def _say(
    event: str | None,
    content: Content,
    entry: Entry,
    person: Person,
    now: datetime,
    zone: tzinfo,
) -> Effect:
    facts = read_object(entry.facts)
    try:
        data = _rendered(content, facts, person, now, zone)
    except TemplateError as error:
        return StepFailed(entry.position, f"template: {error}")
    return Said(event, data, f"step-{_key(entry, facts, person)}")


def _rendered(
    content: Content, facts: _Facts, person: Person, now: datetime, zone: tzinfo
) -> dict[str, JsonValue]:
    """The content with what is known filled in; the engine's own names hide attributes called the same."""
    data: dict[str, JsonValue] = {
        **facts,
        "person": {**person.attributes, "user_id": person.user_id},
        "now": _written(now, zone),
    }
    return render_content(content, data, zone=zone)


@lru_cache(maxsize=64)
def _written(now: datetime, zone: tzinfo) -> str:
    """One instant is that of many entries' steps."""
    return format_local(now, zone)
