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


def _is_marked(was: Entry, entry: Entry) -> bool:
    """Whether more of its way has changed than where it stands."""
    return (
        was.trail is not entry.trail
        or was.arms != entry.arms
        or was.sent_at != entry.sent_at
        or was.watched_until != entry.watched_until
        or was.converted_at != entry.converted_at
    )


class ChangedEntries(NamedTuple):
    """Entries that change: those that go a step, those that are marked, those that free a slot, others."""

    stepped: list[Parameters]
    marked: list[Parameters]
    freed: list[Parameters]
    others: list[Parameters]


def changed_entries(changes: Changes) -> ChangedEntries:
    """The rows of the entries that change, by the statement that writes them."""
    found = ChangedEntries([], [], [], [])
    new, before = changes.new_entries, changes.before
    for key, entry in changes.entries.items():
        if key in new:
            continue
        was = before.get(key)
        due_at, end = rows.micros_or_none(entry.due_at), rule_rows.end_columns(entry)
        place = (str(entry.state), entry.address, due_at)
        if was is not None and was.slot == entry.slot and not _is_changed(was, entry):
            if _is_marked(was, entry):
                found.marked.append((*place, *end, *rule_rows.journey_columns(entry), key))
            else:
                found.stepped.append((*place, *end, key))
            continue
        way = rule_rows.journey_columns(entry)
        if was is None or _is_changed(was, entry):
            operated = object_text(entry.facts), rule_rows.operations_text(entry.operations)
            whose = (entry.digest, entry.person_key, entry.slot)
            found.others.append((*whose, *place, *operated, *end, *way, key))
        else:
            found.freed.append((entry.slot, *place, *end, *way, key))
    return found
