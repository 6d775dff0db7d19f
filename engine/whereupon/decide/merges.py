"""Two persons become one: their attributes, what belongs to them, and the entries that they are inside."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pydantic import JsonValue

from whereupon.decide.batch_state import BatchState
from whereupon.decide.clocks import clock_of
from whereupon.decide.consent import Said, is_consent, later_topics, later_word
from whereupon.decide.idempotency import ENTRANT, keys_at, possible_addresses
from whereupon.decide.open_skips import merge_open_skips
from whereupon.decide.people import limited, save_person
from whereupon.decide.reentry import as_past_entry, would_refuse
from whereupon.messages.model import Message
from whereupon.messages.times import MICROSECOND, later
from whereupon.records import (
    ClaimRun,
    EndReason,
    Entry,
    EntryEnd,
    Merge,
    PastEntry,
    Person,
    StoredMessage,
)

_EMPTY: tuple[JsonValue, ...] = (None, "")
"""Values that a merge replaces by the other person's."""


def merge(work: BatchState, message: Message, survivor: Person, loser: Person) -> Person:
    """Merge two persons: the survivor's attributes win, empty ones are filled, the rest moves."""
    attributes, stamps = _attributes(survivor, loser)
    known = survivor.attributes
    new = {name: value for name, value in attributes.items() if known.get(name, ...) is not value}
    taken = limited(work, survivor, new, message.message_id)
    merged = survivor.changed(
        attributes={**known, **taken},
        stamps={
            **survivor.stamps,
            **{name: at for name, at in stamps.items() if name in taken or name not in new},
        },
        created_at=min(survivor.created_at, loser.created_at),
    )
    _move(work, loser.key, survivor.key)
    save_person(work, merged)
    if work.open_skips:
        merge_open_skips(work, loser, survivor, merged, message.timestamp)
    _join_entries(work, loser, survivor, message)
    work.changes.merges.append(
        Merge(survivor.key, loser.key, loser.user_id, message.ref, message.received_at)
    )
    return merged


# --- attributes -------------------------------------------------------------------------------------


def _attributes(
    survivor: Person, loser: Person
) -> tuple[Mapping[str, JsonValue], Mapping[str, int]]:
    """The attributes of the merged person, and when each was set."""
    attributes, stamps = dict(survivor.attributes), dict(survivor.stamps)
    for name, value in loser.attributes.items():
        known, set_at = attributes.get(name), loser.stamps.get(name)
        if value in _EMPTY:
            continue
        is_newer = is_consent(name) and (set_at or 0) > stamps.get(name, 0)
        if not is_consent(name):
            attributes[name] = _filled(known, value)
        elif is_newer:
            attributes[name] = later_word(name, value, known)
        else:
            attributes[name] = later_word(name, known, value)
        if set_at is not None and (is_newer or known in _EMPTY):
            stamps[name] = set_at
    mine, theirs = (Said(each.attributes, each.stamps) for each in (survivor, loser))
    return {**attributes, **later_topics(attributes, mine, theirs)}, stamps


def _filled(winner: JsonValue, other: JsonValue) -> JsonValue:
    """The winner, or the other value if the winner is empty; of two objects, each member so."""
    if winner in _EMPTY:
        return winner if other is None else other
    if not isinstance(winner, dict) or not isinstance(other, dict):
        return winner
    names = dict.fromkeys((*winner, *other))
    return {name: _filled(winner.get(name), other.get(name)) for name in names}


# --- what belongs to them ---------------------------------------------------------------------------


def _move(work: BatchState, loser: int, survivor: int) -> None:
    """Give the survivor what this batch knows of the loser; the store moves what is stored."""
    has = work.belongings
    work.users |= dict.fromkeys(has.users.get(loser, ()), survivor)
    for key in has.devices.get(loser, ()):
        if runs := work.claims.get(key):
            work.claims[key] = tuple(_as_if_by(run, loser, survivor) for run in runs)
        messages = work.anonymous_messages.get(key, [])
        messages[:] = [_owned_by(stored, loser, survivor) for stored in messages]
    has.move(loser, survivor)
    work.sends.move(loser, survivor)
    for owner, name in [place for place in work.history if place[0] == loser]:
        work.history.setdefault((survivor, name), []).extend(work.history.pop((owner, name)))
    work.persons.pop(loser)
    work.moved[loser] = survivor
    work.timed_past.move(loser, survivor)
    work.clocked.move(loser, survivor)
    soon = later(work.clocked.now, MICROSECOND)
    for subject in work.index.timed.by_name:  # the moments of both together are asked for at once
        known = work.clocked.due_at(survivor, subject)
        work.clocked.put(survivor, subject, soon if known is None else min(known, soon))


