"""Records: what the store keeps, as values. Persons, claims, messages, entries, deliveries, requests and the rest.

The package decides nothing, and a record is never changed in place. `decide` makes records, a store writes
them: `Changes` is all that one batch changes, written in one transaction or not at all. Keys are positive
whole numbers that the store gives out in blocks and never twice.

For others: all names below.
"""

from whereupon.records.addresses import BY_HAND, SuppressedAddress
from whereupon.records.answers import KeptAnswer
from whereupon.records.api_keys import (
    ROLES,
    SCOPES_OF,
    ApiKey,
    ApiSecret,
    KeyKind,
    KeyLimit,
    KeyState,
    Scope,
)
from whereupon.records.broadcasts import CANCELLED, MISSED, NAMED, OVERTAKEN, BroadcastRun, Sweep
from whereupon.records.changes import Changes
from whereupon.records.channels import ChannelState
from whereupon.records.claims import ClaimJob, ClaimRun
from whereupon.records.deliveries import WAITING, WITHDRAWN, Delivery, DeliveryState, SendKind
from whereupon.records.entries import (
    INSIDE,
    KEY,
    LOOSE_EDGES,
    EndReason,
    Entry,
    EntryCount,
    EntryEnd,
    EntryFilter,
    EntryState,
    KeysAsked,
    PastEntries,
    PastEntry,
    WaitingVersion,
    has_slot,
    is_any_active,
)
from whereupon.records.figures import ARRIVED, DeliveryFigures, figures_of
from whereupon.records.inbox import InboxItem, is_storable, place_at
from whereupon.records.objects import METRICS, Device, MetricReport, ObjectRecord, Relationship
from whereupon.records.operations import (
    Operation,
    OperationKind,
    Operations,
    RulePause,
    latest,
    with_operation,
)
from whereupon.records.people import (
    NO_STAMPS,
    NOTHING,
    Identifier,
    IdKind,
    Merge,
    Person,
    Tombstone,
)
from whereupon.records.requests import (
    COUNTED_OUTCOMES,
    Approval,
    AuditHead,
    AuditRecord,
    AuditRow,
    Breaker,
    PersonFootprint,
    Plan,
    Request,
    RequestOutcome,
)
from whereupon.records.retention import (
    DONE,
    PRUNED_RECORDS,
    PruneAction,
    PrunedRecord,
    PruneStep,
    RetainedKind,
    RetentionCutoff,
    prune_action,
)
from whereupon.records.skips import Skips, SkipSearch, SkipSummary, SkipVerdict, read_rule_list
from whereupon.records.stored_messages import PastEvent, SetAside, StoredMessage, Twin, stub_of
from whereupon.records.transfers import ALL_LIVE, Inert, MessageName, Transfer

__all__ = [
    "ALL_LIVE",
    "ARRIVED",
    "BY_HAND",
    "CANCELLED",
    "COUNTED_OUTCOMES",
    "DONE",
    "INSIDE",
    "KEY",
    "LOOSE_EDGES",
    "METRICS",
    "MISSED",
    "NAMED",
    "NOTHING",
    "NO_STAMPS",
    "OVERTAKEN",
    "PRUNED_RECORDS",
    "ROLES",
    "SCOPES_OF",
    "WAITING",
    "WITHDRAWN",
    "ApiKey",
    "ApiSecret",
    "Approval",
    "AuditHead",
    "AuditRecord",
    "AuditRow",
    "Breaker",
    "BroadcastRun",
    "Changes",
    "ChannelState",
    "ClaimJob",
    "ClaimRun",
    "Delivery",
    "DeliveryFigures",
    "DeliveryState",
    "Device",
    "EndReason",
    "Entry",
    "EntryCount",
    "EntryEnd",
    "EntryFilter",
    "EntryState",
    "IdKind",
    "Identifier",
    "InboxItem",
    "Inert",
    "KeptAnswer",
    "KeyKind",
    "KeyLimit",
    "KeyState",
    "KeysAsked",
    "Merge",
    "MessageName",
    "MetricReport",
    "ObjectRecord",
    "Operation",
    "OperationKind",
    "Operations",
    "PastEntries",
    "PastEntry",
    "PastEvent",
    "Person",
    "PersonFootprint",
    "Plan",
    "PruneAction",
    "PruneStep",
    "PrunedRecord",
    "Relationship",
    "Request",
    "RequestOutcome",
    "RetainedKind",
    "RetentionCutoff",
    "RulePause",
    "Scope",
    "SendKind",
    "SetAside",
    "SkipSearch",
    "SkipSummary",
    "SkipVerdict",
    "Skips",
    "StoredMessage",
    "SuppressedAddress",
    "Sweep",
    "Tombstone",
    "Transfer",
    "Twin",
    "WaitingVersion",
    "figures_of",
    "has_slot",
    "is_any_active",
    "is_storable",
    "latest",
    "place_at",
    "prune_action",
    "read_rule_list",
    "stub_of",
    "with_operation",
]
