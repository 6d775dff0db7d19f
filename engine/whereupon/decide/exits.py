"""What ends an entry before its last step: an event, a segment that the person leaves, or a condition.

An exit is looked for when a message of the person's is applied, before an entry's first step, and before
its next step when the entry wakes; a condition that time makes true ends the entry at that very moment. So nothing
is sent to a person for whom an exit already holds, even if time or a merge made it hold. A part of an exit that reads the message is looked at with a message only.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import NamedTuple, assert_never

from pydantic import JsonValue

from whereupon.conditions import Condition
from whereupon.conditions.paths import parts_of, root_of
from whereupon.conditions.values import OF_THE_PERSON
from whereupon.decide.batch_state import BatchState
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.evidence import all_events, holds_for, recorded
from whereupon.decide.history import Histories, HistoryEvent, HistoryUntil, trigger_of
from whereupon.messages.codec import read_object
from whereupon.messages.times import MICROSECOND, earlier, format_local, from_micros
from whereupon.records import NOTHING, EndReason, Entry, EntryEnd, Person
from whereupon.rules.model import Exit, ExitOnCondition, ExitOnEvent, ExitOnLeaving, ExitOnWho, Rule

# --- without a message ------------------------------------------------------------------------------


def exit_by_time(work: BatchState, entry: Entry, instant: datetime) -> Exit | None:
    """What ends the entry at an instant at which no message is applied; None if the entry goes on."""
    rule, person = work.rule_of(entry), work.persons.get(entry.person_key)
    if rule is None or person is None:
        return None
    for leave in rule.exits:
        if isinstance(leave, ExitOnWho):
            if (left := _no_longer(work, rule, leave, entry, person, instant)) is not None:
                return left
        elif _ends(work, rule, leave, entry, person, instant):
            return leave
    return None


class Asked(NamedTuple):
    """A condition that may end an entry without a message, with what it reads beside the time and the past.

    Attributes:
        zone: the timezone in which it reads the time.
        histories, trigger: the person's past, and what `same` compares with.
    """

    condition: Condition
    data: Mapping[str, JsonValue]
    zone: tzinfo
    person: Person
    histories: Histories
    trigger: Mapping[str, JsonValue]

    def history(self, until: datetime) -> HistoryUntil:
        """The person's past up to an instant."""
        person = self.person
        return HistoryUntil(self.histories, person.key, until, self.trigger, person.attributes)


def asked_without_message(
    work: BatchState, entry: Entry, rule: Rule, person: Person
) -> Iterator[Asked]:
    """The conditions of the rule's exits that are asked without a message (see `exit_by_time`)."""
    facts, events = read_object(entry.facts), all_events(work)
    of_person: dict[str, JsonValue] = {"person": person.attributes}  # type: ignore[dict-item]  # read only
    trigger = trigger_of(facts)
    for leave in rule.exits:
        match leave:
            case ExitOnCondition(condition) if _is_of_person(condition):
                yield Asked(condition, of_person, rule.zone, person, events, trigger)
            case ExitOnLeaving(name) if name in work.index.segments:
                who = work.index.segments[name].who
                yield Asked(who, of_person, UTC, person, events, NOTHING)
            case ExitOnWho():
                data = {**facts, **of_person}
                yield Asked(leave.who, data, rule.zone, person, events, trigger)
            case _:
                pass


def _is_of_person(condition: Condition) -> bool:
    """Whether it reads nothing of a message."""
    return all(root_of(path) in OF_THE_PERSON for path in condition.variables)


def _no_longer(
    work: BatchState,
    rule: Rule,
    leave: ExitOnWho,
    entry: Entry,
    person: Person,
    instant: datetime,
) -> ExitOnWho | None:
    """The exit, with the part of `who` that does not hold; None if `who` holds.

    `who` reads the message that opened the entry, beside the person as now.
    """
    facts = read_object(entry.facts)
    data: dict[str, JsonValue] = {
        **facts,
        "person": person.attributes,  # type: ignore[dict-item]  # read only
        "timestamp": format_local(instant, rule.zone),
    }
    trigger, attributes = trigger_of(facts), person.attributes
    history = HistoryUntil(all_events(work), person.key, instant, trigger, attributes)
    failure = leave.who.failing(data, history)
    return None if failure is None else replace(leave, failed=failure.text)


