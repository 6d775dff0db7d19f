"""Entries that end while nothing is said: what ends them holds as they begin, or came true by time or a merge.

It is looked for before the first step, and before the next when an entry wakes: so nothing is sent to
somebody who is out. What a condition asks of a message waits for one.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from typing import assert_never

from pydantic import JsonValue

from whereupon.conditions import Condition
from whereupon.conditions.paths import parts_of, root_of
from whereupon.conditions.values import OF_THE_PERSON
from whereupon.decide.batch_state import BatchState, HistoryUntil
from whereupon.messages.times import format_local, from_micros
from whereupon.records import EndReason, Entry, EntryEnd, Person
from whereupon.rules.model import Exit, ExitOnCondition, ExitOnEvent, ExitOnLeaving, Rule


def lapsed_by(work: BatchState, entry: Entry, instant: datetime) -> Exit | None:
    """What ends the entry at an instant, which is none at which anything was said; None as it goes on."""
    rule, person = work.rule_of(entry), work.persons.get(entry.person_key)
    if rule is None or person is None:
        return None
    return _first(leave for leave in rule.exits if _ends(work, rule, leave, entry, person, instant))


def over_by(work: BatchState, entry: Entry, rule: Rule) -> Exit | None:
    """The condition that ends the entry as it begins, by what is known of the person; None as it goes on."""
    person = work.persons.get(entry.person_key)
    if person is None:
        return None
    return _first(
        leave
        for leave in rule.exits
        if isinstance(leave, ExitOnCondition)
        and _ends(work, rule, leave, entry, person, entry.timestamp)
    )


def _first(exits: Iterator[Exit]) -> Exit | None:
    return next(exits, None)


def end_by(leave: Exit, at: datetime, message_id: str | None = None) -> EntryEnd:
    """The end that a part of a rule's `exit` brings about.

    Args:
        message_id: of the message that did; None where time alone did.
    """
    match leave:
        case ExitOnEvent(event):
            return EntryEnd(EndReason.EVENT, at, event, message_id)
        case ExitOnLeaving(segment):
            return EntryEnd(EndReason.SEGMENT, at, segment, message_id)
        case ExitOnCondition(condition):
            said = " and ".join(conjunct.text for conjunct in condition.conjuncts)
            return EntryEnd(EndReason.CONDITION, at, said, message_id)
        case _:
            assert_never(leave)


def _ends(
    work: BatchState, rule: Rule, leave: Exit, entry: Entry, person: Person, instant: datetime
) -> bool:
    match leave:
        case ExitOnCondition(condition):
            return _asks_of_the_person(condition) and _holds(
                work, condition, person, instant, rule.zone
            )
        case ExitOnLeaving(name):
            segment = work.index.segments.get(name)
            return segment is not None and _is_left(work, segment.who, entry, person, instant)
        case ExitOnEvent():
            return False


def _asks_of_the_person(condition: Condition) -> bool:
    return all(root_of(path) in OF_THE_PERSON for path in condition.variables)


def _is_left(
    work: BatchState, who: Condition, entry: Entry, person: Person, instant: datetime
) -> bool:
    """Whether they were in, by what is known of them now, and are no more."""
    return not _holds(work, who, person, instant) and any(
        _holds(work, who, person, moment) for moment in _moments(work, who, entry, person, instant)
    )


def _moments(
    work: BatchState, who: Condition, entry: Entry, person: Person, instant: datetime
) -> Iterator[datetime]:
    """When they may have been in since they entered, the attributes asked about being what they are now."""
    asked = {parts_of(path)[1] for path in who.variables if path.startswith("person.")}
    told = [stamp for name, stamp in person.stamps.items() if name in asked]
    since = max([entry.timestamp, *map(from_micros, told)])
    yield min(since, instant)
    for name in {performed.event for performed in who.performed}:
        for past in work.history.get((person.key, name), ()):
            if since < past.timestamp < instant:
                yield past.timestamp


def _holds(
    work: BatchState, condition: Condition, person: Person, instant: datetime, zone: tzinfo = UTC
) -> bool:
    data: dict[str, JsonValue] = {
        "person": person.attributes,  # type: ignore[dict-item]  # read only
        "timestamp": format_local(instant, zone),
    }
    return condition.holds(data, HistoryUntil(work, person.key, instant))
