"""All that one batch makes of the store."""

from dataclasses import dataclass, field
from datetime import datetime

from whereupon.records.entries import BroadcastRun, Delivery, Entry, Skips
from whereupon.records.objects import Device, ObjectRecord, Relationship, Report
from whereupon.records.people import (
    ClaimJob,
    ClaimRun,
    Identifier,
    IdKind,
    Merge,
    Person,
    SetAside,
    StoredMessage,
    Tombstone,
)
from whereupon.records.requests import Approval, AuditHead, AuditRecord, AuditRow, Breaker, Request
from whereupon.records.transfers import Transfer


@dataclass(slots=True)
class Changes:
    """All that one batch makes of the store, to be written in one transaction.

    Attributes:
        owners: (message key, new owner) of messages recorded earlier that were claimed now.
        transfers: in their order, waiting messages that were claimed now and not loaded.
        discarded_skips: by message key, of those that turned out to be somebody else's: what they were skipped for
            goes, before `skips` is written, but for what was said of nobody, and by these rules.
        claim_jobs: by anonymous key; None where a claim has been carried out to its end.
        claims: runs, keyed by (anonymous key, since); a rewritten run replaces the old one.
        tombstones: by (digest, of); None lifts one.
        erased_persons: keys of persons, and of anonymous ids that only they claimed, to erase with all that
            is theirs before anything is written.
        records: what happened that the audit log keeps; `audit` is them in the chain.
        before: entries that change, as they were; of those a store need write no more than what differs.
        withdrawn: by idempotency key, why a delivery that still waits, pending or held, is not to be sent any more.
        erased_ids: messages (see `ref_of`) of which nothing is kept but that they were seen.
        erased_identifiers: identifiers of those who were erased, known or not; what was set aside of theirs goes,
            and no request and no report names them any more.
        resumed: messages (see `ref_of`) that are no longer set aside.
    """

    messages: list[StoredMessage] = field(default_factory=list)
    owners: list[tuple[int, int]] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    discarded_skips: dict[int, frozenset[str]] = field(default_factory=dict)
    identifiers: list[Identifier] = field(default_factory=list)
    persons: dict[int, Person] = field(default_factory=dict)
    claims: dict[tuple[int, datetime], ClaimRun] = field(default_factory=dict)
    claim_jobs: dict[int, ClaimJob | None] = field(default_factory=dict)
    dropped_claims: set[tuple[int, datetime]] = field(default_factory=set)
    merges: list[Merge] = field(default_factory=list)
    erased_persons: list[int] = field(default_factory=list)
    skips: list[Skips] = field(default_factory=list)
    entries: dict[int, Entry] = field(default_factory=dict)
    new_entries: set[int] = field(default_factory=set)
    before: dict[int, Entry] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    withdrawn: dict[str, str] = field(default_factory=dict)
    requests: dict[int, Request] = field(default_factory=dict)
    approvals: list[Approval] = field(default_factory=list)
    breakers: dict[str, Breaker] = field(default_factory=dict)
    records: list[AuditRecord] = field(default_factory=list)
    audit: list[AuditRow] = field(default_factory=list)
    audit_head: AuditHead | None = None
    erased_ids: list[str] = field(default_factory=list)
    devices: dict[str, Device | None] = field(default_factory=dict)
    objects: dict[tuple[str, str], ObjectRecord | None] = field(default_factory=dict)
    relationships: dict[Relationship, bool] = field(default_factory=dict)
    tombstones: dict[tuple[bytes, bytes], Tombstone | None] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)
    runs: dict[tuple[str, str], BroadcastRun] = field(default_factory=dict)
    rule_versions: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    set_aside: list[SetAside] = field(default_factory=list)
    erased_identifiers: list[tuple[IdKind, str]] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
