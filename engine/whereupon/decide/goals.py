"""Goals: whether an entry has reached what its rule is for, and by what.

A goal is met by a message's own time, however late the message arrives. It is looked for when a message of the
person's is applied, as an entry opens, and when two persons become one. An entry is watched until it has reached the
goal; when its time is over nothing has to be done, since later messages no longer count.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from pydantic import JsonValue

from whereupon.decide.batch_state import BatchState
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.evidence import holds_for, recorded
from whereupon.decide.result import Converted
from whereupon.messages.model import id_in_ref
from whereupon.messages.times import later
from whereupon.records import EndReason, Entry, EntryEnd, Mark, MarkKind
from whereupon.rules.model import Goal


class _Met(NamedTuple):
    """The message by which a goal is met; `message_id` is None where only its time is at hand."""

    at: datetime
    message_id: str | None


# --- as an entry opens --------------------------------------------------------------------------------


def watched(work: BatchState, entry: Entry, goal: Goal) -> Entry:
    """An entry that has just opened, watched for its rule's goal; it may have reached the goal already.

    A claim, or an opening message that comes late, brings what happened between the opening message and now.
    """
    entry = entry.changed(watched_until=later(entry.timestamp, goal.within))
    return _with_recorded(work, entry, goal, entry.entered_at)


def watched_anew(entry: Entry, goal: Goal | None) -> Entry:
    """An entry that goes on in another version, watched for that version's goal unless it has converted."""
    if entry.converted_at is not None:
        return entry
    until = None if goal is None else later(entry.timestamp, goal.within)
    return entry.changed(watched_until=until)


def _with_recorded(work: BatchState, entry: Entry, goal: Goal, now: datetime) -> Entry:
    """The entry, converted if a recorded message meets the goal."""
    met = min(_meeting(work, entry, goal), default=None, key=lambda each: each.at)
    return entry if met is None else _converted(work, entry, goal, met, now)


def _meeting(work: BatchState, entry: Entry, goal: Goal) -> Iterator[_Met]:
    for event in recorded(work, entry, goal.event, entry.timestamp):
        is_later = event.timestamp > entry.timestamp or event.key > entry.message_key
        if is_later and _counts(work, goal, entry, event.timestamp, event.data):
            yield _Met(event.timestamp, event.message_id or None)


# --- later --------------------------------------------------------------------------------------------


def meet_goals(work: BatchState, evaluation: Evaluation) -> None:
    """Convert the person's entries whose goal this event is, and end those that it ends."""
    if evaluation.name not in work.index.goal_names:
        return
    for entry, goal in _watched_entries(work, evaluation.person_key, evaluation.name):
        if evaluation.key != entry.message_key and _counts(
            work, goal, entry, evaluation.timestamp, evaluation.properties
        ):
            met = _Met(evaluation.timestamp, evaluation.message_id)
            _save(work, _converted(work, entry, goal, met, evaluation.now))


def meet_by_merge(work: BatchState, evaluation: Evaluation) -> None:
    """Convert the person's entries whose goal was met by a person who has been merged into them."""
    if not work.index.goal_names:
        return
    for entry, goal in _watched_entries(work, evaluation.person_key):
        after = _with_recorded(work, entry, goal, evaluation.now)
        if after is not entry:
            _save(work, after)


def _watched_entries(
    work: BatchState, person_key: int, event: str | None = None
) -> list[tuple[Entry, Goal]]:
    """The person's entries that are watched, by key; only for one event, if it is given."""
    every = {**work.active.get(person_key, {}), **work.ended.get(person_key, {})}
    found: list[tuple[Entry, Goal]] = []
    for _, entry in sorted(every.items()):
        rule = None if entry.watched_until is None else work.rule_of(entry)
        goal = None if rule is None else rule.goal
        if goal is not None and event in {None, goal.event}:
            found.append((entry, goal))
    return found


def _save(work: BatchState, entry: Entry) -> None:
    if entry.key in work.ended.get(entry.person_key, {}):
        work.save_ended(entry)
    else:
        work.save_entry(entry)


def _counts(
    work: BatchState,
    goal: Goal,
    entry: Entry,
    happened_at: datetime,
    properties: Mapping[str, JsonValue],
) -> bool:
    """Whether an event of the goal's name, other than the opening message, is the goal of this entry."""
    if entry.watched_until is None or not entry.timestamp <= happened_at <= entry.watched_until:
        return False
    is_sent = entry.sent_at is not None and entry.sent_at <= happened_at
    if goal.after_send and not (is_sent or entry.is_held_out):
        return False  # to those who are held out nothing is ever sent
    return holds_for(work, goal, properties, happened_at, entry)


def _converted(work: BatchState, entry: Entry, goal: Goal, met: _Met, now: datetime) -> Entry:
    """The entry with its conversion, attributed to the last delivery before it; ended, if the goal says so."""
    sends = (m for m in reversed(entry.trail) if m.kind is MarkKind.SENT and m.at <= met.at)
    sent = next(sends, None)
    address, values = ("", {}) if sent is None else (sent.address, sent.values)
    mark = Mark(MarkKind.CONVERTED, address, met.at, entry.arms, goal.event, values, met.message_id)
    entry = entry.marked(mark).changed(converted_at=met.at, watched_until=None)
    person = work.persons.get(entry.person_key)
    name = person.user_id if person is not None else ""
    place = (entry.rule, name, id_in_ref(entry.occasion), entry.entered_at, now)
    work.out.emitted.append(Converted(*place, mark, is_held_out=entry.is_held_out))
    if goal.exits and entry.is_inside:
        return entry.finished(EntryEnd(EndReason.GOAL, now, goal.event, met.message_id))
    return entry
