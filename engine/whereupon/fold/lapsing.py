"""Entries that end while nothing is said: what ends them holds as they begin, or came true by time or a merge.

It is looked for before the first step, and before the next when an entry wakes: so nothing is sent to
somebody who is out. What a condition asks of a message waits for one.
"""

from collections.abc import Iterator
from datetime import datetime

from pydantic import JsonValue

from whereupon.conditions import Condition
from whereupon.conditions.values import OF_THE_PERSON
from whereupon.fold.working import HistoryUntil, Working
from whereupon.rules import Exit, ExitOnCondition, ExitOnEvent, ExitOnLeaving, Rule
from whereupon.state import Entry, Person
from whereupon.times import format_instant, from_micros


def has_lapsed(work: Working, entry: Entry, instant: datetime) -> bool:
    """Whether something ends the entry at an instant, which is none at which anything was said."""
    rule, person = work.wording(entry), work.persons.get(entry.person_key)
    if rule is None or person is None:
        return False
    return any(_ends(work, leave, entry, person, instant) for leave in rule.exits)


def is_over(work: Working, entry: Entry, rule: Rule) -> bool:
    """Whether a condition that ends the entry holds as it begins, of what is known of the person."""
    person = work.persons.get(entry.person_key)
    return person is not None and any(
        _ends(work, leave, entry, person, entry.timestamp)
        for leave in rule.exits
        if isinstance(leave, ExitOnCondition)
    )


def _ends(work: Working, leave: Exit, entry: Entry, person: Person, instant: datetime) -> bool:
    match leave:
        case ExitOnCondition(condition):
            return _asks_of_the_person(condition) and _holds(work, condition, person, instant)
        case ExitOnLeaving(name):
            segment = work.index.segments.get(name)
            return segment is not None and _is_left(work, segment.who, entry, person, instant)
        case ExitOnEvent():
            return False


def _asks_of_the_person(condition: Condition) -> bool:
    return all(path.split(".")[0] in OF_THE_PERSON for path in condition.variables)


def _is_left(
    work: Working, who: Condition, entry: Entry, person: Person, instant: datetime
) -> bool:
    """Whether they were in, by what is known of them now, and are no more."""
    return not _holds(work, who, person, instant) and any(
        _holds(work, who, person, moment) for moment in _moments(work, who, entry, person, instant)
    )


def _moments(
    work: Working, who: Condition, entry: Entry, person: Person, instant: datetime
) -> Iterator[datetime]:
    """When they may have been in since they entered, the attributes asked about being what they are now."""
    asked = {path.split(".")[1] for path in who.variables if path.startswith("person.")}
    told = [stamp for name, stamp in person.stamps.items() if name in asked]
    since = max([entry.timestamp, *map(from_micros, told)])
    yield min(since, instant)
    for name in {performed.event for performed in who.performed}:
        for past in work.history.get((person.key, name), ()):
            if since < past.timestamp < instant:
                yield past.timestamp


def _holds(work: Working, condition: Condition, person: Person, instant: datetime) -> bool:
    data: dict[str, JsonValue] = {
        "person": person.attributes,  # type: ignore[dict-item]  # read only
        "timestamp": format_instant(instant),
    }
    return condition.holds(data, HistoryUntil(work, person.key, instant))
