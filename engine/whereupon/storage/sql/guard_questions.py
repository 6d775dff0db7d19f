"""What guards, and those who decide, ask of a database."""

from collections.abc import Collection
from datetime import datetime

import whereupon.storage.sql.request_rows as request_rows
from whereupon.messages.times import as_micros
from whereupon.ports import GuardQuestions
from whereupon.records import (
    Approval,
    AuditRow,
    Breaker,
    Device,
    KeptAnswer,
    Relationship,
    Request,
    RequestOutcome,
)
from whereupon.storage.sql.access import LAST_KEY
from whereupon.storage.sql.reads import SqlReads


class SqlGuardQuestions(SqlReads, GuardQuestions):
    """The ports say what each method answers."""

    def request(self, key: int) -> Request | None:
        """A request by number."""
        found = self._queries.request.fetch(self._connection, key=key)
        return request_rows.request_from(found[0]) if found else None

    def requests(
        self, outcomes: Collection[RequestOutcome], limit: int, before: int | None = None
    ) -> list[Request]:
        """The newest requests."""
        wanted = self._database.members([outcome.value for outcome in outcomes])
        first = LAST_KEY if before is None else before
        found = self._queries.requests.fetch(
            self._connection, outcomes=wanted, limit=limit, before=first
        )
        return list(map(request_rows.request_from, found))

    def open_requests_of(self, user_ids: Collection[str]) -> list[Request]:
        """Requests of these people that wait."""
        ids = self._database.members(user_ids)
        found = self._queries.open_requests_of.fetch(self._connection, ids=ids)
        return list(map(request_rows.request_from, found))

    def count_ran(self, actions: Collection[str], source: str, since: datetime) -> int:
        """How many ran."""
        wanted = self._database.members(actions)
        ((count,),) = self._queries.count_ran.fetch(
            self._connection, actions=wanted, source=source, since=as_micros(since)
        )
        return int(count)

    def approvals(self, request: int) -> list[Approval]:
        """Approvals of a request."""
        found = self._queries.approvals.fetch(self._connection, request=request)
        return list(map(request_rows.approval_from, found))

    def breakers(self) -> list[Breaker]:
        """Every breaker."""
        return list(map(request_rows.breaker_from, self._queries.breakers.fetch(self._connection)))

    def devices(self, tokens: Collection[str]) -> list[Device]:
        """Devices by token."""
        members = self._database.members(tokens)
        found = self._queries.devices.fetch(self._connection, tokens=members)
        return list(map(request_rows.device_from, found))

    def objects(self, places: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Objects that there are."""
        types, ids = (self._database.members({place[n] for place in places}) for n in (0, 1))
        found = self._queries.objects.fetch(self._connection, types=types, ids=ids)
        return {(str(type_id), str(object_id)) for type_id, object_id in found} & set(places)

    def relationships(self, asked: Collection[Relationship]) -> set[Relationship]:
        """Ties that there are."""
        persons = self._database.members({tie.person_key for tie in asked})
        ids = self._database.members({tie.object_id for tie in asked})
        found = self._queries.relationships.fetch(self._connection, persons=persons, ids=ids)
        return {Relationship(*tie) for tie in found} & set(asked)

    def answer(self, digest: str) -> KeptAnswer | None:
        """A kept answer."""
        found = self._queries.answer.fetch(self._connection, digest=digest)
        return request_rows.answer_from(found[0]) if found else None

    def audit_rows(self, after: int, limit: int) -> list[AuditRow]:
        """Rows of the log."""
        found = self._queries.audit_rows.fetch(self._connection, after=after, limit=limit)
        return list(map(request_rows.audit_from, found))

    def audit_rows_of(self, request: int) -> list[AuditRow]:
        """Rows about a request."""
        found = self._queries.audit_rows_of.fetch(self._connection, request=request)
        return list(map(request_rows.audit_from, found))
