"""Erasure at a batch's end: what the batch made of persons whom it erased or merged then."""

from collections.abc import Mapping
from dataclasses import replace

from whereupon.records import Changes


def drop_erased(changes: Changes, gone: set[int], moved: Mapping[int, int]) -> None:
    """Drop what the batch made of erased persons, and give the survivors what it made of merged ones.

    Args:
        gone: keys of persons, and of anonymous ids, that were erased.
        moved: by the key of a person who was merged, the survivor's.
    """

    def owner(key: int) -> int:
        while key in moved:
            key = moved[key]
        return key

    changes.messages = [
        stored._replace(owner=owner(stored.owner)) if stored.owner in moved else stored
        for stored in changes.messages
        if owner(stored.owner) not in gone
    ]
    changes.owners = [(key, owner(to)) for key, to in changes.owners if owner(to) not in gone]
    changes.transfers = [
        each._replace(person_key=owner(each.person_key))
        for each in changes.transfers
        if owner(each.person_key) not in gone
    ]
    changes.identifiers = [
        known._replace(key=owner(known.key))
        for known in changes.identifiers
        if owner(known.key) not in gone
    ]
    changes.persons = {key: p for key, p in changes.persons.items() if owner(key) not in gone}
    changes.claims = {
        place: run._replace(person_key=owner(run.person_key))
        for place, run in changes.claims.items()
        if owner(run.person_key) not in gone
    }
    changes.skips = [
        skips._replace(person_key=owner(skips.person_key))
        for skips in changes.skips
        if owner(skips.person_key) not in gone
    ]
    changes.entries = {
        key: entry._replace(person_key=owner(entry.person_key))
        for key, entry in changes.entries.items()
        if owner(entry.person_key) not in gone
    }
    changes.new_entries &= changes.entries.keys()
    changes.deliveries = [
        delivery._replace(person_key=owner(delivery.person_key))
        for delivery in changes.deliveries
        if owner(delivery.person_key) not in gone
    ]
    changes.devices = {
        token: replace(device, person_key=owner(device.person_key)) if device else None
        for token, device in changes.devices.items()
        if device is None or owner(device.person_key) not in gone
    }
    changes.relationships = {
        replace(tie, person_key=owner(tie.person_key)): there
        for tie, there in changes.relationships.items()
        if owner(tie.person_key) not in gone
    }
