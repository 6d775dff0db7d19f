"""The workload as a shop writes it with an ORM: dedupe, persons, claims, entries with re-entry, an outbox.

What is decided against is not stored.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from matchers import Matcher, Properties, Rule
from shop_tables import Entry, Event, Outbox, Person, opened
from sqlalchemy import select
from sqlalchemy.orm import Session

WEEK = timedelta(days=7)


def ingest(texts: Sequence[bytes], match: Matcher, path: str, size: int) -> int:
    """Take the messages, so many in a transaction; gives how often rules let somebody in."""
    engine, entered = opened(path), 0
    for first in range(0, len(texts), size):
        with Session(engine) as session:
            for text in texts[first : first + size]:
                entered += _take(session, text, match)
            session.commit()
    engine.dispose()
    return entered


def _take(session: Session, text: bytes, match: Matcher) -> int:
    message = json.loads(text)
    known = select(Event.id).where(Event.message_id == message["messageId"])
    if session.execute(known).first():
        return 0
    person = _person(session, message.get("userId"))
    event = Event(
        message_id=message["messageId"],
        type=message["type"],
        name=message.get("event", ""),
        person_id=person.id if person else None,
        anonymous_id=message.get("anonymousId"),
        at=datetime.fromisoformat(message["timestamp"]).astimezone(UTC).replace(tzinfo=None),
        body=text.decode(),
    )
    session.add(event)
    session.flush()
    if person is None:
        return 0
    if event.type != "identify":
        return _let_in(session, event, person, message["properties"], match)
    person.traits = json.dumps({**json.loads(person.traits), **message["traits"]})
    return _claim(session, event.anonymous_id, person, match)


def _person(session: Session, user_id: str | None) -> Person | None:
    if not user_id:
        return None
    person = session.execute(select(Person).where(Person.user_id == user_id)).scalar_one_or_none()
    if person is None:
        person = Person(user_id=user_id, traits="{}")
        session.add(person)
        session.flush()
    return person


def _claim(session: Session, device: str | None, person: Person, match: Matcher) -> int:
    entered = 0
    if device:
        waiting = select(Event).where(Event.anonymous_id == device, Event.person_id.is_(None))
        for event in session.execute(waiting.order_by(Event.at)).scalars().all():
            event.person_id = person.id
            properties = json.loads(event.body).get("properties", {})
            entered += _let_in(session, event, person, properties, match)
    return entered


def _let_in(
    session: Session, event: Event, person: Person, properties: Properties, match: Matcher
) -> int:
    entered = 0
    for rule in match(event.name, properties):
        if not _may_enter(session, person, rule, event.at):
            continue
        key, name = f"{rule['campaign']}:{event.message_id}", rule["campaign"]
        content = json.dumps({"title": "Thanks!", "body": f"Size {properties['size']}."})
        session.add(Entry(rule=name, person_id=person.id, event_id=event.id, at=event.at))
        session.add(Outbox(key=key, channel="push", content=content))
        entered += 1
    return entered


def _may_enter(session: Session, person: Person, rule: Rule, at: datetime) -> bool:
    if not isinstance(rule["reentry"], dict):
        return True
    lately = select(Entry.id).where(Entry.person_id == person.id, Entry.rule == rule["campaign"])
    return session.execute(lately.where(Entry.at > at - WEEK).limit(1)).first() is None
