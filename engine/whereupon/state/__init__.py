"""What the engine remembers, as values: persons, claims, entries, deliveries, requests and the rest.

The store keeps these, the fold reads and makes them, nobody changes one in place. `Changes` is all
that one batch makes; a store writes it in one transaction or not at all. Keys are positive whole
numbers that the store hands out in blocks and never twice.
"""

from whereupon.state.asking import (
    Approval,
    AuditHead,
    AuditRecord,
    AuditRow,
    Breaker,
    Plan,
    Request,
    RequestOutcome,
)
from whereupon.state.changes import Changes
from whereupon.state.entries import (
    BroadcastRun,
    Delivery,
    DeliveryState,
    EndReason,
    Entry,
    EntryEnd,
    EntryState,
    Others,
    PastEntry,
    SendKind,
    Skips,
    SkipVerdict,
    WaitingVersion,
)
from whereupon.state.people import (
    NO_STAMPS,
    NOTHING,
    Claim,
    Claiming,
    Identifier,
    IdKind,
    Merge,
    PastEvent,
    Person,
    SetAside,
    StoredMessage,
    Tombstone,
    husk_of,
)
from whereupon.state.things import Device, Relationship, Report, Thing

__all__ = [
    "NOTHING",
    "NO_STAMPS",
    "Approval",
    "AuditHead",
    "AuditRecord",
    "AuditRow",
    "Breaker",
    "BroadcastRun",
    "Changes",
    "Claim",
    "Claiming",
    "Delivery",
    "DeliveryState",
    "Device",
    "EndReason",
    "Entry",
    "EntryEnd",
    "EntryState",
    "IdKind",
    "Identifier",
    "Merge",
    "Others",
    "PastEntry",
    "PastEvent",
    "Person",
    "Plan",
    "Relationship",
    "Report",
    "Request",
    "RequestOutcome",
    "SendKind",
    "SetAside",
    "SkipVerdict",
    "Skips",
    "StoredMessage",
    "Thing",
    "Tombstone",
    "WaitingVersion",
    "husk_of",
]