def exit_at_start(work: BatchState, entry: Entry, rule: Rule) -> tuple[Exit, str | None] | None:
    """What ends the entry as it begins, and the id of the message that does; None if the entry goes on.

    That is an event that happened since the opening message and is recorded already, or comes with the same
    claim; a condition that held when the opening message happened, or holds now; or a `who` that held then, and
    no longer does.
    """
    person = work.persons.get(entry.person_key)
    for leave in rule.exits:
        if isinstance(leave, ExitOnEvent):
            past = _recorded_exit(work, entry, leave)
            if past is not None:
                return leave, past.message_id or None
        elif isinstance(leave, ExitOnWho):
            if person is None or entry.entered_at <= entry.timestamp:
                continue
            left = _no_longer(work, rule, leave, entry, person, entry.entered_at)
            if left is not None:
                return left, None
        elif person is not None and _held(work, rule, leave, entry, person):
            return leave, None
    return None


def _recorded_exit(work: BatchState, entry: Entry, leave: ExitOnEvent) -> HistoryEvent | None:
    """An event that happened since the opening message and ends the entry; None if there is none."""
    since = recorded(work, entry, leave.event, entry.timestamp)
    return next(
        (each for each in since if holds_for(work, leave, each.data, each.timestamp, entry)), None
    )


def _held(work: BatchState, rule: Rule, leave: Exit, entry: Entry, person: Person) -> bool:
    """Whether a condition of an exit held between the opening message and the beginning of the entry."""
    return isinstance(leave, ExitOnCondition) and any(
        _ends(work, rule, leave, entry, person, at)
        for at in dict.fromkeys((entry.timestamp, max(entry.timestamp, entry.entered_at)))
    )


def _ends(
    work: BatchState, rule: Rule, leave: Exit, entry: Entry, person: Person, instant: datetime
) -> bool:
    match leave:
        case ExitOnCondition(condition):
            return _is_of_person(condition) and _holds(
                work, condition, person, instant, rule.zone, trigger_of(entry.facts)
            )
        case ExitOnLeaving(name):
            segment = work.index.segments.get(name)
            return segment is not None and _has_left(work, segment.who, entry, person, instant)
        case ExitOnEvent() | ExitOnWho():
            return False


def _has_left(
    work: BatchState, who: Condition, entry: Entry, person: Person, instant: datetime
) -> bool:
    """Whether the person was in the segment after entering, and is no longer."""
    return not _holds(work, who, person, instant) and any(
        _holds(work, who, person, moment) for moment in _moments(work, who, entry, person, instant)
    )


def _moments(
    work: BatchState, who: Condition, entry: Entry, person: Person, instant: datetime
) -> Iterator[datetime]:
    """The moments at which the person may have come into the segment, with today's attributes."""
    read = {parts_of(path)[1] for path in who.variables if path.startswith("person.")}
    changed = [stamp for name, stamp in person.stamps.items() if name in read]
    since = max([entry.timestamp, *map(from_micros, changed)])
    yield min(since, instant)
    for name in {performed.event for performed in who.performed}:
        for past in work.history.get((person.key, name), ()):
            if since < past.timestamp < instant:
                yield past.timestamp
    yield max(since, earlier(instant, MICROSECOND))  # time may have led there


def _holds(
    work: BatchState,
    condition: Condition,
    person: Person,
    instant: datetime,
    zone: tzinfo = UTC,
    trigger: Mapping[str, JsonValue] = NOTHING,
) -> bool:
    data: dict[str, JsonValue] = {
        "person": person.attributes,  # type: ignore[dict-item]  # read only
        "timestamp": format_local(instant, zone),
    }
    events, attributes = all_events(work), person.attributes
    history = HistoryUntil(events, person.key, instant, trigger, attributes)
    return condition.holds(data, history)


# --- by a message -----------------------------------------------------------------------------------


