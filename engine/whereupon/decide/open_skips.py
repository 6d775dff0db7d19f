"""Skips by `who` that stay open for the time of a rule's `grace`: opened, found by a change, moved by a merge."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TypeAlias

from pydantic import JsonValue

from whereupon.conditions.paths import parts_of
from whereupon.decide.batch_state import BatchState
from whereupon.decide.evaluation import Evaluation
from whereupon.messages.times import later
from whereupon.records import OpenSkip, Person, StoredMessage
from whereupon.rules.model import Rule

Place: TypeAlias = tuple[int, str]
"""The key of a message, and the id of a rule that skipped it."""
Opened: TypeAlias = dict[Place, tuple[OpenSkip, Evaluation]]


def leave_open(work: BatchState, evaluation: Evaluation, rule: Rule) -> None:
    """Keep the skip of a message open, if the rule gives any grace; what time led to is not decided again."""
    if rule.grace is None or not evaluation.key or evaluation.person_key not in work.persons:
        return
    at = evaluation.timestamp
    until, taken_until = later(at, rule.grace), later(at, rule.max_age)
    if taken_until < evaluation.now:
        return
    skip = OpenSkip(
        evaluation.key,
        rule.id,
        evaluation.person_key,
        until,
        max(until, taken_until),
        evaluation.retroactive,
    )
    kept = evaluation.copy()
    kept.unsee()
    work.open_skips.setdefault(skip.person_key, {})[skip.place] = skip, kept
    work.changes.open_skips[skip.place] = skip


def note_change(work: BatchState, before: Person, after: Person, moment: datetime) -> None:
    """Find the skips that a change of a person's attributes decides once more; they are closed by it.

    They are decided in the order in which their messages happened, whichever was skipped first: those of a claim are
    skipped behind later ones of the person's own.

    Args:
        moment: the time of the message that makes the change.
    """
    opened: Opened = work.open_skips.get(before.key, {})
    if not opened:
        return
    changed = set(_changed(before.attributes, after.attributes))
    for place, (skip, evaluation) in sorted(opened.items(), key=_when):
        rule = work.index.by_id.get(skip.rule)
        if rule is None or moment > skip.until or not changed & _read_by(rule):
            continue
        del opened[place]
        work.changes.open_skips[place] = None
        work.again.append((evaluation, rule))


def close_skips(work: BatchState, messages: Iterable[StoredMessage]) -> None:
    """Close the open skips of messages that turn out to belong to another person."""
    keys = {stored.key for stored in messages} if work.open_skips else set()
    for opened in work.open_skips.values():
        for place in [place for place in opened if place[0] in keys]:
            del opened[place]
            work.changes.open_skips[place] = None


def merge_open_skips(
    work: BatchState, loser: Person, survivor: Person, merged: Person, moment: datetime
) -> None:
    """Give the survivor the loser's open skips; what the merge changed for either decides them once more."""
    for before in (loser, survivor):
        note_change(work, before, merged, moment)
    for place, (skip, evaluation) in work.open_skips.pop(loser.key, {}).items():
        moved = skip._replace(person_key=merged.key), evaluation
        work.open_skips.setdefault(merged.key, {})[place] = moved


def _when(opened: tuple[Place, tuple[OpenSkip, Evaluation]]) -> tuple[datetime, Place]:
    """When the message of an open skip happened, and its place among others of that instant."""
    place, (_, evaluation) = opened
    return evaluation.timestamp, place


def _changed(before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]) -> Iterator[str]:
    for name in before.keys() | after.keys():
        was, now = before.get(name), after.get(name)
        if type(was) is not type(now) or was != now:
            yield name


def _read_by(rule: Rule) -> set[str]:
    """The attributes that the rule's `who` reads."""
    paths = map(parts_of, rule.who.variables)
    return {below[0] for root, *below in paths if root == "person" and below}
