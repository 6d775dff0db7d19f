"""All that one batch changes in the store."""

from collections.abc import Sequence
from datetime import datetime

from whereupon.messages.structs import Unfrozen, field
from whereupon.messages.times import FIRST_INSTANT
from whereupon.records.addresses import SuppressedAddress
from whereupon.records.answers import KeptAnswer
from whereupon.records.api_keys import ApiKey, ApiSecret
from whereupon.records.broadcasts import BroadcastRun
from whereupon.records.claims import ClaimJob, ClaimRun
from whereupon.records.deliveries import Delivery
from whereupon.records.entries import Entry
from whereupon.records.inbox import InboxItem
from whereupon.records.objects import Device, MetricReport, ObjectRecord, Relationship
from whereupon.records.open_skips import OpenSkip
from whereupon.records.operations import RulePause
from whereupon.records.people import Identifier, IdKind, Merge, Person, Tombstone
from whereupon.records.requests import Approval, AuditHead, AuditRecord, AuditRow, Breaker, Request
from whereupon.records.skips import SkippedList, Skips
from whereupon.records.stored_messages import SetAside, StoredMessage
from whereupon.records.time_skips import TimeSkip
from whereupon.records.timers import Arming
from whereupon.records.transfers import Transfer


class Changes(Unfrozen, eq=True, kw_only=True):
    """All that one batch changes in the store, to be written in one transaction.

    Attributes:
        skipped_lists: by the key of a message among `messages`: the rule list that it skipped whole as it arrived.
        owners: (message key, new owner) of messages that were recorded earlier and are claimed now.
        transfers: in their order, waiting messages that are claimed now and were not loaded.
        discarded_skips: by the key of a message that turned out to belong to another person: before `skips`
            is written, its skips go, except those that were decided for no person and by these broadcasts.
        claims: runs, by (anonymous key, since); a rewritten run replaces the old one.
        claim_jobs: by anonymous key; None for a job that is finished.
        erased_persons: keys of persons, and of anonymous ids that only they claimed. They are erased with
            all that belongs to them before anything is written.
        before: entries that change, as they were; a store need not write more than the differences.
        withdrawn: by idempotency key, why a delivery that waits, pending, held or paused, is not sent any more.
        halted: by idempotency key, whether a delivery that waits is paused (True), or goes on (False).
        records: what happened that the audit log keeps; `audit` has the same in the chain.
        erased_ids: messages (see `ref_of`) of which is recorded only that they were seen.
        tombstones: by (digest, of); None removes one.
        erased_identifiers: identifiers of erased persons, known or not. Messages of theirs that were set
            aside go, and no request and no report names them any more.
        vacant_ids: user ids of `erased_identifiers` that nobody had. Nobody else may get one until the
            transaction ends.
        inbox: by key; None removes one.
        answers: by digest; None removes one.
        named_objects: objects of which nothing was said but that they have people; one that is there stays as it is.
        reports: a report of a delivery also sets its bit in `Delivery.reports`.
        suppressed: addresses, by (channel, digest). One that is suppressed already stays as it is; None lifts
            it.
        api_keys: by id.
        api_secrets: by digest; None removes one.
        operated_runs: what operators changed of runs that are there, by rule and occasion: the cursor, the reason,
            the sweep and the operations.
        pauses: rules that operators paused or resumed, by id; None drops one whose resumption is done.
        open_skips: by the message's key and the rule's id; None closes one.
        timers: by (person's key, subject), when timers that were loaded are due from now on; None removes one.
        armed: by the same, when timers are due that were not loaded; one that is there and earlier stays.
        armings: by (subject, digest); None drops one, so that the subject is armed anew.
        resumed: messages (see `ref_of`) that are no longer set aside.
    """

    messages: list[StoredMessage] = field(default_factory=list)
    skipped_lists: dict[int, SkippedList] = field(default_factory=dict)
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
    open_skips: dict[tuple[int, str], OpenSkip | None] = field(default_factory=dict)
    time_skips: list[TimeSkip] = field(default_factory=list)
    entries: dict[int, Entry] = field(default_factory=dict)
    new_entries: set[int] = field(default_factory=set)
    before: dict[int, Entry] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    withdrawn: dict[str, str] = field(default_factory=dict)
    halted: dict[str, bool] = field(default_factory=dict)
    requests: dict[int, Request] = field(default_factory=dict)
    approvals: Sequence[Approval] = ()
    breakers: dict[str, Breaker] = field(default_factory=dict)
    records: list[AuditRecord] = field(default_factory=list)
    audit: Sequence[AuditRow] = ()
    audit_head: AuditHead | None = None
    erased_ids: list[str] = field(default_factory=list)
    devices: dict[str, Device | None] = field(default_factory=dict)
    objects: dict[tuple[str, str], ObjectRecord | None] = field(default_factory=dict)
    named_objects: dict[tuple[str, str], ObjectRecord] = field(default_factory=dict)
    relationships: dict[Relationship, bool] = field(default_factory=dict)
    tombstones: dict[tuple[bytes, bytes], Tombstone | None] = field(default_factory=dict)
    reports: list[MetricReport] = field(default_factory=list)
    suppressed: dict[tuple[str, bytes], SuppressedAddress | None] = field(default_factory=dict)
    runs: dict[tuple[str, str], BroadcastRun] = field(default_factory=dict)
    operated_runs: dict[tuple[str, str], BroadcastRun] = field(default_factory=dict)
    pauses: dict[str, RulePause | None] = field(default_factory=dict)
    rule_versions: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    timers: dict[tuple[int, str], datetime | None] = field(default_factory=dict)
    armed: dict[tuple[int, str], datetime] = field(default_factory=dict)
    armings: dict[tuple[str, str], Arming | None] = field(default_factory=dict)
    set_aside: Sequence[SetAside] = ()
    erased_identifiers: list[tuple[IdKind, str]] = field(default_factory=list)
    vacant_ids: set[str] = field(default_factory=set)
    inbox: dict[str, InboxItem | None] = field(default_factory=dict)
    answers: dict[str, KeptAnswer | None] = field(default_factory=dict)
    api_keys: dict[str, ApiKey] = field(default_factory=dict)
    api_secrets: dict[bytes, ApiSecret | None] = field(default_factory=dict)
    resumed: Sequence[str] = ()

    @property
    def due_at(self) -> datetime | None:
        """When due work may come of them first: `FIRST_INSTANT` for at once; None if it cannot.

        Messages, identifiers, persons and skips alone make none.
        """
        if self._are_sent or self._are_operated:
            return FIRST_INSTANT
        if not (self.armed or self.timers or self.entries):
            return None
        times = [*self.armed.values(), *self.timers.values()]
        times += [entry.waits_until for entry in self.entries.values()]
        return min((at for at in times if at is not None), default=None)

    @property
    def _are_sent(self) -> bool:
        """Whether they are about what is sent, or what keeps it from being sent."""
        return bool(
            self.deliveries
            or self.withdrawn
            or self.halted
            or self.reports
            or self.suppressed
            or self.inbox
        )

    @property
    def _are_operated(self) -> bool:
        """Whether they are about what rounds of due work go on with, beside entries and timers."""
        return bool(
            self.claim_jobs
            or self.armings
            or self.erased_persons
            or self.erased_ids
            or self.erased_identifiers
            or self.requests
            or self.approvals
            or self.breakers
            or self.runs
            or self.operated_runs
            or self.pauses
            or self.resumed
        )
