"""Writing a batch's changes into the in-memory store's shelves.

The order is the port's: erasing first, merging second, then what the batch made.
"""

from collections.abc import Collection
from dataclasses import replace

from whereupon.messages.model import erased_name
from whereupon.records import (
    BroadcastRun,
    Changes,
    Delivery,
    DeliveryState,
    IdKind,
    Merge,
    Relationship,
    Request,
    Skips,
)
from whereupon.storage.memory.ledger import write_ledger
from whereupon.storage.memory.shelves import Shelves
from whereupon.storage.memory.undo import Undo


def write(changes: Changes, shelves: Shelves, undo: Undo) -> None:
    """Write everything that a batch made."""
    if changes.erased_persons:
        _forget_all(set(changes.erased_persons), shelves, undo)
    users = {value for kind, value in changes.erased_identifiers if kind is IdKind.USER}
    _forget_asking(users, shelves, undo)
    for ref in changes.erased_ids:
        shelves.drop_message(ref, undo)
    for merge in changes.merges:
        _merge(merge, shelves, undo)
    _write_messages(changes, shelves, undo)
    _write_persons(changes, shelves, undo)
    _write_entries(changes, shelves, undo)
    _write_objects(changes, shelves, undo)
    _write_records(changes, shelves, undo)
    write_ledger(changes, shelves, undo)


def _write_messages(changes: Changes, shelves: Shelves, undo: Undo) -> None:
    for message in changes.messages:
        shelves.add_message(message, undo)
    for key, owner in changes.owners:
        shelves.move_message(key, owner, undo)
    for key, broadcasts in changes.discarded_skips.items():
        _discard_skips(shelves, key, broadcasts, undo)
    for skips in changes.skips:
        undo.put(shelves.skips, skips.message_key, _joined(shelves, skips))


def _discard_skips(shelves: Shelves, key: int, broadcasts: Collection[str], undo: Undo) -> None:
    earlier = shelves.skips.get(key)
    left = earlier.without_person(broadcasts) if earlier is not None else None
    if left is not None:
        undo.put(shelves.skips, key, left)
    elif earlier is not None:
        undo.drop(shelves.skips, key)


def _joined(shelves: Shelves, skips: Skips) -> Skips:
    earlier = shelves.skips.get(skips.message_key)
    if earlier is None:
        return skips
    return skips._replace(
        verdicts=earlier.verdicts + skips.verdicts, others=earlier.others + skips.others
    )


def _write_persons(changes: Changes, shelves: Shelves, undo: Undo) -> None:
    for identifier in changes.identifiers:
        shelves.add_identifier(identifier, undo)
    for person in changes.persons.values():
        shelves.put_person(person, undo)
    for run in changes.dropped_claims:
        shelves.drop_claim(run, undo)
    for claim in changes.claims.values():
        shelves.put_claim(claim, undo)
    for key, claiming in changes.claimings.items():
        if claiming is None:
            undo.drop(shelves.claimings, key)
        else:
            undo.put(shelves.claimings, key, claiming)


def _write_entries(changes: Changes, shelves: Shelves, undo: Undo) -> None:
    new = changes.new_entries
    for key in changes.entries.keys() - new:  # first, since one that ends may free a slot
        shelves.change_entry(changes.entries[key], undo)
    for key, entry in changes.entries.items():
        if key in new:
            shelves.add_entry(entry, undo)
    for delivery in changes.deliveries:
        shelves.add_delivery(delivery, undo)
    for name, reason in changes.withdrawn.items():
        _withdraw(name, reason, shelves, undo)
    for run in changes.runs.values():
        shelves.advance_run(run, undo)


def _withdraw(idempotency_key: str, reason: str, shelves: Shelves, undo: Undo) -> None:
    delivery = shelves.deliveries.get(shelves.idempotency_keys.get(idempotency_key, 0))
    if delivery is not None and delivery.state in {DeliveryState.PENDING, DeliveryState.HELD}:
        withheld = delivery._replace(state=DeliveryState.WITHHELD, reason=reason)
        shelves.change_delivery(withheld, undo)


def _write_objects(changes: Changes, shelves: Shelves, undo: Undo) -> None:
    for token, device in changes.devices.items():
        if device is None:
            shelves.drop_device(token, undo)
        else:
            shelves.put_device(device, undo)
    for name, thing in changes.objects.items():
        if thing is None:
            undo.drop(shelves.objects, name)
        else:
            undo.put(shelves.objects, name, thing)
    for relationship, holds in changes.relationships.items():
        theirs = shelves.relationships.setdefault(relationship.person_key, {})
        if holds:
            undo.put(theirs, relationship, None)
        else:
            undo.drop(theirs, relationship)


