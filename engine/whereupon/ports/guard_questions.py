"""Questions of guards and of those who decide: requests, approvals, breakers, objects, the audit log.

Each has a default that reads all records of a kind, as in `Questions`.
"""

from collections.abc import Collection
from datetime import datetime
from heapq import nlargest
from typing import Protocol

from whereupon.ports.reads import Reads
from whereupon.records import (
    COUNTED_OUTCOMES,
    Approval,
    AuditHead,
    AuditRow,
    Breaker,
    Device,
    KeptAnswer,
    ObjectRecord,
    Relationship,
    Request,
    RequestOutcome,
)

_ALL = 1 << 62


class GuardQuestions(Reads, Protocol):
    """What guards count, and what those who decide look at."""

    def request(self, key: int) -> Request | None:
        """The request with that number."""
        return next((request for request in self.scan(Request) if request.key == key), None)

    def open_requests_of(self, user_ids: Collection[str]) -> list[Request]:
        """Requests about these people that still wait, by number."""
        found = [
            request
            for request in self.scan(Request)
            if request.outcome.is_open
            and (
                request.person in user_ids
                or (request.message and request.message.target_id in user_ids)
            )
        ]
        return sorted(found, key=lambda request: request.key)

    def approvals(self, request: int) -> list[Approval]:
        """The approvals of a request, oldest first."""
        found = [approval for approval in self.scan(Approval) if approval.request == request]
        return sorted(found, key=lambda approval: (approval.approved_at, approval.actor))

    def breakers(self) -> list[Breaker]:
        """Every breaker that was ever opened, by guard."""
        return sorted(self.scan(Breaker), key=lambda breaker: breaker.guard)

    def devices(self, tokens: Collection[str]) -> list[Device]:
        """The devices with these tokens."""
        return [device for device in self.scan(Device) if device.token in tokens]

    def objects(self, places: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """The objects among these, each by its type and id, that exist."""
        return {(each.type_id, each.object_id) for each in self.scan(ObjectRecord)} & set(places)

    def relationships(self, asked: Collection[Relationship]) -> set[Relationship]:
        """The relationships among these that exist."""
        return set(self.scan(Relationship)) & set(asked)

    def audit_head(self) -> AuditHead | None:
        """Where the audit log ends, locked until this transaction ends; None before its first row."""
        return next(iter(self.scan(AuditHead)), None)

    def requests(
        self, outcomes: Collection[RequestOutcome], limit: int, before: int | None = None
    ) -> list[Request]:
        """Requests with these outcomes, newest first, behind that number if one is given."""
        wanted = set(outcomes)
        found = (request for request in self.scan(Request) if request.outcome in wanted)
        behind = (request for request in found if before is None or request.key < before)
        return nlargest(limit, behind, key=lambda request: request.key)

    def count_ran(self, actions: Collection[str], source: str, since: datetime) -> int:
        """The number of requests for these actions that ran after an instant.

        Args:
            actions: their names.
            source: the class of sender; empty for all.
            since: the instant.
        """
        return sum(
            request.action in actions
            and request.decided_at > since
            and request.outcome in COUNTED_OUTCOMES
            and source in {"", request.source}
            for request in self.scan(Request)
        )

    def audit_rows(self, after: int, limit: int) -> list[AuditRow]:
        """Rows of the audit log behind a sequence number, in order."""
        found = [row for row in self.scan(AuditRow) if row.sequence > after]
        return sorted(found, key=lambda row: row.sequence)[:limit]

    def audit_rows_of(self, request: int) -> list[AuditRow]:
        """Rows of the audit log about one request, in order."""
        return [row for row in self.audit_rows(0, _ALL) if row.facts.get("request") == request]

    def answer(self, digest: str) -> KeptAnswer | None:
        """What is kept of the request with that digest, over or not."""
        return next((kept for kept in self.scan(KeptAnswer) if kept.digest == digest), None)
