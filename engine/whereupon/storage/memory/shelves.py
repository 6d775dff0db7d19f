"""What the in-memory store keeps, and the indexes that its reads are answered from.

Every change goes through an `Undo`, and an index never differs from what it indexes. Values are kept
as they are given, never copied.
"""

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from whereupon.errors import StoreError
from whereupon.messages.model import erased_digest
from whereupon.records import (
    Approval,
    AuditHead,
    AuditRow,
    Breaker,
    BroadcastRun,
    Claim,
    Claiming,
    Delivery,
    DeliveryState,
    Device,
    Entry,
    EntryState,
    Identifier,
    IdKind,
    Merge,
    ObjectRecord,
    Person,
    Relationship,
    Report,
    Request,
    SetAside,
    Skips,
    StoredMessage,
    Tombstone,
)
from whereupon.storage.memory.undo import Moment, Undo


@dataclass(slots=True)
class Shelves:
    """The tables and their indexes.

    Attributes:
        next_key: the first key that nobody has been given.
        owned: of each owner, when their messages happened.
        named: the identifiers of each key.
        claim_starts: of each anonymous id, when its runs of claims begin.
        claimed: the claims of each person.
        entries_of: entries by person and rule.
        entry_queues: running entries by rule version (its digest), what is due soonest first.
        delivery_queue: what is due, soonest first.
        held: keys of deliveries that are.
    """

    next_key: int = 1
    messages: dict[int, StoredMessage] = field(default_factory=dict)
    message_keys: dict[str, int] = field(default_factory=dict)
    owned: dict[int, list[Moment]] = field(default_factory=dict)
    identifiers: dict[tuple[IdKind, str], Identifier] = field(default_factory=dict)
    named: dict[int, dict[tuple[IdKind, str], Identifier]] = field(default_factory=dict)
    persons: dict[int, Person] = field(default_factory=dict)
    person_keys: list[int] = field(default_factory=list)
    claims: dict[int, dict[datetime, Claim]] = field(default_factory=dict)
    claim_starts: dict[int, list[datetime]] = field(default_factory=dict)
    claimed: dict[int, dict[tuple[int, datetime], Claim]] = field(default_factory=dict)
    claimings: dict[int, Claiming] = field(default_factory=dict)
    entries: dict[int, Entry] = field(default_factory=dict)
    entries_of: dict[int, dict[str, dict[int, Entry]]] = field(default_factory=dict)
    active_of: dict[int, dict[int, Entry]] = field(default_factory=dict)
    entry_queues: dict[str, list[Moment]] = field(default_factory=dict)
    occasions: dict[tuple[str, int, str], int] = field(default_factory=dict)
    slots: dict[tuple[str, int, str], int] = field(default_factory=dict)
    deliveries: dict[int, Delivery] = field(default_factory=dict)
    deliveries_of: dict[int, dict[int, Delivery]] = field(default_factory=dict)
    delivery_queue: list[Moment] = field(default_factory=list)
    held: dict[int, None] = field(default_factory=dict)
    idempotency_keys: dict[str, int] = field(default_factory=dict)
    skips: dict[int, Skips] = field(default_factory=dict)
    requests: dict[int, Request] = field(default_factory=dict)
    open_requests: dict[int, None] = field(default_factory=dict)
    approvals: dict[tuple[int, str, str], Approval] = field(default_factory=dict)
    breakers: dict[str, Breaker] = field(default_factory=dict)
    audit: dict[int, AuditRow] = field(default_factory=dict)
    heads: dict[str, AuditHead] = field(default_factory=dict)
    marks: dict[str, int] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    devices_of: dict[int, dict[str, Device]] = field(default_factory=dict)
    objects: dict[tuple[str, str], ObjectRecord] = field(default_factory=dict)
    relationships: dict[int, dict[Relationship, None]] = field(default_factory=dict)
    tombstones: dict[tuple[bytes, bytes], Tombstone] = field(default_factory=dict)
    reports: dict[str, Report] = field(default_factory=dict)
    merges: dict[str, Merge] = field(default_factory=dict)
    runs: dict[tuple[str, str], BroadcastRun] = field(default_factory=dict)
    open_runs: dict[tuple[str, str], BroadcastRun] = field(default_factory=dict)
    set_aside: dict[str, SetAside] = field(default_factory=dict)
    wordings: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    erased: dict[str, None] = field(default_factory=dict)

    def allocate(self, count: int, undo: Undo) -> int:
        """Hand out the next ``count`` keys."""
        first = self.next_key
        undo.note(partial(setattr, self, "next_key", first))
        self.next_key += count
        return first

    def add_message(self, message: StoredMessage, undo: Undo) -> None:
        """Record a message."""
        if message.ref in self.message_keys or message.key in self.messages:
            raise _conflict(message.message_id, what="a message")
        undo.put(self.messages, message.key, message)
        undo.put(self.message_keys, message.ref, message.key)
        undo.insert(self.owned.setdefault(message.owner, []), (message.timestamp, message.key))

    def move_message(self, key: int, owner: int, undo: Undo) -> None:
        """Give a message to another owner; nothing happens when it is gone."""
        message = self.messages.get(key)
        if message is None or message.owner == owner:
            return
        moment = (message.timestamp, key)
        undo.remove(self.owned[message.owner], moment)
        undo.insert(self.owned.setdefault(owner, []), moment)
        undo.put(self.messages, key, message._replace(owner=owner))

    def drop_messages(self, owner: int, undo: Undo) -> set[int]:
        """Drop an owner's messages and the skips they met; their keys."""
        keys = {key for _, key in undo.drop(self.owned, owner) or ()}
        for key in keys:
            message = undo.drop(self.messages, key)
            undo.drop(self.skips, key)
            if message is not None:
                undo.drop(self.message_keys, message.ref)
                undo.put(self.erased, erased_digest(message.ref), None)
        return keys

    def add_identifier(self, identifier: Identifier, undo: Undo) -> None:
        """Say what a new id stands for."""
        if (identifier.kind, identifier.value) in self.identifiers:
            raise _conflict(identifier.value, what="an identifier")
        self.put_identifier(identifier, undo)

    def put_identifier(self, identifier: Identifier, undo: Undo) -> None:
        """Say what an id stands for."""
        name = (identifier.kind, identifier.value)
        self.drop_identifier(name, undo)
        undo.put(self.identifiers, name, identifier)
        undo.put(self.named.setdefault(identifier.key, {}), name, identifier)

    def drop_identifier(self, name: tuple[IdKind, str], undo: Undo) -> None:
        """Forget an id."""
        old = undo.drop(self.identifiers, name)
        if old is not None:
            undo.drop(self.named[old.key], name)

    def put_person(self, person: Person, undo: Undo) -> None:
        """Keep what is known of a person."""
        if person.key not in self.persons:
            undo.insert(self.person_keys, person.key)
        undo.put(self.persons, person.key, person)

    def drop_person(self, key: int, undo: Undo) -> None:
        """Forget a person's attributes, and only these."""
        if undo.drop(self.persons, key) is not None:
            undo.remove(self.person_keys, key)

    def put_claim(self, claim: Claim, undo: Undo) -> None:
        """Keep a run of claims in place of the one that began at the same instant."""
        self.drop_claim((claim.anonymous_key, claim.since), undo)
        undo.put(self.claims.setdefault(claim.anonymous_key, {}), claim.since, claim)
        undo.insert(self.claim_starts.setdefault(claim.anonymous_key, []), claim.since)
        theirs = self.claimed.setdefault(claim.person_key, {})
        undo.put(theirs, (claim.anonymous_key, claim.since), claim)

    def drop_claim(self, run: tuple[int, datetime], undo: Undo) -> None:
        """Forget a run of claims."""
        old = undo.drop(self.claims.get(run[0], {}), run[1])
        if old is not None:
            undo.remove(self.claim_starts[run[0]], run[1])
            undo.drop(self.claimed[old.person_key], run)

    def add_entry(self, entry: Entry, undo: Undo) -> None:
        """Keep a new entry, unless its occasion or its slot is taken."""
        occasion = (entry.rule, entry.entrant, entry.occasion)
        slot = (entry.rule, entry.entrant, entry.slot or "")
        if occasion in self.occasions or entry.key in self.entries:
            raise _conflict(entry.occasion, what="an entry for the occasion")
        if entry.slot is not None and slot in self.slots:
            raise _conflict(entry.slot, what="an entry for the slot")
        undo.put(self.occasions, occasion, entry.key)
        if entry.slot is not None:
            undo.put(self.slots, slot, entry.key)
        self._shelve_entry(entry, undo)

    def change_entry(self, entry: Entry, undo: Undo) -> None:
        """Keep of an entry what may change; nothing happens when it is gone."""
        old = self._unshelve_entry(entry.key, undo)
        if old is None:
            return
        if old.slot is not None and old.slot != entry.slot:
            undo.drop(self.slots, (old.rule, old.entrant, old.slot))
        changed = old._replace(
            person_key=entry.person_key,
            slot=entry.slot,
            state=entry.state,
            position=entry.position,
            due_at=entry.due_at,
            facts=entry.facts,
            ended=entry.ended,
        )
        self._shelve_entry(changed, undo)

    def drop_entry(self, key: int, undo: Undo) -> None:
        """Forget an entry."""
        entry = self._unshelve_entry(key, undo)
        if entry is None:
            return
        undo.drop(self.occasions, (entry.rule, entry.entrant, entry.occasion))
        if entry.slot is not None:
            undo.drop(self.slots, (entry.rule, entry.entrant, entry.slot))

    def _shelve_entry(self, entry: Entry, undo: Undo) -> None:
        undo.put(self.entries, entry.key, entry)
        theirs = self.entries_of.setdefault(entry.person_key, {})
        undo.put(theirs.setdefault(entry.rule, {}), entry.key, entry)
        if entry.state is EntryState.ACTIVE:
            undo.put(self.active_of.setdefault(entry.person_key, {}), entry.key, entry)
            if entry.due_at is not None:
                queue = self.entry_queues.setdefault(entry.digest, [])
                undo.insert(queue, (entry.due_at, entry.key))

    def _unshelve_entry(self, key: int, undo: Undo) -> Entry | None:
        entry = undo.drop(self.entries, key)
        if entry is None:
            return None
        undo.drop(self.entries_of[entry.person_key][entry.rule], key)
        if entry.state is EntryState.ACTIVE:
            undo.drop(self.active_of[entry.person_key], key)
            if entry.due_at is not None:
                undo.remove(self.entry_queues[entry.digest], (entry.due_at, key))
        return entry

    def add_delivery(self, delivery: Delivery, undo: Undo) -> None:
        """Put a delivery into the outbox, unless its idempotency key is taken."""
        if delivery.idempotency_key in self.idempotency_keys or delivery.key in self.deliveries:
            raise _conflict(delivery.idempotency_key, what="a delivery")
        undo.put(self.idempotency_keys, delivery.idempotency_key, delivery.key)
        self._shelve_delivery(delivery, undo)

    def change_delivery(self, delivery: Delivery, undo: Undo) -> None:
        """Keep a delivery's new state."""
        self._unshelve_delivery(delivery.key, undo)
        self._shelve_delivery(delivery, undo)

    def drop_delivery(self, key: int, undo: Undo) -> None:
        """Forget a delivery."""
        delivery = self._unshelve_delivery(key, undo)
        undo.drop(self.idempotency_keys, delivery.idempotency_key)

    def _shelve_delivery(self, delivery: Delivery, undo: Undo) -> None:
        undo.put(self.deliveries, delivery.key, delivery)
        theirs = self.deliveries_of.setdefault(delivery.person_key, {})
        undo.put(theirs, delivery.key, delivery)
        if delivery.state is DeliveryState.PENDING:
            undo.insert(self.delivery_queue, (delivery.due_at, delivery.key))
        if delivery.state is DeliveryState.HELD:
            undo.put(self.held, delivery.key, None)

    def _unshelve_delivery(self, key: int, undo: Undo) -> Delivery:
        delivery = self.deliveries[key]
        undo.drop(self.deliveries, key)
        undo.drop(self.deliveries_of[delivery.person_key], key)
        if delivery.state is DeliveryState.PENDING:
            undo.remove(self.delivery_queue, (delivery.due_at, key))
        if delivery.state is DeliveryState.HELD:
            undo.drop(self.held, key)
        return delivery

    def put_device(self, device: Device, undo: Undo) -> None:
        """Give a device to the last person who registered it."""
        self.drop_device(device.token, undo)
        undo.put(self.devices, device.token, device)
        undo.put(self.devices_of.setdefault(device.person_key, {}), device.token, device)

    def drop_device(self, token: str, undo: Undo) -> None:
        """Forget a device."""
        old = undo.drop(self.devices, token)
        if old is not None:
            undo.drop(self.devices_of[old.person_key], token)

    def put_request(self, request: Request, undo: Undo) -> None:
        """Keep how far a request is."""
        undo.put(self.requests, request.key, request)
        if request.outcome.is_open:
            undo.put(self.open_requests, request.key, None)
        else:
            undo.drop(self.open_requests, request.key)

    def drop_message(self, ref: str, undo: Undo) -> None:
        """Keep of a message only the digest of its id."""
        undo.put(self.erased, erased_digest(ref), None)
        key = undo.drop(self.message_keys, ref)
        message = None if key is None else undo.drop(self.messages, key)
        if message is not None:
            undo.remove(self.owned[message.owner], (message.timestamp, message.key))

    def advance_run(self, run: BroadcastRun, undo: Undo) -> None:
        """Keep how far a run is, unless it is further already."""
        there = self.runs.get((run.rule, run.occasion))
        if there is None or _goes_on(there.cursor, run.cursor):
            self.put_run(run, undo)

    def put_run(self, run: BroadcastRun, undo: Undo) -> None:
        """Keep how far a broadcast's run is."""
        name = (run.rule, run.occasion)
        undo.put(self.runs, name, run)
        if run.cursor is None:
            undo.drop(self.open_runs, name)
        else:
            undo.put(self.open_runs, name, run)

    def drop_run(self, name: tuple[str, str], undo: Undo) -> None:
        """Forget a broadcast's run."""
        undo.drop(self.runs, name)
        undo.drop(self.open_runs, name)


def _goes_on(there: int | None, new: int | None) -> bool:
    return there is not None and (new is None or new >= there)


def _conflict(name: str, *, what: str) -> StoreError:
    return StoreError(code="conflict", reason=f"there is {what} {name!r} already")
