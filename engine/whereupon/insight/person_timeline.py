"""What happened to a person, newest first: messages and moments, what each of them led to in sentences."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeAlias

from whereupon.insight.clauses import subject_of
from whereupon.insight.explanations import Explanation, explain, without_repeats
from whereupon.insight.person_profile import known_person
from whereupon.insight.redecision import DecidedAgain
from whereupon.ports import Session
from whereupon.records import Delivery, Entry, Person, Skips, StoredMessage, TimeSkip
from whereupon.rules.model import Rulebook

Verdict: TypeAlias = Entry | Skips | TimeSkip
_Shown: TypeAlias = StoredMessage | Entry | TimeSkip


class TimelinePlace(NamedTuple):
    """A place in a person's timeline.

    Attributes:
        message_key: of the message; 0 where none came: for a scheduled broadcast, or a moment.
        entry_key: of the entry that was opened without a message, or of the skip; 0 for a message.
    """

    timestamp: datetime
    message_key: int = 0
    entry_key: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """A message of a person's, a scheduled broadcast that they got, or a moment at which time alone led to a rule.

    Attributes:
        message: as it was recorded; None where none came.
        subject: as of `Explanation`.
        decisions: one for each rule that was evaluated: entered and what came of it, or not and why.
    """

    place: TimelinePlace
    message: StoredMessage | None
    subject: str
    decisions: tuple[Explanation, ...]


def timeline(
    session: Session,
    user_id: str,
    book: Rulebook,
    limit: int,
    before: TimelinePlace | None = None,
) -> list[Happening]:
    """What happened to a person, newest first.

    Args:
        book: the rules, for what the decisions say.
        limit: the most happenings.
        before: the place behind which to begin; None for the newest.

    Raises:
        UnknownNameError: nobody has that user id.
    """
    person = known_person(session, user_id)
    behind = None if before is None else (before.timestamp, before.message_key)
    messages = session.messages_before(person.key, behind, limit)
    entries = (each for each in session.scan(Entry, person.key) if each.message_key == 0)
    skips = session.scan(TimeSkip, person.key)
    items: list[tuple[TimelinePlace, _Shown]] = [
        *((TimelinePlace(m.timestamp, m.key), m) for m in messages),
        *((TimelinePlace(e.timestamp, 0, e.key), e) for e in entries),
        *((TimelinePlace(s.timestamp, 0, s.key), s) for s in skips),
    ]
    newest = sorted((i for i in items if before is None or i[0] < before), key=_place)[-limit:]
    shown = [(place, item) for place, item in reversed(newest)] if limit else []
    return list(_happenings(session, person, book, shown))


def _place(item: tuple[TimelinePlace, object]) -> TimelinePlace:
    return item[0]


def _happenings(
    session: Session,
    person: Person,
    book: Rulebook,
    shown: Sequence[tuple[TimelinePlace, _Shown]],
) -> Iterator[Happening]:
    led_to: dict[TimelinePlace, list[Verdict]] = defaultdict(list)
    places = {item.key: place for place, item in shown if isinstance(item, StoredMessage)}
    for verdict in session.decided_on(person.key, list(places)) if places else ():
        led_to[places[verdict.message_key]].append(verdict)
    for place, item in shown:
        if isinstance(item, Entry | TimeSkip):
            led_to[place].append(item)
    of_all = [each for verdicts in led_to.values() for each in verdicts]
    occasions = {each.occasion for each in of_all if isinstance(each, Entry)}
    sent = session.deliveries_of(person.key, occasions) if occasions else []
    again = DecidedAgain(
        session.rule_version, book.rule, session.rule_pauses(), book.settings.timezone
    )
    for place, item in shown:
        message = item if isinstance(item, StoredMessage) else None
        decisions = without_repeats(_explained(led_to[place], message, person, again, sent))
        occasion = "" if isinstance(item, StoredMessage) else item.occasion
        subject = subject_of(message, occasion)
        yield Happening(place=place, message=message, subject=subject, decisions=tuple(decisions))


def _explained(
    verdicts: Sequence[Verdict],
    message: StoredMessage | None,
    person: Person,
    again: DecidedAgain,
    sent: Sequence[Delivery],
) -> Iterator[Explanation]:
    name = person.user_id
    for verdict in verdicts:
        rules = again.rules_of(verdict) if isinstance(verdict, Skips) else (verdict.rule,)
        for rule_id in rules:
            yield from explain(verdict, message, name, rule_id, again, sent)
