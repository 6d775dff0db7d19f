"""Erasure at a batch's end: what the batch made of persons whom it erased or merged after that."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from whereupon.messages.structs import with_changes
from whereupon.records import Changes, ClaimRun, Delivery, Entry, Skips, TimeSkip, Transfer

_Owned = TypeVar("_Owned", ClaimRun, Delivery, Entry, Skips, TimeSkip, Transfer)


@dataclass(frozen=True, slots=True)
class Owners:
    """The owners of records at a batch's end.

    Attributes:
        erased: keys of persons, and of anonymous ids.
        moved: by the key of a person who was merged, the survivor's.
    """

    erased: set[int]
    moved: Mapping[int, int]

    def survivor_of(self, key: int) -> int:
        """The key of a person after the merges."""
        while key in self.moved:
            key = self.moved[key]
        return key

    def keeps(self, key: int) -> bool:
        """Whether what belonged to that key is kept."""
        return self.survivor_of(key) not in self.erased


def drop_erased(changes: Changes, owners: Owners) -> None:
    """Drop what the batch made of erased persons, and give the survivors what it made of merged ones."""
    keeps, survivor_of = owners.keeps, owners.survivor_of
    changes.messages = [
        stored.changed(owner=survivor_of(stored.owner)) if stored.owner in owners.moved else stored
        for stored in changes.messages
        if keeps(stored.owner)
    ]
    kept = {stored.key for stored in changes.messages}
    lists = changes.skipped_lists.items()
    changes.skipped_lists = {key: skipped for key, skipped in lists if key in kept}
    changes.owners = [(key, survivor_of(to)) for key, to in changes.owners if keeps(to)]
    changes.identifiers = [
        known._replace(key=survivor_of(known.key))
        for known in changes.identifiers
        if keeps(known.key)
    ]
    changes.persons = {key: person for key, person in changes.persons.items() if keeps(key)}
    changes.transfers = _kept(changes.transfers, owners)
    runs = _kept(changes.claims.values(), owners)
    changes.claims = {(run.anonymous_key, run.since): run for run in runs}
    changes.skips = _kept(changes.skips, owners)
    changes.time_skips = _kept(changes.time_skips, owners)
    opened = changes.open_skips.items()
    changes.open_skips = {
        place: each and each._replace(person_key=survivor_of(each.person_key))
        for place, each in opened
        if each is None or keeps(each.person_key)
    }
    changes.entries = {entry.key: entry for entry in _kept(changes.entries.values(), owners)}
    changes.new_entries &= changes.entries.keys()
    changes.deliveries = _kept(changes.deliveries, owners)
    changes.devices = {
        token: replace(device, person_key=survivor_of(device.person_key)) if device else None
        for token, device in changes.devices.items()
        if device is None or keeps(device.person_key)
    }
    changes.relationships = {
        replace(tie, person_key=survivor_of(tie.person_key)): exists
        for tie, exists in changes.relationships.items()
        if keeps(tie.person_key)
    }


def _kept(records: Iterable[_Owned], owners: Owners) -> list[_Owned]:
    return [
        with_changes(each, person_key=owners.survivor_of(each.person_key))
        for each in records
        if owners.keeps(each.person_key)
    ]
