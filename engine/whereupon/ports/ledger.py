"""What a store keeps for the guarded registry: requests, approvals, breakers and the audit log.

A part of the port that stores implement (see `whereupon.ports`); off the way of ordinary messages.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from whereupon.records import (
    Approval,
    AuditHead,
    AuditRow,
    Breaker,
    Device,
    PersonFootprint,
    Relationship,
    Request,
    RequestOutcome,
)


class Ledger(Protocol):
    """One transaction's view of the ledger; what it holds is written by `Session.flush`."""

    def hold(self) -> None:
        """Keep other transactions out of the ledger until this one ends."""
        ...

    def request(self, key: int) -> Request | None:
        """The request of that number."""
        ...

    def requests(self, outcomes: Collection[RequestOutcome], limit: int) -> list[Request]:
        """Requests with these outcomes, newest first."""
        ...

    def open_requests_of(self, user_ids: Collection[str]) -> list[Request]:
        """Requests that still wait, of these people."""
        ...

    def due_requests(
        self, until: datetime, limit: int, *, expiring: datetime | None
    ) -> list[Request]:
        """Held requests due at ``until`` or before, or expiring by then, soonest first."""
        ...

    def next_due(self, actions: Collection[str] | None = None) -> datetime | None:
        """When the next request is due, is to be handed over, or expires.

        Args:
            actions: those of the host's that this process carries out; None for all.
        """
        ...

    def lease_approved(
        self, actions: Collection[str], until: datetime, leased_until: datetime
    ) -> Request | None:
        """Take the next approved request for one of these actions, put off to ``leased_until``."""
        ...

    def ran_since(self, actions: Collection[str], source: str, since: datetime) -> int:
        """How many requests for these actions ran after an instant; of any source where it is empty."""
        ...

    def people(self) -> int:
        """How many persons there are."""
        ...

    def breakers(self) -> list[Breaker]:
        """Every breaker that was ever opened, by guard."""
        ...

    def approvals(self, request: int) -> list[Approval]:
        """Approvals of a request, oldest first."""
        ...

    def footprint(self, person_key: int) -> PersonFootprint:
        """How many rows of each table are a person's, and when they last did something themselves.

        What a step says of them is theirs, but they did not do it.
        """
        ...

    def devices(self, tokens: Collection[str]) -> list[Device]:
        """Devices of these tokens."""
        ...

    def objects(self, places: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of the objects, each by its type and id, that there are."""
        ...

    def relationships(self, ties: Collection[Relationship]) -> set[Relationship]:
        """Those of the ties that there are."""
        ...

    def audit_head(self) -> AuditHead | None:
        """Where the audit log ends, held until this transaction does; None before its first row."""
        ...

    def audit(self, after: int, limit: int) -> list[AuditRow]:
        """Rows of the audit log behind a sequence number, in the order they lie in."""
        ...

    def audit_of(self, request: int) -> list[AuditRow]:
        """Rows of the audit log about one request, in order."""
        ...

    def mark(self, name: str) -> int | None:
        """A number that the store remembers about itself."""
        ...

    def set_mark(self, name: str, value: int) -> None:
        """Remember a number."""
        ...
