"""What is known of a person now: ids, attributes, segments, consent, devices, ties, and how much there is of them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from whereupon.decide.consent import UNSUBSCRIBED, is_subscribed, says_yes
from whereupon.decide.history import HistoryEvent, HistoryUntil
from whereupon.errors import UnknownNameError
from whereupon.insight.next_moments import NextMoment, next_moments
from whereupon.messages.times import format_instant, from_micros
from whereupon.ports import HistoryNeed, Session
from whereupon.records import Device, Entry, IdKind, Person, Relationship, is_storable
from whereupon.rules.model import Rulebook, Send


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is known of a person.

    Attributes:
        person: the first user id.
        user_ids: every user id, the first one first.
        anonymous_ids: those that the person has claimed.
        known_since: when the first message with a user id of theirs was decided.
        attributes_set_at: when each attribute was sent.
        segments: the segments of the rulebook that the person is in now.
        is_unsubscribed: whether the person wants no marketing at all.
        topics: for each topic of the rules, whether the person is subscribed to it.
        devices: the last that was registered first.
        counts: how many rows the store has of them, by kind; entries without those that a holdout kept out.
        latest: when they did something last.
        moments: when time lets them into rules next, by a date, by silence or by a segment.
    """

    person: str
    user_ids: tuple[str, ...]
    anonymous_ids: tuple[str, ...]
    known_since: datetime
    attributes: Mapping[str, JsonValue]
    attributes_set_at: Mapping[str, datetime]
    segments: tuple[str, ...]
    is_unsubscribed: bool
    topics: Mapping[str, bool]
    devices: Sequence[Device]
    relationships: Sequence[Relationship]
    counts: Mapping[str, int]
    latest: datetime | None
    moments: tuple[NextMoment, ...]


def known_person(session: Session, user_id: str) -> Person:
    """The person with a user id.

    Raises:
        UnknownNameError: nobody has that user id.
    """
    known = session.identifiers([user_id], []) if is_storable(user_id) else []
    found = session.persons([known[0].key]) if known else []
    if not found:
        raise UnknownNameError(kind="person", name=user_id)
    return found[0]


def profile(session: Session, user_id: str, book: Rulebook, now: datetime) -> Profile:
    """What is known of a person at an instant, under a rulebook.

    Raises:
        UnknownNameError: nobody has that user id.
    """
    person = known_person(session, user_id)
    ids = session.identifiers_of([person.key])
    others = sorted(i.value for i in ids if i.kind is IdKind.USER and i.value != person.user_id)
    steps = (step for rule in book.rules for step in rule.route.every_step())
    topics = {step.topic for step in steps if isinstance(step, Send) and step.topic is not None}
    footprint = session.footprint(person.key)
    held_out = sum(1 for entry in session.scan(Entry, person.key) if entry.is_held_out)
    devices = session.scan(Device, person.key)
    ties = session.scan(Relationship, person.key)
    return Profile(
        person=person.user_id,
        user_ids=(person.user_id, *others),
        anonymous_ids=tuple(sorted(i.value for i in ids if i.kind is IdKind.ANONYMOUS)),
        known_since=person.created_at,
        attributes=person.attributes,
        attributes_set_at={name: from_micros(at) for name, at in sorted(person.stamps.items())},
        segments=segments_of(session, person, book, now),
        is_unsubscribed=says_yes(person.attributes.get(UNSUBSCRIBED)),
        topics={topic: is_subscribed(topic, person.attributes) for topic in sorted(topics)},
        devices=sorted(devices, key=lambda each: (each.updated_at, each.token), reverse=True),
        relationships=sorted(ties, key=lambda each: (each.type_id, each.object_id)),
        counts={**footprint.counts, "entries": footprint.counts["entries"] - held_out},
        latest=footprint.latest,
        moments=tuple(next_moments(session, person, book, now)),
    )


def segments_of(session: Session, person: Person, book: Rulebook, now: datetime) -> tuple[str, ...]:
    """The segments of a rulebook that a person is in at an instant, by name."""
    performed = {each.event for s in book.segments.values() for each in s.who.performed}
    need = HistoryNeed(person.key, frozenset(performed), None)
    past: dict[tuple[int, str], list[HistoryEvent]] = defaultdict(list)
    for event in session.history([need]) if performed else ():
        past[event.owner, event.name].append(HistoryEvent(event.timestamp, event.body))
    data: dict[str, JsonValue] = {
        "person": person.attributes,  # type: ignore[dict-item]  # read only
        "timestamp": format_instant(now),
    }
    until = HistoryUntil(past, person.key, now, attributes=person.attributes)
    return tuple(sorted(n for n, s in book.segments.items() if s.who.holds(data, until)))
