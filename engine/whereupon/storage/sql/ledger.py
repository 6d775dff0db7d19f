"""The ledger in a database: what the guarded registry asks, and what it writes."""

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import Connection

import whereupon.storage.sql.request_rows as rows
from whereupon.messages.times import as_micros, from_micros
from whereupon.ports import FOOTPRINT
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
from whereupon.storage.sql.dialects import Database, Parameters, Statement
from whereupon.storage.sql.queries import Queries
from whereupon.storage.sql.row_locks import RowLocks
from whereupon.storage.sql.rows import instant_or_none

_NEVER = -(2**63)


class SqlRequests:
    """What a session answers about requests, and what else guards ask."""

    def __init__(
        self,
        connection: Connection,
        database: Database,
        ledger: Queries,
        holding: RowLocks | None = None,
    ) -> None:
        self._connection = connection
        self._database = database
        self._ledger = ledger
        self._holding = holding

    def lock_requests(self) -> None:
        """Hold the head, which whoever writes into the log holds."""
        if self._holding is not None:
            self._holding.ledger()

    def request(self, key: int) -> Request | None:
        """A request by number."""
        found = self._ledger.request.fetch(self._connection, key=key)
        return rows.request_from(found[0]) if found else None

    def requests(self, outcomes: Collection[RequestOutcome], limit: int) -> list[Request]:
        """The newest requests."""
        wanted = self._database.members([outcome.value for outcome in outcomes])
        found = self._ledger.requests.fetch(self._connection, outcomes=wanted, limit=limit)
        return list(map(rows.request_from, found))

    def open_requests_of(self, user_ids: Collection[str]) -> list[Request]:
        """Requests of these people that wait."""
        ids = self._database.members(user_ids)
        found = self._ledger.open_requests_of.fetch(self._connection, ids=ids)
        return list(map(rows.request_from, found))

    def due_requests(
        self, until: datetime, limit: int, *, expiring: datetime | None
    ) -> list[Request]:
        """Held requests that are due."""
        found = self._ledger.due_requests.fetch(
            self._connection,
            until=as_micros(until),
            expiring=_NEVER if expiring is None else as_micros(expiring),
            limit=limit,
        )
        return list(map(rows.request_from, found))

    def next_request_due(self, actions: Collection[str] | None = None) -> datetime | None:
        """When the next is due."""
        if actions is None:
            found = self._ledger.next_request_due.fetch(self._connection)
        else:
            members = self._database.members(actions)
            found = self._ledger.next_request_due_of.fetch(self._connection, actions=members)
        known = [from_micros(at) for row in found for at in row if at is not None]
        return min(known, default=None)

    def lease_request(
        self, actions: Collection[str], until: datetime, leased_until: datetime
    ) -> Request | None:
        """Take an approved request."""
        wanted = self._database.members(actions)
        found = self._ledger.due_approved.fetch(
            self._connection, actions=wanted, until=as_micros(until), limit=1
        )
        if not found:
            return None
        request = rows.request_from(found[0])
        self._many(self._ledger.lease_request, [(as_micros(leased_until), request.key)])
        return request

    def count_ran(self, actions: Collection[str], source: str, since: datetime) -> int:
        """How many ran."""
        wanted = self._database.members(actions)
        ((count,),) = self._ledger.count_ran.fetch(
            self._connection, actions=wanted, source=source, since=as_micros(since)
        )
        return int(count)

    def count_persons(self) -> int:
        """How many persons."""
        ((count,),) = self._ledger.count_persons.fetch(self._connection)
        return int(count)

    def breakers(self) -> list[Breaker]:
        """Every breaker."""
        return list(map(rows.breaker_from, self._ledger.breakers.fetch(self._connection)))

    def approvals(self, request: int) -> list[Approval]:
        """Approvals of a request."""
        found = self._ledger.approvals.fetch(self._connection, request=request)
        return list(map(rows.approval_from, found))

    def footprint(self, person_key: int) -> PersonFootprint:
        """How much is a person's."""
        ((*counts, latest),) = self._ledger.footprint.fetch(self._connection, person=person_key)
        return PersonFootprint(
            {name: int(count) for name, count in zip(FOOTPRINT, counts, strict=True)},
            instant_or_none(latest),
        )

    def devices(self, tokens: Collection[str]) -> list[Device]:
        """Devices by token."""
        members = self._database.members(tokens)
        found = self._ledger.devices.fetch(self._connection, tokens=members)
        return list(map(rows.device_from, found))

    def objects(self, places: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Objects that there are."""
        types, ids = (self._database.members({place[n] for place in places}) for n in (0, 1))
        found = self._ledger.objects.fetch(self._connection, types=types, ids=ids)
        return {(str(type_id), str(object_id)) for type_id, object_id in found} & set(places)

    def relationships(self, asked: Collection[Relationship]) -> set[Relationship]:
        """Ties that there are."""
        persons = self._database.members({tie.person_key for tie in asked})
        ids = self._database.members({tie.object_id for tie in asked})
        found = self._ledger.relationships.fetch(self._connection, persons=persons, ids=ids)
        return {Relationship(*tie) for tie in found} & set(asked)

    def audit_head(self) -> AuditHead | None:
        """The head, held."""
        self.lock_requests()
        found = self._ledger.audit_head.fetch(self._connection)
        return rows.head_from(found[0]) if found else None

    def audit_rows(self, after: int, limit: int) -> list[AuditRow]:
        """Rows of the log."""
        found = self._ledger.audit_rows.fetch(self._connection, after=after, limit=limit)
        return list(map(rows.audit_from, found))

    def audit_rows_of(self, request: int) -> list[AuditRow]:
        """Rows about a request."""
        found = self._ledger.audit_rows_of.fetch(self._connection, request=request)
        return list(map(rows.audit_from, found))

    def mark(self, name: str) -> int | None:
        """A number of the store's own."""
        found = self._ledger.mark.fetch(self._connection, name=name)
        return int(found[0][0]) if found else None

    def set_mark(self, name: str, value: int) -> None:
        """Remember a number."""
        self._ledger.put_mark.write(self._connection, [(name, value)])

    def write_ledger(self, changes: Changes) -> None:
        """Write what a batch made of the ledger."""
        to = self._ledger
        self._many(to.put_request, map(rows.request_row, changes.requests.values()))
        self._many(to.put_approval, map(rows.approval_row, changes.approvals))
        self._many(to.put_breaker, map(rows.breaker_row, changes.breakers.values()))
        self._many(to.add_audit_row, (rows.audit_row(row, row.request) for row in changes.audit))
        if changes.audit_head is not None:
            self._many(to.put_audit_head, [rows.head_row(changes.audit_head)])

    def _many(self, statement: Statement, parameters: Iterable[Parameters]) -> None:
        statement.write(self._connection, list(parameters))