def _as_if_by(run: ClaimRun, loser: int, survivor: int) -> ClaimRun:
    return run._replace(person_key=survivor) if run.person_key == loser else run


def _owned_by(stored: StoredMessage, loser: int, survivor: int) -> StoredMessage:
    return stored.changed(owner=survivor) if stored.owner == loser else stored


# --- entries ----------------------------------------------------------------------------------------


class _Inside(NamedTuple):
    """An entry of one of the two persons, which an entry of the other may refuse.

    Attributes:
        of: the key of the person.
        entry: None if it has ended.
    """

    of: int
    past: PastEntry
    entry: Entry | None


def _join_entries(work: BatchState, loser: Person, survivor: Person, message: Message) -> None:
    """Let running entries go on for the survivor; end those that re-entry would have refused to one person."""
    both = _by_rule(work, loser.key, survivor.key)
    moved = _move_entries(work, loser, survivor.key)
    ended = EntryEnd(EndReason.MERGED, message.received_at, message_id=message.message_id)
    for inside in both.values():
        kept: list[_Inside] = []
        for each in sorted(inside, key=lambda one: _order(one, survivor.key)):
            if each.entry is not None and _is_refused(work, each, kept, survivor.key):
                entry = moved.get(each.entry.key, each.entry)
                name = loser.user_id if each.of == loser.key else survivor.user_id
                made = possible_addresses(work.rule_of(entry), entry.address)
                reasons = dict.fromkeys(keys_at(entry, name, made), EndReason.MERGED)
                work.withdraw(survivor.key, reasons, ended.at)
                work.save_entry(entry.finished(ended).changed(watched_until=None))
            else:
                kept.append(each)


def _order(one: _Inside, survivor: int) -> tuple[object, ...]:
    """The order of entries: by when they were opened; at one instant the survivor's comes first."""
    return one.past.timestamp, one.of != survivor, one.past.occasion


def _by_rule(work: BatchState, *persons: int) -> dict[str, list[_Inside]]:
    """The entries of both, by rule, in the rules that one of them is inside now."""
    active = {key: list(work.active.get(key, {}).values()) for key in persons}
    rules = {entry.rule for entries in active.values() for entry in entries}
    return {
        rule: [each for key in persons for each in _inside(work, rule, key, active[key])]
        for rule in rules
    }


def _inside(work: BatchState, rule: str, person: int, active: list[Entry]) -> Iterator[_Inside]:
    now = [entry for entry in active if entry.rule == rule]
    occasions = {entry.occasion for entry in now}
    for entry in now:
        yield _Inside(person, as_past_entry(entry), entry)
    for past in work.past_entries.get((rule, person), ()):
        if past.occasion not in occasions:
            yield _Inside(person, past, None)


def _is_refused(work: BatchState, later: _Inside, kept: list[_Inside], survivor: int) -> bool:
    others = [each.past for each in kept if each.of != later.of]
    if any(past.occasion == later.past.occasion for past in others):
        return True  # two in one run of a broadcast
    rule = None if later.entry is None else work.rule_of(later.entry)
    if rule is None:
        return False
    attributes, settings = work.persons[survivor].attributes, work.index.book.settings
    zone = clock_of(attributes, settings, rule.clock)
    return any(would_refuse(rule, past, later.past, zone) for past in others)


def _move_entries(work: BatchState, loser: Person, survivor: int) -> dict[int, Entry]:
    """Give the survivor the loser's entries; gives the running ones by key."""
    for rule, owner in [place for place in work.past_entries if place[1] == loser.key]:
        theirs = work.past_entries.pop((rule, owner))
        for past in theirs:
            work.past_entries[rule, survivor].append(past.changed(person_key=survivor))
    moved = {}
    for key, entry in work.ended.pop(loser.key, {}).items():
        work.ended.setdefault(survivor, {})[key] = entry.changed(person_key=survivor)
    for entry in work.active.pop(loser.key, {}).values():
        facts = {ENTRANT: loser.user_id, **entry.facts}
        moved[entry.key] = entry.changed(person_key=survivor, facts=facts)
        work.active.setdefault(survivor, {})[entry.key] = moved[entry.key]
        work.changes.entries[entry.key] = moved[entry.key]
    return moved
