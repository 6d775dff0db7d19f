"""A session on a database: one transaction, all phases together."""

from collections.abc import Collection, Iterable

from sqlalchemy.exc import IntegrityError

import whereupon.storage.sql.request_rows as request_rows
from whereupon.records import (
    AuditHead,
    Changes,
    DeliveryState,
)
from whereupon.storage.sql.dialects import Parameters, Statement
from whereupon.storage.sql.due_work import SqlDueWork
from whereupon.storage.sql.keys import new_block
from whereupon.storage.sql.process_cache import Block, Name, Numbers
from whereupon.storage.sql.questions import SqlQuestions
from whereupon.storage.sql.transaction_retry import LostRaceError


class SqlSession(SqlQuestions, SqlDueWork):
    """One transaction on a database; see `whereupon.ports.Session`."""

    def allocate(self, count: int) -> int:
        """Reserve keys."""
        return self._writes.allocate(count)

    def lock(
        self,
        persons: Collection[int],
        anonymous: Collection[int],
        unknown: Collection[str] = (),
    ) -> bool:
        """Keep others away, where there are others."""
        return self._locks is not None and self._locks.hold(persons, anonymous, unknown)

    def lock_requests(self) -> None:
        """Hold the head, which whoever writes into the log holds."""
        if self._locks is not None:
            self._locks.ledger()

    def audit_head(self) -> AuditHead | None:
        """The head, held."""
        self.lock_requests()
        found = self._queries.audit_head.fetch(self._connection)
        return request_rows.head_from(found[0]) if found else None

    def flush(self, changes: Changes) -> None:
        """Write a batch's changes."""
        try:
            self._writes.write(changes)
            self.write_ledger(changes)
            if _makes_due(changes):
                self._announce()
        except IntegrityError as error:
            raise LostRaceError(reason=f"somebody was first: {error.orig}") from error

    def set_mark(self, name: str, value: int) -> None:
        """Remember a number."""
        self._queries.put_mark.write(self._connection, [(name, value)])

    def number(self, names: Collection[Name]) -> Numbers:
        """Number names."""
        return self._names.number(self._connection, names)

    def reserve(self, count: int) -> Block:
        """Reserve a block of so many keys."""
        self.cache.learned.block = new_block(self._connection, self._queries.take_blocks, count)
        return self.cache.learned.block

    def write_ledger(self, changes: Changes) -> None:
        """Write what a batch made of the ledger."""
        to = self._queries
        self._write_rows(to.put_request, map(request_rows.request_row, changes.requests.values()))
        self._write_rows(to.put_approval, map(request_rows.approval_row, changes.approvals))
        self._write_rows(to.put_breaker, map(request_rows.breaker_row, changes.breakers.values()))
        self._write_rows(
            to.add_audit_row, (request_rows.audit_row(row, row.request) for row in changes.audit)
        )
        if changes.audit_head is not None:
            self._write_rows(to.put_audit_head, [request_rows.head_row(changes.audit_head)])

    def _write_rows(self, statement: Statement, parameters: Iterable[Parameters]) -> None:
        statement.write(self._connection, list(parameters))


def _makes_due(changes: Changes) -> bool:
    """Whether there is more due work than before, now or later."""
    return bool(
        changes.claim_jobs
        or any(delivery.state is DeliveryState.PENDING for delivery in changes.deliveries)
        or any(entry.due_at is not None for entry in changes.entries.values())
        or any(run.cursor is not None for run in changes.runs.values())
        or any(request.outcome.is_open for request in changes.requests.values())
    )