def end_by_event(work: BatchState, evaluation: Evaluation) -> None:
    """End the person's entries that this event ends: those that an earlier message opened."""
    if evaluation.name not in work.index.exit_names:
        return
    for entry in list(work.active.get(evaluation.person_key, {}).values()):
        rule = work.rule_of(entry)
        if rule is None or evaluation.timestamp < entry.timestamp:
            continue
        for leave in rule.exits:
            if (
                isinstance(leave, ExitOnEvent)
                and leave.event == evaluation.name
                and holds_for(work, leave, evaluation.properties, evaluation.timestamp, entry)
            ):
                _end(work, entry, leave, evaluation)
                break


def end_by_change(work: BatchState, evaluation: Evaluation, left: Iterable[str]) -> None:
    """End the person's entries for whose exits the person's new state holds.

    A message that happened before an entry began is looked at as of the entry's beginning.

    Args:
        left: the segments that the person left by the message.
    """
    segments, key = set(left), evaluation.person_key
    for entry in list(work.active.get(key, {}).values()):
        rule, person = work.rule_of(entry), work.persons.get(key)
        if rule is None or person is None:
            continue
        for leave in rule.exits:
            left_by: Exit | None = None
            if isinstance(leave, ExitOnWho):
                moment = max(evaluation.timestamp, entry.timestamp)
                left_by = _no_longer(work, rule, leave, entry, person, moment)
            elif isinstance(leave, ExitOnLeaving):
                left_by = leave if leave.segment in segments else None
            elif isinstance(leave, ExitOnCondition) and _holds_with(
                work, leave.condition, evaluation, entry, person
            ):
                left_by = leave
            if left_by is not None:
                _end(work, entry, left_by, evaluation)
                break


def _holds_with(
    work: BatchState, condition: Condition, evaluation: Evaluation, entry: Entry, person: Person
) -> bool:
    """Whether a condition holds for the message beside the person's new state, for someone inside an entry."""
    data, attributes = evaluation.as_data(person.attributes, _roots(condition)), person.attributes
    moment, trigger = max(evaluation.timestamp, entry.timestamp), trigger_of(entry.facts)
    history = HistoryUntil(work.history, person.key, moment, trigger, attributes)
    return condition.holds(data, history)


@lru_cache(maxsize=1024)
def _roots(condition: Condition) -> frozenset[str]:
    """What a condition reads, by the names at the root of the data."""
    return frozenset(map(root_of, condition.variables))


def end_by_merge(work: BatchState, evaluation: Evaluation, left: Iterable[str]) -> None:
    """End the entries for whose exits what the person has inherited holds: attributes, and events since they began.

    Args:
        left: the segments that one of the two was in, and that both together are not.
    """
    end_by_change(work, evaluation, left)
    for entry in list(work.active.get(evaluation.person_key, {}).values()):
        rule = work.rule_of(entry)
        events = () if rule is None else (e for e in rule.exits if isinstance(e, ExitOnEvent))
        for leave in events:
            if _recorded_exit(work, entry, leave) is not None:
                _end(work, entry, leave, evaluation)
                break


def _end(work: BatchState, entry: Entry, leave: Exit, evaluation: Evaluation) -> None:
    end = entry_end(leave, evaluation.now, evaluation.message_id)
    work.save_entry(entry.finished(end))


def entry_end(leave: Exit, at: datetime, message_id: str | None = None) -> EntryEnd:
    """The end that a part of a rule's `exit` brings about.

    Args:
        message_id: of the message that ends the entry; None if time ends it.
    """
    match leave:
        case ExitOnEvent(event):
            return EntryEnd(EndReason.EVENT, at, event, message_id)
        case ExitOnLeaving(segment):
            return EntryEnd(EndReason.SEGMENT, at, segment, message_id)
        case ExitOnCondition(condition):
            text = " and ".join(conjunct.text for conjunct in condition.conjuncts)
            return EntryEnd(EndReason.CONDITION, at, text, message_id)
        case ExitOnWho():
            return EntryEnd(EndReason.WHO, at, leave.failed, message_id)
        case _:
            assert_never(leave)
