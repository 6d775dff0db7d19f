"""Writing a batch's changes into the tables in memory, in the port's order: erase, merge, then the rest."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeAlias

import whereupon.records as records
from whereupon.messages.metrics import from_bits
from whereupon.messages.model import erased_digest, erased_name
from whereupon.records import (
    WAITING,
    Changes,
    Delivery,
    DeliveryState,
    Entry,
    IdKind,
    StoredMessage,
    Timer,
)
from whereupon.storage.filled_parts import FilledParts
from whereupon.storage.memory.layout import Named, Schema

_BY_KEY = (
    *("persons", "claims", "claim_jobs", "devices", "objects", "tombstones"),
    *("requests", "breakers", "inbox", "answers", "api_keys", "api_secrets", "open_skips"),
    "armings",
)
"""What `Changes` has by the keys of the tables of the same names; None for what goes."""


_Made: TypeAlias = Entry | Delivery | records.InboxItem


def write(changes: Changes, to: Schema) -> None:
    """Write everything that a batch made."""
    if changes.erased_persons or changes.erased_identifiers or changes.erased_ids:
        _erase(changes, to)
    for merge in changes.merges:
        earliest = _earlier_timers(merge, to)
        for table in to.owned:
            table.give(merge.loser_key, merge.survivor_key)
        to.timers.put(*earliest)
        to.persons.drop(merge.loser_key)
        to.merges.put(merge)
    for write_part in PARTS.writers(changes):
        write_part(changes, to)


def _write_identifiers(changes: Changes, to: Schema) -> None:
    to.identifiers.add(*changes.identifiers)


def _write_runs(changes: Changes, to: Schema) -> None:
    runs = to.runs.rows
    to.runs.put(*(r for k, r in changes.runs.items() if _goes_on(runs.get(k), r.cursor)))
    to.runs.put(*changes.operated_runs.values())


def _write_pauses(changes: Changes, to: Schema) -> None:
    resumed = {r for r, pause in to.pauses.rows.items() if pause.sweep is not None}
    to.pauses.put_or_drop({r: p for r, p in changes.pauses.items() if p or r in resumed})


def _write_versions(changes: Changes, to: Schema) -> None:
    versions = to.versions.rows
    new = {d: Named(d, text) for d, text in changes.rule_versions.items() if d not in versions}
    to.versions.put_or_drop(new)


def _write_by_key(changes: Changes, to: Schema) -> None:
    to.claims.drop(*changes.dropped_claims)
    for name in _BY_KEY:
        getattr(to, name).put_or_drop(getattr(changes, name))


def _write_objects(changes: Changes, to: Schema) -> None:
    to.objects.add(*(each for k, each in changes.named_objects.items() if k not in to.objects.rows))
    keyed = {(r.person_key, r.type_id, r.object_id): r for r in changes.relationships}
    holds = {key: each if changes.relationships[each] else None for key, each in keyed.items()}
    to.relationships.put_or_drop(holds)


def _write_reports(changes: Changes, to: Schema) -> None:
    to.reports.put(*changes.reports)
    for report in changes.reports:
        metrics, keys = from_bits(report.bits), to.idempotency_keys.keys(report.subject)
        sent = to.deliveries.some(keys)
        to.deliveries.put(*(each.changed(reports=each.reports | metrics) for each in sent))


def _write_operations(changes: Changes, to: Schema) -> None:
    to.approvals.put(*changes.approvals)
    old, kept = to.suppressed.rows, changes.suppressed.items()
    to.suppressed.put_or_drop({key: each and old.get(key, each) for key, each in kept})
    to.audit.put(*changes.audit)
    to.audit_head.put(*filter(None, [changes.audit_head]))


def _write_set_aside(changes: Changes, to: Schema) -> None:
    to.set_aside.put(*changes.set_aside)
    to.set_aside.drop(*changes.resumed)


def _write_timers(changes: Changes, to: Schema) -> None:
    handled = {
        (person, subject): None if at is None else Timer(subject, person, at)
        for (person, subject), at in changes.timers.items()
    }
    to.timers.put_or_drop(handled)
    was = to.timers.rows
    armed = (Timer(subject, person, at) for (person, subject), at in changes.armed.items())
    to.timers.put(*(t for t in armed if t.place not in was or t.due_at < was[t.place].due_at))


def _earlier_timers(merge: records.Merge, to: Schema) -> list[Timer]:
    """Of the timers that both persons of a merge have, those that are due first."""
    both = [*to.timers.of(merge.loser_key), *to.timers.of(merge.survivor_key)]
    first: dict[str, Timer] = {}
    for timer in sorted(both, key=lambda each: each.due_at):
        first.setdefault(timer.subject, timer._replace(person_key=merge.survivor_key))
    return [*first.values()]


def _write_messages(changes: Changes, to: Schema) -> None:
    met = [skips for transfer in changes.transfers for skips in _transfer(transfer, to)]
    to.messages.add(*changes.messages)
    to.skipped_lists.add_by_key(changes.skipped_lists)
    there = to.messages.rows
    moved = ((there[key], owner) for key, owner in changes.owners if key in there)
    to.messages.hand_over(*(StoredMessage(m.key, owner, m.message) for m, owner in moved))
    for was in to.skips.some(changes.discarded_skips):
        left = was.without_person(changes.discarded_skips[was.message_key])
        to.skips.put_or_drop({was.message_key: left})
    _write_skips([*met, *changes.skips], to)


def _write_skips(records_of_skips: list[records.Skips], to: Schema) -> None:
    """Keep what messages skipped; it comes behind what a message has skipped already."""
    there = to.skips.rows
    first: dict[int, records.Skips] = {}
    again: list[records.Skips] = []
    for skips in records_of_skips:
        if skips.message_key in there or skips.message_key in first:
            again.append(skips)
        else:
            first[skips.message_key] = skips
    to.skips.add_by_key(first)
    for skips in again:
        before = there[skips.message_key]
        verdicts, summaries = before.verdicts + skips.verdicts, before.summaries + skips.summaries
        to.skips.put(skips._replace(verdicts=verdicts, summaries=summaries))


def _transfer(transfer: records.Transfer, to: Schema) -> Iterator[records.Skips]:
    """Give inert messages to a person; the skips that they have then met."""
    for message in to.messages.of(transfer.anonymous_key):
        if transfer.includes(name := (message.type, message.name), message.timestamp):
            to.messages.put(message.changed(owner=transfer.person_key))
            if name in transfer.skips:
                met = (message.key, transfer.person_key, transfer.decided_at)
                yield records.Skips(*met, True, summaries=(transfer.skips[name],))


def _write_entries(changes: Changes, to: Schema) -> None:
    new = changes.new_entries
    for was in to.entries.some(changes.entries.keys() - new):  # first: they may free a slot
        now = changes.entries[was.key]
        moved = was.changed(person_key=now.person_key, slot=now.slot, facts=now.facts)
        moved = moved.changed(digest=now.digest, operations=now.operations)
        step = moved.changed(state=now.state, address=now.address, due_at=now.due_at)
        step = step.changed(ended=now.ended, trail=now.trail, arms=now.arms, sent_at=now.sent_at)
        to.entries.put(step.changed(watched_until=now.watched_until, converted_at=now.converted_at))
    to.entries.add(*(entry for key, entry in changes.entries.items() if key in new))
    to.deliveries.add(*changes.deliveries)
    to.time_skips.add(*changes.time_skips)
    for name, reason in changes.withdrawn.items():
        _turn(to, name, WAITING, DeliveryState.WITHHELD, reason)
    for name, halt in changes.halted.items():
        if halt:
            _turn(to, name, WAITING, DeliveryState.PAUSED, None)
        else:
            _turn(to, name, (DeliveryState.PAUSED,), DeliveryState.PENDING, None)


def _turn(
    to: Schema,
    name: str,
    states: tuple[DeliveryState, ...],
    state: DeliveryState,
    reason: str | None,
) -> None:
    """Put the delivery of a key into a state, if it is in one of those."""
    for each in to.deliveries.some(to.idempotency_keys.keys(name)):
        if each.state in states:
            to.deliveries.put(each.changed(state=state, reason=reason))


def _erase(changes: Changes, to: Schema) -> None:
    """Erase persons, and what others keep of them. Of every message that goes, the digest stays."""
    gone = [*changes.erased_persons, *_only_theirs(set(changes.erased_persons), to)]
    owned = [message for key in gone for message in to.messages.of(key)]
    users = {i.value for key in gone for i in to.identifiers.of(key) if i.kind is IdKind.USER}
    users |= {value for kind, value in changes.erased_identifiers if kind is IdKind.USER}
    named = {*changes.erased_ids, *_blank_requests(users, to), *_blank_reports(users, to)}
    _blank_opened(set(gone), {message.key for message in owned}, to)
    refs = {message.ref for message in owned} | named
    to.erased.put(*(Named(erased_digest(ref)) for ref in refs))
    to.messages.drop(*(key for ref in named for key in to.refs.keys(ref)))
    for table in (to.skips, to.skipped_lists):
        table.drop(*(message.key for message in owned))
    for table in to.owned:
        table.drop(*(row for key in gone for row in table.owned.keys(key)))
    to.claim_jobs.drop(*gone)
    to.persons.drop(*gone)
    to.merges.drop(*(m.ref for m in list(to.merges.rows.values()) if m.loser_key in gone))
    ids = set(changes.erased_identifiers)
    for aside in list(to.set_aside.rows.values()):
        if ids & {(IdKind.USER, aside.user_id), (IdKind.ANONYMOUS, aside.anonymous_id)}:
            to.set_aside.drop(aside.ref)


def _only_theirs(persons: set[int], to: Schema) -> set[int]:
    """The anonymous ids that nobody but these persons claimed."""
    claimed = {claim.anonymous_key for key in persons for claim in to.claims.of(key)}
    return {key for key in claimed if all(run.person_key in persons for run in _runs(key, to))}


def _runs(anonymous_key: int, to: Schema) -> list[records.ClaimRun]:
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
    to.reports.put(*(r.without_person(erased_name(r.ref)) for r in to.reports.some(named)))
    to.reports.drop(*named)
    return named


def _blank_opened(gone: set[int], messages: set[int], to: Schema) -> None:
    """Keep what these messages opened to others, without what they said; what waits is not sent."""
    claimed = {claim.anonymous_key for key in gone for claim in to.claims.of(key)}
    rivals = {run.person_key for key in claimed for run in _runs(key, to)} - gone
    opened = [e for rival in rivals for e in to.entries.of(rival) if e.message_key in messages]
    deliveries = [d for e in opened for d in to.deliveries.of(e.person_key) if _is_of(d, e)]
    shown = [item for e in opened for item in to.inbox.of(e.person_key) if _is_of(item, e)]
    for run in [run for run in to.runs.rows.values() if run.message_key in messages]:
        shown += [each for each in to.inbox.rows.values() if _is_of(each, run)]
        opened += [each for each in to.entries.rows.values() if _is_of(each, run)]
        deliveries += [each for each in to.deliveries.rows.values() if _is_of(each, run)]
        to.runs.drop((run.rule, run.occasion))
        to.runs.put(replace(run, occasion=erased_name(run.occasion), facts={}))
    to.inbox.drop(*(item.key for item in shown))
    for entry in opened:
        seen = tuple(mark._replace(values=records.NO_VALUES) for mark in entry.trail)
        name = erased_name(entry.occasion)
        to.entries.put(entry.changed(occasion=name, facts={}, trail=seen))
    for sent in deliveries:
        blank = sent.changed(occasion=None, content={}, result=None)
        if sent.state in WAITING:
            blank = blank.changed(state=DeliveryState.WITHHELD, reason="erased")
            waiting = to.entries.some([] if sent.awaited_by is None else [sent.awaited_by])
            woken = (e for e in waiting if e.due_at == records.NEVER)
            to.entries.put(*(e.changed(due_at=e.entered_at) for e in woken))
        to.deliveries.put(blank)


def _is_of(made: _Made, opened: Entry | records.BroadcastRun) -> bool:
    return (made.rule, made.occasion) == (opened.rule, opened.occasion)


def _goes_on(was: records.BroadcastRun | None, cursor: int | None) -> bool:
    """Whether a run's cursor does not go back; None is its end."""
    there = 0 if was is None else was.cursor
    return there is not None and (cursor is None or cursor >= there)


PARTS = FilledParts(
    {
        _write_messages: (
            *("transfers", "messages", "skipped_lists"),
            *("owners", "discarded_skips", "skips"),
        ),
        _write_identifiers: ["identifiers"],
        _write_entries: ["entries", "deliveries", "time_skips", "withdrawn", "halted"],
        _write_runs: ["runs", "operated_runs"],
        _write_pauses: ["pauses"],
        _write_versions: ["rule_versions"],
        _write_by_key: ["dropped_claims", *_BY_KEY],
        _write_timers: ["timers", "armed"],
        _write_objects: ["named_objects", "relationships"],
        _write_reports: ["reports"],
        _write_operations: ["approvals", "suppressed", "audit", "audit_head"],
        _write_set_aside: ["set_aside", "resumed"],
    }
)
"""What writes which fields of a batch's changes, in this order."""
