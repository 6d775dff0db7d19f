"""The in-memory store's ledger: what the guarded registry asks, and what it writes."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from heapq import nlargest, nsmallest

from whereupon.guards.audit_chain import facts_in
from whereupon.records import (
    Approval,
    AuditHead,
    AuditRow,
    Breaker,
    Changes,
    Device,
    PersonFootprint,
    Relationship,
    Request,
    RequestOutcome,
)
from whereupon.storage.memory.shelves import Shelves
from whereupon.storage.memory.undo import Undo

_AUDIT = "audit"
_COUNTING = frozenset(
    {
        RequestOutcome.RAN,
        RequestOutcome.APPROVED,
        RequestOutcome.FAILED,
        RequestOutcome.UNDONE,
    }
)


class MemoryLedger:
    """One session's ledger; see `whereupon.ports.Ledger` for what each method answers."""

    def __init__(self, shelves: Shelves, undo: Undo) -> None:
        self._shelves = shelves
        self._undo = undo

    def hold(self) -> None:
        """Nothing to do: sessions take turns."""

    def request(self, key: int) -> Request | None:
        """A request by number."""
        return self._shelves.requests.get(key)

    def requests(self, outcomes: Collection[RequestOutcome], limit: int) -> list[Request]:
        """The newest requests."""
        wanted = set(outcomes)
        found = [r for r in self._shelves.requests.values() if r.outcome in wanted]
        return nlargest(limit, found, key=lambda request: request.key)

    def open_requests_of(self, user_ids: Collection[str]) -> list[Request]:
        """Requests of these people that wait."""
        ids = set(user_ids)
        return [
            request
            for request in self._open()
            if request.person in ids or (request.message and request.message.target_id in ids)
        ]

    def _open(self) -> list[Request]:
        held = self._shelves.open_requests
        return [self._shelves.requests[key] for key in sorted(held)]

    def due_requests(
        self, until: datetime, limit: int, *, expiring: datetime | None
    ) -> list[Request]:
        """Held requests that are due."""
        due = [
            ((request.due_at or request.expires_at or until), request.key)
            for request in self._open()
            if request.outcome is RequestOutcome.HELD
            and (
                (request.due_at is not None and request.due_at <= until)
                or (expiring and request.expires_at and request.expires_at <= expiring)
            )
        ]
        return [self._shelves.requests[key] for _, key in nsmallest(limit, due)]

    def next_due(self, actions: Collection[str] | None = None) -> datetime | None:
        """When the next is due."""
        theirs = [
            request
            for request in self._open()
            if request.outcome is RequestOutcome.HELD
            or actions is None
            or request.action in actions
        ]
        times = [at for r in theirs for at in (r.due_at, r.expires_at) if at is not None]
        return min(times, default=None)

    def lease_approved(
        self, actions: Collection[str], until: datetime, leased_until: datetime
    ) -> Request | None:
        """Take an approved request."""
        due = [
            (request.due_at, request.key)
            for request in self._open()
            if request.outcome is RequestOutcome.APPROVED
            and request.action in actions
            and request.due_at is not None
            and request.due_at <= until
        ]
        if not due:
            return None
        request = self._shelves.requests[min(due)[1]]
        self._shelves.put_request(replace(request, due_at=leased_until), self._undo)
        return request

    def ran_since(self, actions: Collection[str], source: str, since: datetime) -> int:
        """How many ran."""
        wanted = set(actions)
        return sum(
            request.action in wanted
            and request.decided_at > since
            and request.outcome in _COUNTING
            and source in {"", request.source}
            for request in self._shelves.requests.values()
        )

    def people(self) -> int:
        """How many persons."""
        return len(self._shelves.persons)

    def breakers(self) -> list[Breaker]:
        """Every breaker."""
        return [breaker for _, breaker in sorted(self._shelves.breakers.items())]

    def approvals(self, request: int) -> list[Approval]:
        """Approvals of a request."""
        found = [a for a in self._shelves.approvals.values() if a.request == request]
        return sorted(found, key=lambda approval: (approval.approved_at, approval.actor))

    def footprint(self, person_key: int) -> PersonFootprint:
        """How much is a person's."""
        shelves = self._shelves
        owned = shelves.owned.get(person_key, [])
        counts = {
            "messages": len(owned),
            "identifiers": len(shelves.named.get(person_key, ())),
            "claims": len(shelves.claimed.get(person_key, ())),
            "entries": sum(map(len, shelves.entries_of.get(person_key, {}).values())),
            "deliveries": len(shelves.deliveries_of.get(person_key, ())),
            "devices": len(shelves.devices_of.get(person_key, ())),
            "relationships": len(shelves.relationships.get(person_key, ())),
            "persons": int(person_key in shelves.persons),
        }
        own = (at for at, key in reversed(owned) if shelves.messages[key].message.depth == 0)
        return PersonFootprint(counts, next(own, None))

    def devices(self, tokens: Collection[str]) -> list[Device]:
        """Devices by token."""
        known = self._shelves.devices
        return [known[token] for token in set(tokens) if token in known]

    def objects(self, places: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Objects that there are."""
        return {place for place in places if place in self._shelves.objects}

    def relationships(self, ties: Collection[Relationship]) -> set[Relationship]:
        """Ties that there are."""
        known = self._shelves.relationships
        return {tie for tie in ties if tie in known.get(tie.person_key, {})}

    def audit_head(self) -> AuditHead | None:
        """The head."""
        return self._shelves.heads.get(_AUDIT)

    def audit(self, after: int, limit: int) -> list[AuditRow]:
        """Rows of the log."""
        rows = self._shelves.audit.values()
        found = [row for row in rows if row.sequence > after]
        return sorted(found, key=lambda row: row.sequence)[:limit]

    def audit_of(self, request: int) -> list[AuditRow]:
        """Rows about a request."""
        rows = self._shelves.audit.values()
        return [row for row in rows if facts_in(row).get("request") == request]

    def mark(self, name: str) -> int | None:
        """A number of the store's own."""
        return self._shelves.marks.get(name)

    def set_mark(self, name: str, value: int) -> None:
        """Remember a number."""
        self._undo.put(self._shelves.marks, name, value)


def write_ledger(changes: Changes, shelves: Shelves, undo: Undo) -> None:
    """Write what a batch made of the ledger."""
    for request in changes.requests.values():
        shelves.put_request(request, undo)
    for approval in changes.approvals:
        undo.put(shelves.approvals, (approval.request, approval.actor, approval.plan), approval)
    for breaker in changes.breakers.values():
        undo.put(shelves.breakers, breaker.guard, breaker)
    for row in changes.audit:
        undo.put(shelves.audit, row.sequence, row)
    if changes.audit_head is not None:
        undo.put(shelves.heads, _AUDIT, changes.audit_head)
