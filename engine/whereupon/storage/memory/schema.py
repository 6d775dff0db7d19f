"""The in-memory store's tables, and the indexes that its reads are answered from."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import whereupon.records as records
from whereupon.records import DeliveryState, EntryState
from whereupon.storage.memory.tables import Index, Ordered, Rollback, Table, Unique

R = TypeVar("R")


class Named(NamedTuple):
    """Something under a name: a mark, the source of a rule version, an erased message's digest."""

    name: str
    value: Any = None


class Schema:
    """All tables of one store.

    Attributes:
        tables: those that can be scanned, by the class of their rows.
        owned: those whose rows follow their person in a merge, and are erased with the person.
    """

    def __init__(self) -> None:
        self.log = Rollback()
        self.tables: dict[type, Table[Any]] = {}
        table = self._table
        self.refs = Unique("ref")
        self.messages = table(
            records.StoredMessage, "key", indexes=[self.refs], owner="owner", by="timestamp"
        )
        self.skips = table(records.Skips, "message_key")
        self.identifiers = table(records.Identifier, "kind", "value", owner="key")
        self.person_keys = Ordered()
        self.persons = table(records.Person, "key", indexes=[self.person_keys])
        self.claims_of = Ordered("anonymous_key", by="since")
        claim_key = ("anonymous_key", "since")
        self.claims = table(records.Claim, *claim_key, indexes=[self.claims_of], owner="person_key")
        self.claimings = table(records.Claiming, "anonymous_key", owner="person_key")
        self.active = Ordered("person_key", where=lambda e: e.state is EntryState.ACTIVE)
        self.due_entries = Ordered("digest", by="due_at", where=lambda e: e.due_at is not None)
        slots = Unique("rule", "entrant", "slot", where=lambda e: e.slot is not None)
        occasions = Unique("rule", "entrant", "occasion")
        indexes = [occasions, slots, self.active, self.due_entries]
        self.entries = table(records.Entry, "key", indexes=indexes, owner="person_key")
        self.idempotency_keys = Unique("idempotency_key")
        self.waiting = Ordered("state", by="due_at", where=lambda d: d.state in _WAITING)
        indexes = [self.idempotency_keys, self.waiting]
        self.deliveries = table(records.Delivery, "key", indexes=indexes, owner="person_key")
        self.open_runs = Ordered(by="due_at", where=lambda run: run.cursor is not None)
        self.runs = table(records.BroadcastRun, "rule", "occasion", indexes=[self.open_runs])
        self.requests = table(records.Request, "key")
        self.approvals = table(records.Approval, "request", "actor", "plan")
        self.breakers = table(records.Breaker, "guard")
        self.audit = table(records.AuditRow, "sequence")
        self.audit_head = table(records.AuditHead)
        self.devices = table(records.Device, "token", owner="person_key")
        self.objects = table(records.ObjectRecord, "type_id", "object_id")
        tie_key = ("person_key", "type_id", "object_id")
        self.relationships = table(records.Relationship, *tie_key, owner="person_key")
        self.tombstones = table(records.Tombstone, "digest", "of")
        self.reports = table(records.Report, "ref")
        self.merges = table(records.Merge, "ref", owner="survivor_key")
        self.set_aside = table(records.SetAside, "ref")
        self.marks, self.versions, self.erased = (table(Named, "name") for _ in range(3))
        self.owned = [each for each in self.tables.values() if each.owner]

    def _table(
        self,
        kind: type[R],
        *key: str,
        indexes: Sequence[Index] = (),
        owner: str = "",
        by: str = "",
    ) -> Table[R]:
        made = Table[R](self.log, *key, indexes=indexes, owner=owner, by=by)
        self.tables[kind] = made
        return made


_WAITING = {DeliveryState.PENDING, DeliveryState.HELD}
