"""Suppressed addresses: what is sent nothing any more on a channel, whichever person has it."""

from dataclasses import dataclass
from datetime import datetime

BY_HAND = "by-hand"
"""The reason of an address that an operator suppressed. Otherwise it is the metric: bounced, complained."""


@dataclass(frozen=True, slots=True)
class SuppressedAddress:
    """An address that gets nothing more on a channel. It belongs to no person, and outlives all of them.

    Attributes:
        digest: the keyed hash of the address, which is not stored itself.
        reason: ``bounced``, ``complained`` or ``by-hand``.
        since: when that happened.
    """

    channel: str
    digest: bytes
    reason: str
    since: datetime
