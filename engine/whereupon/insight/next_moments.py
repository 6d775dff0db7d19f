"""When time lets a person into rules next, by a date, by silence or by a segment; or why there is no such moment."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pydantic import JsonValue

from whereupon.conditions.moments import next_change
from whereupon.conditions.sentence import value_words
from whereupon.decide.clocks import clock_of
from whereupon.decide.date_moments import next_moment, says_date
from whereupon.decide.history import HistoryUntil, events_of
from whereupon.decide.memberships import data_of
from whereupon.decide.timed.dates import moment_after, value_of
from whereupon.matching.timed_subjects import is_timed
from whereupon.messages.times import FIRST_INSTANT, format_instant, later
from whereupon.ports import HistoryNeed, Session
from whereupon.records import Person, breaking_since
from whereupon.rules.model import (
    FolderSettings,
    OnDate,
    OnQuiet,
    OnSegment,
    Rule,
    Rulebook,
    Segment,
    SegmentChange,
)


@dataclass(frozen=True, slots=True)
class NextMoment:
    """When a trigger by time comes for a person.

    Attributes:
        rule: the id of its rule.
        at: None if there is no such moment.
        sentence: what comes then, or why there is none; without a full stop.
    """

    rule: str
    at: datetime | None
    sentence: str


def next_moments(
    session: Session, person: Person, book: Rulebook, now: datetime
) -> Iterator[NextMoment]:
    """For each rule of the book that time opens, when it does so next for a person, by the rule's id."""
    for rule in sorted(book.rules, key=lambda each: each.id):
        for trigger in rule.triggers:
            match trigger:
                case OnDate():
                    yield _of_date(rule, trigger, person, book.settings, now)
                case OnQuiet():
                    yield _of_silence(session, rule, trigger, person, now)
                case OnSegment() if (segment := book.segments.get(trigger.segment)) is not None:
                    if is_timed(segment.who):
                        yield _of_segment(session, rule, trigger, segment, person, now)
                case _:
                    pass


def _of_date(
    rule: Rule, trigger: OnDate, person: Person, settings: FolderSettings, now: datetime
) -> NextMoment:
    found = moment_after(trigger, rule, person, settings, now)
    if found is not None:
        sentence = f"{trigger.in_words} is {format_instant(found.at)}, for the date {found.date}"
        return NextMoment(rule.id, found.at, sentence)
    value = value_of(trigger, person)
    if value is None:
        return NextMoment(rule.id, None, f"{trigger.attribute} is missing")
    if not says_date(value):
        said = f"{trigger.attribute} is {value_words(value)}, which is no date"
        return NextMoment(rule.id, None, said)
    zone = clock_of(person.attributes, settings, trigger.clock or rule.clock)
    past = next_moment(trigger, value, zone)
    when = "is beyond the calendar" if past is None else f"was {format_instant(past.at)}"
    return NextMoment(rule.id, None, f"{trigger.in_words} {when}")


def _of_silence(
    session: Session, rule: Rule, trigger: OnQuiet, person: Person, now: datetime
) -> NextMoment:
    since = {person.key: breaking_since(person, now, trigger.span)}
    last = session.last_messages(trigger.breaking, since).get(person.key)
    began = person.created_at if last is None else last.timestamp
    moment = later(began, trigger.span)
    if moment > now:
        sentence = f"{trigger.in_words} is {format_instant(moment)}, if none comes before"
        return NextMoment(rule.id, moment, sentence)
    return NextMoment(rule.id, None, f"{trigger.in_words} is over, and the next one begins it anew")


_MOST_CHANGES = 10
"""So many changes of a segment are looked at for one in the right direction."""


def _of_segment(
    session: Session,
    rule: Rule,
    trigger: OnSegment,
    segment: Segment,
    person: Person,
    now: datetime,
) -> NextMoment:
    needs = [
        HistoryNeed(person.key, frozenset({asked.event}), FIRST_INSTANT)
        for asked in segment.who.performed
    ]
    past = HistoryUntil(events_of(session.history(needs) if needs else ()), person.key, now)
    data, moment = data_of(person, now), now
    for _ in range(_MOST_CHANGES):
        found = next_change(segment.who, data, past, UTC, moment)
        if found is None:
            break
        moment = found
        entered = segment.who.holds(data_of(person, moment), past.until(moment))
        if entered is (trigger.change is SegmentChange.ENTERS):
            sentence = (
                f"time alone lets them {_WORDS[trigger.change]} the segment {segment.id} at "
                f"{format_instant(moment)}, if nothing comes before"
            )
            return NextMoment(rule.id, moment, sentence)
    sentence = f"time alone does not let them {_WORDS[trigger.change]} the segment {segment.id}"
    return NextMoment(rule.id, None, sentence)


_WORDS: Final[Mapping[SegmentChange, str]] = {
    SegmentChange.ENTERS: "enter",
    SegmentChange.LEAVES: "leave",
}


def said_by_time(
    session: Session, rule: Rule, person: Person, settings: FolderSettings, now: datetime
) -> dict[str, JsonValue] | None:
    """What templates of a rule that time opens would read of the person's next moment, or the last; None without one."""
    properties: dict[str, JsonValue] = {}
    match rule.triggers[0]:
        case OnDate() as trigger:
            zone = clock_of(person.attributes, settings, trigger.clock or rule.clock)
            value = value_of(trigger, person)
            found = next_moment(trigger, value, zone, now) or next_moment(trigger, value, zone)
            if found is None:
                return None
            properties = {"date": found.date, "attribute": trigger.attribute}
        case OnQuiet() as trigger:
            since = {person.key: FIRST_INSTANT}
            last = session.last_messages(trigger.breaking, since).get(person.key)
            began = person.created_at if last is None else last.timestamp
            name = None if last is None else last.name or None
            properties = {"quiet_since": format_instant(began), "last_event": name}
        case _:
            return None
    return {"properties": properties, "context": {}}
