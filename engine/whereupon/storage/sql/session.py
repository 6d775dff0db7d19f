"""A session on a database: all phases of the port in one transaction."""

from collections.abc import Collection

from sqlalchemy.exc import IntegrityError

import whereupon.storage.sql.request_rows as request_rows
from whereupon.records import (
    AuditHead,
    Changes,
    DeliveryState,
)
from whereupon.storage.sql.counted_sends import SqlCountedSends
from whereupon.storage.sql.due_work import SqlDueWork
from whereupon.storage.sql.process_cache import Block, Name, Numbers
from whereupon.storage.sql.questions import SqlQuestions
from whereupon.storage.sql.silences import SqlSilences
from whereupon.storage.sql.transaction_retry import LostRaceError


class SqlSession(SqlCountedSends, SqlSilences, SqlQuestions, SqlDueWork):
    """One transaction on a database; the ports say what each method does."""

    def allocate(self, count: int) -> int:
        """From blocks of the process."""
        return self._writes.allocate(count)

    def lock(
        self,
        persons: Collection[int],
        anonymous: Collection[int],
    ) -> bool:
        """By row locks, if there are other writers."""
        return self._locks is not None and self._locks.lock(persons, anonymous)

    def lock_requests(self) -> None:
        """By the audit log's head, which every writer of the log locks."""
        if self._locks is not None:
            self._locks.lock_requests()

    def audit_head(self) -> AuditHead | None:
        """Locked."""
        self.lock_requests()
        found = self._queries.audit_head.fetch(self._connection)
        return request_rows.head_from(found[0]) if found else None

    def flush(self, changes: Changes) -> None:
        """Table by table."""
        try:
            self._known_state, self._known_users, self._known_messages = None, {}, None
            self._writes.write(changes)
            if self._database.announces and _makes_due(changes):
                self._announce()
        except IntegrityError as error:
            raise LostRaceError(reason=f"somebody was first: {error.orig}") from error

    def set_mark(self, name: str, value: int) -> None:
        """In the meta table."""
        self._queries.put_mark.write(self._connection, [(name, value)])

    def number(self, names: Collection[Name]) -> Numbers:
        """Number names."""
        return self._names.number(self._connection, names)

    def number_lists(self, lists: Collection[Name]) -> Numbers:
        """Number rule lists."""
        return self._names.lists.number(self._connection, lists)

    def reserve(self, count: int) -> Block:
        """Reserve a block of at least ``count`` keys."""
        block = self.cache.learned.block = self._writes.reserve(count)
        return block


def _makes_due(changes: Changes) -> bool:
    """Whether there is more due work than before, now or later."""
    return bool(
        changes.claim_jobs
        or any(delivery.state is DeliveryState.PENDING for delivery in changes.deliveries)
        or any(entry.due_at is not None for entry in changes.entries.values())
        or any(run.cursor is not None for run in changes.runs.values())
        or changes.operated_runs
        or not all(changes.halted.values())
        or any(pause is not None and pause.sweep is not None for pause in changes.pauses.values())
        or any(request.outcome.is_open for request in changes.requests.values())
    )
