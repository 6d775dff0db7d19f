"""Pruning old records in steps by key, without an index of its own and without a long transaction."""

from sqlalchemy import Connection

from whereupon.messages.times import as_micros
from whereupon.records import GONE_SKIPS, PruneStep, RetainedKind, RetentionCutoff
from whereupon.storage.sql.dialects import Database, Statement
from whereupon.storage.sql.queries import Queries

_WITHOUT_NUMBERS = frozenset(
    {
        RetainedKind.SET_ASIDE,
        RetainedKind.INBOX,
        RetainedKind.ANSWERS,
        RetainedKind.RUNS,
        RetainedKind.OPEN_SKIPS,
    }
)
"""Kinds whose keys are texts; each has an index, or few rows."""


class RowPruner:
    """One session's pruning."""

    def __init__(self, connection: Connection, database: Database, statements: Queries) -> None:
        self._connection = connection
        self._database = database
        self._to = statements

    def prune(self, cutoff: RetentionCutoff, after: int, reach: int) -> PruneStep:
        """Drop old records among the next rows."""
        given = self._given(cutoff)
        if cutoff.kind is RetainedKind.SKIPS:
            self._mark_gone(as_micros(cutoff.before))
        if cutoff.kind in _WITHOUT_NUMBERS:
            oldest = self._of("prune", cutoff.kind)
            gone = oldest.run(self._connection, reach=reach, **given)
            return PruneStep(gone, cursor=after if gone == reach else None)
        behind = self._of("prune_end", cutoff.kind).fetch(
            self._connection, after=after, skipped=reach - 1
        )
        cursor = int(behind[0][0]) if behind else None
        given |= {"after": after, "until": 2**63 - 1 if cursor is None else cursor}
        gone = self._of("prune", cutoff.kind).run(self._connection, **given)
        emptied = 0
        if cutoff.kind is RetainedKind.ENTRIES:
            given = {name: given[name] for name in ("before", "after", "until")}
            emptied = self._to.empty_entries.run(self._connection, **given)
        return PruneStep(gone, emptied, cursor)

    def _mark_gone(self, before: int) -> None:
        """Let what messages' rows say of skips before an instant be gone."""
        marked = self._to.mark.fetch(self._connection, name=GONE_SKIPS)
        if not marked or marked[0][0] < before:
            self._to.put_mark.write(self._connection, [(GONE_SKIPS, before)])

    def count(self, cutoff: RetentionCutoff) -> PruneStep:
        """How many would be dropped."""
        given = self._given(cutoff)
        ((gone,),) = self._of("count_prunable", cutoff.kind).fetch(self._connection, **given)
        if cutoff.kind is not RetainedKind.ENTRIES:
            return PruneStep(int(gone))
        ((emptied,),) = self._to.count_emptied.fetch(self._connection, **given)
        return PruneStep(int(gone), int(emptied))

    def _given(self, cutoff: RetentionCutoff) -> dict[str, object]:
        given: dict[str, object] = {"before": as_micros(cutoff.before)}
        if cutoff.kind is RetainedKind.ENTRIES:
            given["unasked"] = as_micros(cutoff.unasked_before)
            given["lasting"] = self._database.members(sorted(cutoff.lasting))
        return given

    def _of(self, what: str, kind: RetainedKind) -> Statement:
        statement: Statement = getattr(self._to, f"{what}_{kind.value}")
        return statement
