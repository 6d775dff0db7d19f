"""What changes in entries, sorted by how much of a row has to be written: every column that is mentioned costs its indexes."""

from typing import NamedTuple

import whereupon.storage.sql.rows as rows
import whereupon.storage.sql.rule_rows as rule_rows
from whereupon.messages.codec import object_text
from whereupon.records import Changes, Entry
from whereupon.storage.sql.dialects import Parameters


def _is_changed(was: Entry, entry: Entry) -> bool:
    """Whether more has changed than a step or an end changes."""
    return (
        was.facts is not entry.facts
        or was.person_key != entry.person_key
        or was.operations is not entry.operations
        or was.digest != entry.digest
    )


def _is_noted(was: Entry, entry: Entry) -> bool:
    """Whether more of its way has changed than its trail."""
    return (
        was.arms != entry.arms
        or was.sent_at != entry.sent_at
        or was.watched_until != entry.watched_until
        or was.converted_at != entry.converted_at
    )


class ChangedEntries(NamedTuple):
    """The rows of entries that change, by the statement that writes them.

    Attributes:
        stepped: those that go on.
        ended: those that end, with the trail that they had.
        marked: those of which figures or the rule's goal note something, and those that end with new marks.
        freed: those that free a slot.
        others: all others.
    """

    stepped: list[Parameters]
    ended: list[Parameters]
    marked: list[Parameters]
    freed: list[Parameters]
    others: list[Parameters]


def changed_entries(changes: Changes) -> ChangedEntries:
    """The rows of the entries that change."""
    found = ChangedEntries([], [], [], [], [])
    new, before = changes.new_entries, changes.before
    for key, entry in changes.entries.items():
        if key in new:
            continue
        was = before.get(key)
        place = (str(entry.state), entry.address, rows.micros_or_none(entry.due_at))
        if was is None or _is_changed(was, entry):
            found.others.append(_whole(entry, place))
        elif was.slot != entry.slot:
            found.freed.append((entry.slot, *place, *_end_and_way(entry), key))
        elif _is_noted(was, entry) or (was.ended != entry.ended and was.trail is not entry.trail):
            found.marked.append((*place, *_end_and_way(entry), key))
        elif was.ended != entry.ended:
            found.ended.append((*place, *rule_rows.end_columns(entry), key))
        else:
            found.stepped.append((*place, rule_rows.trail_text(entry.trail), key))
    return found


def _end_and_way(entry: Entry) -> Parameters:
    return (*rule_rows.end_columns(entry), *rule_rows.journey_columns(entry))


def _whole(entry: Entry, place: Parameters) -> Parameters:
    whose = (entry.digest, entry.person_key, entry.slot)
    operated = object_text(entry.facts), rule_rows.operations_text(entry.operations)
    return (*whose, *place, *operated, *_end_and_way(entry), entry.key)
