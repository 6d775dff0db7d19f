"""Ports: what the engine needs from outside, as protocols: a store, a clock, channels.

The package holds no code that does anything; `storage` implements the store, hosts give channels.

For others: every name below, and `ledger` (what the guarded registry keeps).
"""

from whereupon.ports.host import HostTransaction
from whereupon.ports.ledger import Ledger
from whereupon.ports.store import (
    NO_CHANNEL,
    Backlog,
    Channel,
    Clock,
    Counts,
    DeadLetters,
    HistoryNeed,
    LeasedNow,
    Session,
    Settlement,
    Store,
    Stretch,
    Watch,
)

__all__ = [
    "NO_CHANNEL",
    "Backlog",
    "Channel",
    "Clock",
    "Counts",
    "DeadLetters",
    "HistoryNeed",
    "HostTransaction",
    "LeasedNow",
    "Ledger",
    "Session",
    "Settlement",
    "Store",
    "Stretch",
    "Watch",
]