def _write_records(changes: Changes, shelves: Shelves, undo: Undo) -> None:
    for place, tombstone in changes.tombstones.items():
        if tombstone is None:
            undo.drop(shelves.tombstones, place)
        else:
            undo.put(shelves.tombstones, place, tombstone)
    for report in changes.reports:
        undo.put(shelves.reports, report.ref, report)
    for wording, source in changes.wordings.items():
        if wording not in shelves.wordings:
            undo.put(shelves.wordings, wording, source)
    _write_asides(changes, shelves, undo)


def _write_asides(changes: Changes, shelves: Shelves, undo: Undo) -> None:
    buried = set(changes.erased_identifiers)
    for aside in list(shelves.set_aside.values()) if buried else ():
        names = {(IdKind.USER, aside.user_id), (IdKind.ANONYMOUS, aside.anonymous_id)}
        if names & buried:
            undo.drop(shelves.set_aside, aside.ref)
    for aside in changes.set_aside:
        undo.put(shelves.set_aside, aside.ref, aside)
    for ref in changes.resumed:
        undo.drop(shelves.set_aside, ref)


def _forget_all(keys: set[int], shelves: Shelves, undo: Undo) -> None:
    """Erase persons, and what their messages opened to others."""
    rivals = {rival for key in keys for rival in _rivals(key, shelves)} - keys
    gone = {message for key in sorted(keys) for message in _forget(key, shelves, undo)}
    if gone:
        _blank_entries(gone, rivals, shelves, undo)
        _blank_runs(gone, shelves, undo)
    _forget_steps_to(keys, shelves, undo)


def _forget(key: int, shelves: Shelves, undo: Undo) -> set[int]:
    """Erase one person; returns the keys of the messages that go."""
    user_ids = {value for kind, value in shelves.named.get(key, ()) if kind is IdKind.USER}
    _forget_asking(user_ids, shelves, undo)
    gone = _forget_names(key, shelves, undo) | shelves.drop_messages(key, undo)
    shelves.drop_person(key, undo)
    for entries in list(shelves.entries_of.get(key, {}).values()):
        for entry_key in list(entries):
            shelves.drop_entry(entry_key, undo)
    for delivery_key in list(shelves.deliveries_of.get(key, ())):
        shelves.drop_delivery(delivery_key, undo)
    for token in list(shelves.devices_of.get(key, ())):
        shelves.drop_device(token, undo)
    undo.drop(shelves.relationships, key)
    return gone


def _forget_steps_to(keys: set[int], shelves: Shelves, undo: Undo) -> None:
    """Drop the merges and unfinished claims of those who are forgotten."""
    for merge in list(shelves.merges.values()):
        if not keys.isdisjoint((merge.survivor_key, merge.loser_key)):
            undo.drop(shelves.merges, merge.ref)
    for claiming in list(shelves.claimings.values()):
        if not keys.isdisjoint((claiming.person_key, claiming.anonymous_key)):
            undo.drop(shelves.claimings, claiming.anonymous_key)


def _forget_asking(user_ids: set[str], shelves: Shelves, undo: Undo) -> None:
    if not user_ids:
        return
    for request in list(shelves.requests.values()):
        target = request.message.target_id if request.message else None
        if request.person in user_ids or target in user_ids:
            shelves.put_request(_nameless(request), undo)
        elif request.requester in user_ids:
            shelves.put_request(replace(request, requester=None), undo)
        if request.person in user_ids:
            shelves.drop_message(request.ref, undo)
    for report in list(shelves.reports.values()):
        if report.person in user_ids:
            undo.drop(shelves.reports, report.ref)
            new_ref = erased_name(report.ref)
            undo.put(shelves.reports, new_ref, report.without_person(new_ref))
            shelves.drop_message(report.ref, undo)


def _nameless(request: Request) -> Request:
    if request.person is None:
        return replace(request, message=None, requester=None)
    message_id = erased_name(request.ref)
    return replace(request, message_id=message_id, person=None, message=None, requester=None)


def _forget_names(key: int, shelves: Shelves, undo: Undo) -> set[int]:
    for name in list(shelves.named.get(key, ())):
        shelves.drop_identifier(name, undo)
    gone: set[int] = set()
    for run in list(shelves.claimed.get(key, ())):
        shelves.drop_claim(run, undo)
        if not shelves.claims[run[0]]:  # else it is somebody else's, too
            gone |= _forget_anonymous(run[0], shelves, undo)
    return gone


def _forget_anonymous(key: int, shelves: Shelves, undo: Undo) -> set[int]:
    for name in list(shelves.named.get(key, ())):
        shelves.drop_identifier(name, undo)
    undo.drop(shelves.claimings, key)
    return shelves.drop_messages(key, undo)


