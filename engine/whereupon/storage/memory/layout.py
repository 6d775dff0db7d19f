"""The in-memory store's tables, and the indexes that its reads are answered from."""

from typing import Any, NamedTuple

import whereupon.records as records
from whereupon.storage.memory.tables import Index, R, Rollback, Table, UniqueIndex


class Named(NamedTuple):
    """A mark, a rule version (its rule and text), or the digest of an erased message's id."""

    name: str
    value: Any = None


class Schema:
    """All tables of one store: `tables` by the class of their rows, `owned` those of persons' rows."""

    def __init__(self) -> None:
        self.log = Rollback()
        self.tables: dict[type, Table[Any]] = {}
        table = self._table
        self.refs = UniqueIndex("message.ref")
        owner = {"owner": "owner", "by": "message.timestamp"}
        self.messages = table(records.StoredMessage, "key", indexes=[self.refs], **owner)
        self.skips = table(records.Skips, "message_key")
        self.skipped_lists = table(records.SkippedList)  # by the key of the message that skipped it
        self.open_skips = table(records.OpenSkip, "message_key", "rule", owner="person_key")
        self.timer_subjects = Index("subject", by="due_at")
        indexes: list[Index | UniqueIndex] = [self.timer_subjects]
        self.timers = table(
            records.Timer, "person_key", "subject", indexes=indexes, owner="person_key"
        )
        self.armings = table(records.Arming, "subject", "digest")
        self.time_skips = table(records.TimeSkip, "key", owner="person_key")
        self.identifiers = table(records.Identifier, "kind", "value", owner="key")
        self.person_keys = Index()
        self.persons = table(records.Person, "key", indexes=[self.person_keys])
        self.claims_of = Index("anonymous_key", by="since")
        key = ("anonymous_key", "since")
        self.claims = table(records.ClaimRun, *key, indexes=[self.claims_of], owner="person_key")
        self.claim_jobs = table(records.ClaimJob, "anonymous_key", owner="person_key")
        self.due_entries = Index("digest", by="due_at", where=lambda e: e.state == "active")
        slots = UniqueIndex("rule", "entrant", "slot", where=lambda e: e.slot is not None)
        indexes = [UniqueIndex("rule", "entrant", "occasion"), slots, self.due_entries]
        self.entries = table(records.Entry, "key", indexes=indexes, owner="person_key")
        self.idempotency_keys = UniqueIndex("idempotency_key")
        self.waiting = Index(
            "state", "channel", by="due_at", where=lambda d: d.state in records.WAITING
        )
        indexes = [self.idempotency_keys, self.waiting]
        self.deliveries = table(
            records.Delivery, "key", indexes=indexes, owner="person_key", by="due_at"
        )
        self.inbox = table(records.InboxItem, "key", owner="person_key")
        self.answers = table(records.KeptAnswer, "digest")
        self.runs = table(records.BroadcastRun, "rule", "occasion")
        self.pauses = table(records.RulePause, "rule")
        self.channels = table(records.ChannelState, "name")
        self.devices = table(records.Device, "token", owner="person_key")
        self.objects = table(records.ObjectRecord, "type_id", "object_id")
        self.relationships = table(
            records.Relationship, "person_key", "type_id", "object_id", owner="person_key"
        )
        self.tombstones = table(records.Tombstone, "digest", "of")
        self.reports = table(records.MetricReport, "ref")
        self.merges = table(records.Merge, "ref", owner="survivor_key")
        self.set_aside = table(records.SetAside, "ref")
        self._add_operations()
        self.marks, self.versions, self.erased = (table(Named, "name") for _ in range(3))
        self.owned = [each for each in self.tables.values() if each.owner]

    def _add_operations(self) -> None:
        """Add what operators keep: requests and the audit log, suppressed addresses, API keys."""
        table = self._table
        self.requests = table(records.Request, "key")
        self.approvals = table(records.Approval, "request", "actor", "plan")
        self.breakers = table(records.Breaker, "guard")
        self.audit = table(records.AuditRow, "sequence")
        self.audit_head = table(records.AuditHead)
        self.suppressed = table(records.SuppressedAddress, "channel", "digest")
        self.api_keys = table(records.ApiKey, "id")
        self.api_secrets = table(records.ApiSecret, "digest")

    def _table(self, kind: type[R], *key: str, **more: Any) -> Table[R]:
        made = self.tables[kind] = Table[R](self.log, *key, **more)
        return made
