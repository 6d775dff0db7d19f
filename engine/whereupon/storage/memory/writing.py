"""Writing a batch's changes into the tables in memory, in the port's order: erase, merge, then the rest."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

import whereupon.records as records
from whereupon.messages.model import erased_digest, erased_name
from whereupon.records import Changes, DeliveryState, IdKind
from whereupon.storage.memory.schema import Named, Schema
from whereupon.storage.memory.tables import Table, changed

K = TypeVar("K")
R = TypeVar("R")
_WAITS = {DeliveryState.PENDING, DeliveryState.HELD}


def write(changes: Changes, to: Schema) -> None:
    """Write everything that a batch made."""
    _erase(changes, to)
    for merge in changes.merges:
        _merge(merge, to)
    _write_messages(changes, to)
    _write_persons(changes, to)
    _write_entries(changes, to)
    _write_records(changes, to)


def _write_messages(changes: Changes, to: Schema) -> None:
    for transfer in changes.transfers:
        _transfer(transfer, to)
    for message in changes.messages:
        to.messages.add(message)
    for key, owner in changes.owners:
        for moved in to.messages.some([key]):
            to.messages.put(moved._replace(owner=owner))
    for earlier in to.skips.some(list(changes.discarded_skips)):
        left = earlier.without_person(changes.discarded_skips[earlier.message_key])
        to.skips.drop(earlier.message_key)
        _put(to.skips, [left] if left else [])
    for skips in changes.skips:
        _add_skips(skips, to)


def _transfer(transfer: records.Transfer, to: Schema) -> None:
    for message in to.messages.of(transfer.anonymous_key):
        name, at = (message.type, message.name), message.timestamp
        if not (transfer.since <= at <= transfer.until and transfer.inert.covers(name, at)):
            continue
        to.messages.put(message._replace(owner=transfer.person_key))
        if (summary := transfer.skips.get(name)) is not None:
            skips = records.Skips(
                message.key, transfer.person_key, transfer.decided_at, retroactive=True
            )
            _add_skips(skips._replace(others=(summary,)), to)


def _add_skips(skips: records.Skips, to: Schema) -> None:
    was = to.skips.rows.get(skips.message_key, skips._replace(verdicts=(), others=()))
    joined = {"verdicts": was.verdicts + skips.verdicts, "others": was.others + skips.others}
    to.skips.put(changed(skips, **joined))


def _write_persons(changes: Changes, to: Schema) -> None:
    for identifier in changes.identifiers:
        to.identifiers.add(identifier)
    _put(to.persons, changes.persons.values())
    to.claims.drop(*changes.dropped_claims)
    _put(to.claims, changes.claims.values())
    _put_or_drop(to.claimings, changes.claimings)


def _write_entries(changes: Changes, to: Schema) -> None:
    new = changes.new_entries
    for was in to.entries.some(changes.entries.keys() - new):  # first: they may free a slot
        now = changes.entries[was.key]
        moved = was._replace(person_key=now.person_key, slot=now.slot, facts=now.facts)
        state = {"state": now.state, "position": now.position, "due_at": now.due_at}
        to.entries.put(changed(moved, **state, ended=now.ended))
    for key, entry in changes.entries.items():
        if key in new:
            to.entries.add(entry)
    _write_sendings(changes, to)


def _write_sendings(changes: Changes, to: Schema) -> None:
    for delivery in changes.deliveries:
        to.deliveries.add(delivery)
    for name, reason in changes.withdrawn.items():
        for sent in to.deliveries.some([to.idempotency_keys.keys.get(name)]):
            if sent.state in _WAITS:
                to.deliveries.put(sent._replace(state=DeliveryState.WITHHELD, reason=reason))
    for place, run in changes.runs.items():
        there = to.runs.rows.get(place)
        if there is None or _goes_on(there.cursor, run.cursor):
            to.runs.put(run)


def _goes_on(there: int | None, new: int | None) -> bool:
    """Whether a cursor goes on; None is its end."""
    return there is not None and (new is None or new >= there)


def _write_records(changes: Changes, to: Schema) -> None:
    _put_or_drop(to.devices, changes.devices)
    _put_or_drop(to.objects, changes.objects)
    for tie, holds in changes.relationships.items():
        key = (tie.person_key, tie.type_id, tie.object_id)
        _put_or_drop(to.relationships, {key: tie if holds else None})
    _put_or_drop(to.tombstones, changes.tombstones)
    _put(to.reports, changes.reports)
    for digest, (_, source) in changes.rule_versions.items():
        if digest not in to.versions.rows:
            to.versions.put(Named(digest, source))
    _put(to.set_aside, changes.set_aside)
    to.set_aside.drop(*changes.resumed)
    _put(to.requests, changes.requests.values())
    _put(to.approvals, changes.approvals)
    _put(to.breakers, changes.breakers.values())
    _put(to.audit, changes.audit)
    _put(to.audit_head, [changes.audit_head] if changes.audit_head else [])


def _put(table: Table[R], rows: Iterable[R]) -> None:
    for row in rows:
        table.put(row)


def _put_or_drop(table: Table[R], rows: Mapping[K, R | None]) -> None:
    for key, row in rows.items():
        if row is None:
            table.drop(key)
        else:
            table.put(row)


def _merge(merge: records.Merge, to: Schema) -> None:
    for table in to.owned:
        table.give(merge.loser_key, merge.survivor_key)
    to.persons.drop(merge.loser_key)
    to.merges.put(merge)


def _erase(changes: Changes, to: Schema) -> None:
    """Erase persons, and what others keep of them. Of every message that goes, the digest stays."""
    gone = [*changes.erased_persons, *_only_theirs(set(changes.erased_persons), to)]
    owned = [message for key in gone for message in to.messages.of(key)]
    users = {i.value for key in gone for i in to.identifiers.of(key) if i.kind is IdKind.USER}
    users |= {value for kind, value in changes.erased_identifiers if kind is IdKind.USER}
    named = {*changes.erased_ids, *_blank_requests(users, to), *_blank_reports(users, to)}
    _blank_opened(set(gone), {message.key for message in owned}, to)
    for ref in {message.ref for message in owned} | named:
        to.erased.put(Named(erased_digest(ref)))
    to.messages.drop(*(to.refs.keys.get(ref) for ref in named))
    to.skips.drop(*(message.key for message in owned))
    for table in to.owned:
        for key in gone:
            table.drop(*table.owned.keys(key))
    to.claimings.drop(*gone)
    to.persons.drop(*gone)
    to.merges.drop(*(m.ref for m in list(to.merges.rows.values()) if m.loser_key in gone))
    buried = set(changes.erased_identifiers)
    for aside in list(to.set_aside.rows.values()) if buried else ():
        if buried & {(IdKind.USER, aside.user_id), (IdKind.ANONYMOUS, aside.anonymous_id)}:
            to.set_aside.drop(aside.ref)


def _only_theirs(persons: set[int], to: Schema) -> set[int]:
    """The anonymous ids that nobody but these persons claimed."""
    claimed = {claim.anonymous_key for key in persons for claim in to.claims.of(key)}
    return {key for key in claimed if all(run.person_key in persons for run in _runs(key, to))}


def _runs(anonymous_key: int, to: Schema) -> list[records.Claim]:
    return to.claims.some(to.claims_of.keys(anonymous_key))


def _blank_requests(users: set[str], to: Schema) -> set[str]:
    """Take these people's names out of requests; returns the requests' messages."""
    named = set[str]()
    for request in list(to.requests.rows.values()) if users else ():
        target = request.message.target_id if request.message else None
        if request.person in users or target in users:
            name = request.message_id if request.person is None else erased_name(request.ref)
            blank = replace(request, message_id=name, person=None, message=None, requester=None)
            to.requests.put(blank)
            if request.person in users:
                named.add(request.ref)
        elif request.requester in users:
            to.requests.put(replace(request, requester=None))
    return named


def _blank_reports(users: set[str], to: Schema) -> set[str]:
    """Take these people's names out of reports; returns the reports' messages."""
    named = {report.ref for report in to.reports.rows.values() if report.person in users}
    for report in to.reports.some(named):
        to.reports.drop(report.ref)
        to.reports.put(report.without_person(erased_name(report.ref)))
    return named


def _blank_opened(gone: set[int], messages: set[int], to: Schema) -> None:
    """Keep what these messages opened to others, without what they said."""
    claimed = {claim.anonymous_key for key in gone for claim in to.claims.of(key)}
    rivals = {run.person_key for key in claimed for run in _runs(key, to)} - gone
    for entry in [e for rival in rivals for e in to.entries.of(rival) if e.message_key in messages]:
        _blank([entry], to.deliveries.of(entry.person_key), entry.rule, entry.occasion, to)
    for run in [run for run in to.runs.rows.values() if run.message_key in messages]:
        to.runs.drop((run.rule, run.occasion))
        to.runs.put(replace(run, occasion=erased_name(run.occasion), facts={}))
        every = list(to.entries.rows.values()), list(to.deliveries.rows.values())
        _blank(*every, run.rule, run.occasion, to)


def _blank(
    entries: Collection[records.Entry],
    deliveries: Collection[records.Delivery],
    rule: str,
    occasion: str,
    to: Schema,
) -> None:
    """Of these entries and deliveries, those that the occasion opened; what waits is sent no more."""
    for entry in entries:
        if (entry.rule, entry.occasion) == (rule, occasion):
            to.entries.put(entry._replace(occasion=erased_name(occasion), facts={}))
    for sent in deliveries:
        if (sent.rule, sent.occasion) == (rule, occasion):
            blank = sent._replace(occasion=None, content={})
            if sent.state in _WAITS:
                blank = blank._replace(state=DeliveryState.WITHHELD, reason="erased")
            to.deliveries.put(blank)