def _rivals(key: int, shelves: Shelves) -> set[int]:
    """Others who claimed an anonymous id that this person claimed, too."""
    places = {anonymous_key for anonymous_key, _ in shelves.claimed.get(key, ())}
    runs = [run for place in places for run in shelves.claims[place].values()]
    return {run.person_key for run in runs} - {key}


def _blank_entries(message_keys: set[int], persons: set[int], shelves: Shelves, undo: Undo) -> None:
    """Leave the entries that these messages opened to others, without what opened them."""
    for person in persons:
        by_rule = shelves.entries_of.get(person, {}).values()
        for entry in [entry for of_one in by_rule for entry in of_one.values()]:
            if entry.message_key not in message_keys:
                continue
            shelves.drop_entry(entry.key, undo)
            shelves.add_entry(entry._replace(occasion=erased_name(entry.occasion), facts={}), undo)
            for delivery in list(shelves.deliveries_of.get(person, {}).values()):
                if (delivery.rule, delivery.occasion) == (entry.rule, entry.occasion):
                    _blank_delivery(delivery, shelves, undo)


def _blank_runs(message_keys: set[int], shelves: Shelves, undo: Undo) -> None:
    for run in list(shelves.runs.values()):
        if run.message_key in message_keys:
            _blank_run(run, shelves, undo)


def _blank_run(run: BroadcastRun, shelves: Shelves, undo: Undo) -> None:
    """Leave a broadcast to the others in its audience, without what opened it."""
    occasion = erased_name(run.occasion)
    shelves.drop_run((run.rule, run.occasion), undo)
    shelves.put_run(replace(run, occasion=occasion, facts={}), undo)
    for entry in list(shelves.entries.values()):
        if entry.rule == run.rule and entry.occasion == run.occasion:
            shelves.drop_entry(entry.key, undo)
            shelves.add_entry(entry._replace(occasion=occasion, facts={}), undo)
    for delivery in list(shelves.deliveries.values()):
        if delivery.rule == run.rule and delivery.occasion == run.occasion:
            _blank_delivery(delivery, shelves, undo)


def _blank_delivery(delivery: Delivery, shelves: Shelves, undo: Undo) -> None:
    """Keep of a delivery that there was one; one that waits is sent no more."""
    blank = delivery._replace(occasion=None, content={})
    if delivery.state in {DeliveryState.PENDING, DeliveryState.HELD}:
        blank = blank._replace(state=DeliveryState.WITHHELD, reason="erased")
    shelves.change_delivery(blank, undo)


def _merge(merge: Merge, shelves: Shelves, undo: Undo) -> None:
    loser, survivor = merge.loser_key, merge.survivor_key
    for _, key in list(shelves.owned.get(loser, ())):
        shelves.move_message(key, survivor, undo)
    for identifier in list(shelves.named.get(loser, {}).values()):
        shelves.put_identifier(identifier._replace(key=survivor), undo)
    for claim in list(shelves.claimed.get(loser, {}).values()):
        shelves.put_claim(claim._replace(person_key=survivor), undo)
    for entries in list(shelves.entries_of.get(loser, {}).values()):
        for entry in list(entries.values()):
            shelves.change_entry(entry._replace(person_key=survivor), undo)
    for delivery in list(shelves.deliveries_of.get(loser, {}).values()):
        shelves.change_delivery(delivery._replace(person_key=survivor), undo)
    for device in list(shelves.devices_of.get(loser, {}).values()):
        shelves.put_device(replace(device, person_key=survivor), undo)
    _merge_claimings(merge, shelves, undo)
    shelves.drop_person(loser, undo)
    _merge_relationships(merge, shelves, undo)
    _record_merge(merge, shelves, undo)


def _merge_claimings(merge: Merge, shelves: Shelves, undo: Undo) -> None:
    for claiming in list(shelves.claimings.values()):
        if claiming.person_key == merge.loser_key:
            moved = claiming._replace(person_key=merge.survivor_key)
            undo.put(shelves.claimings, claiming.anonymous_key, moved)


def _merge_relationships(merge: Merge, shelves: Shelves, undo: Undo) -> None:
    theirs = shelves.relationships.setdefault(merge.survivor_key, {})
    for tie in undo.drop(shelves.relationships, merge.loser_key) or ():
        undo.put(theirs, Relationship(merge.survivor_key, tie.type_id, tie.object_id), None)


def _record_merge(merge: Merge, shelves: Shelves, undo: Undo) -> None:
    for earlier in list(shelves.merges.values()):
        if earlier.survivor_key == merge.loser_key:
            moved = replace(earlier, survivor_key=merge.survivor_key)
            undo.put(shelves.merges, earlier.ref, moved)
    undo.put(shelves.merges, merge.ref, merge)
