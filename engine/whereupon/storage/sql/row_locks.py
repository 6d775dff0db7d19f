"""Row locks of a transaction, on databases with many writers.

All transactions take their locks in the order of `Rank`. Locks of one rank are taken in one statement, by
a key that never changes. So no transactions wait for each other in a circle:

1. broadcast runs, by transactions that add scheduled ones, erase persons, or carry out what an operator decides
   about a run;
2. the audit log's head, by transactions that judge and record requests;
3. persons, 4. anonymous ids: before a batch reads what it decides about;
5. the count of erasures, 6. deliveries, 7. devices, 8. objects, 9. tombstones: rows that several
   persons' changes share, before anything is written;
10. what is written: table by table as `SqlWrites` does it, each in the order of its unique key. User ids
    that are erased though nobody has them are written as new ones are, and removed again.

A transaction that goes back in this order (it writes several times, or finds out that two persons are one)
does not wait from there on: if another transaction is in the way, it begins again. Statements that skip
locked rows (due work, leases) never wait.
"""

from collections.abc import Collection, Iterable
from enum import IntEnum
from hashlib import blake2b

from sqlalchemy import Connection

import whereupon.storage.sql.rule_rows as rule_rows
import whereupon.storage.sql.run_rows as run_rows
from whereupon.records import BroadcastRun, Changes, Entry, Timer
from whereupon.storage.deadline import Deadline
from whereupon.storage.sql.dialects import Database, Rows, Statement
from whereupon.storage.sql.nul_escape import escape_nul
from whereupon.storage.sql.queries import Queries
from whereupon.storage.sql.timer_rows import timer_from
from whereupon.storage.sql.transaction_retry import LostRaceError

_RUNS_LOCK = 0x77686573
"""The advisory lock of transactions that add broadcast runs without a message's id."""
_LEDGER_LOCK = 0x77686574
"""The advisory lock of transactions that write the audit log's first rows."""
_NO_WAIT = 0.001
"""Seconds that a transaction waits for a lock once it has gone back in the order."""
_WAITED = 0.05
"""The share of the time after whose waiting the timeout of locks is set anew."""


class Rank(IntEnum):
    """What is locked, in the order of locking."""

    RUNS = 1
    LEDGER = 2
    PERSONS = 3
    ANONYMOUS = 4
    ERASURES = 5
    DELIVERIES = 6
    DEVICES = 7
    OBJECTS = 8
    TOMBSTONES = 9
    WRITING = 10


class RowLocks:
    """One transaction's locks.

    Args:
        locks: the statements.
        deadline: the call's.
        lent: whether the transaction is a host's. It may have locks already, and cannot begin again. So locks
            are taken as they come; if two hosts wait for each other, the database ends one of them.

    Attributes:
        count: how often rows were locked. What was read before the last time may be outdated.
    """

    def __init__(
        self,
        connection: Connection,
        database: Database,
        locks: Queries,
        deadline: Deadline,
        *,
        lent: bool,
    ) -> None:
        self._connection = connection
        self._database = database
        self._locks = locks
        self._deadline = deadline
        self._limit = deadline.left
        self._lent = lent
        self._reached: Rank | None = None
        self._persons: set[int] = set()
        self._anonymous: set[int] = set()
        self._has_ledger = False
        self._runs: set[tuple[str, str]] | None = None
        self._is_back = False
        self._erasures: int | None = None
        self.count = 0

    # --- the order ------------------------------------------------------------------------------

    def reach(self, rank: Rank, *, again: bool = False) -> None:
        """Note that rows of a rank are about to be locked.

        Args:
            rank: theirs.
            again: whether rows of the same rank may have been locked by an earlier statement.
        """
        self.count += 1
        before, self._reached = self._reached, max(rank, self._reached or rank)
        is_back = before is not None and (rank < before or (rank == before and again))
        if is_back and not self._lent and not self._is_back:
            self._is_back = True
            self._database.limit_waiting(self._connection, _NO_WAIT)
        self._database.forget(self._connection)
        self.refresh_timeout()

    def refresh_timeout(self) -> None:
        """Set the timeout of locks anew if much of the time was spent waiting."""
        left = self._deadline.left
        if not self._is_back and left < self._limit * (1 - _WAITED):
            self._limit = left
            self._database.limit_waiting(self._connection, left)

    def _lock(self, rank: Rank, statement: Statement, **values: object) -> Rows:
        self.reach(rank, again=True)
        return statement.fetch(self._connection, **values)

    # --- whom a batch is about ------------------------------------------------------------------

    def lock_requests(self) -> None:
        """Lock requests, breakers and the audit log."""
        if self._has_ledger:
            return
        if not self._lock(
            Rank.LEDGER, self._locks.lock_audit_head
        ):  # before its first row there is no head
            self._locks.advisory_lock.run(self._connection, number=_LEDGER_LOCK)
            self._locks.lock_audit_head.run(self._connection)
        self._has_ledger = True

    def lock(self, persons: Collection[int], anonymous: Collection[int]) -> bool:
        """Lock these; whether one was not locked before, so that what was read of it may be outdated."""
        if self._erasures is None:
            self._erasures = self._count_erasures()
        new_persons = set(persons) - self._persons
        new_anonymous = set(anonymous) - self._anonymous
        if not new_persons and not new_anonymous:
            return False
        members = self._database.members
        if new_persons:
            self.reach(Rank.PERSONS, again=True)
            self._locks.lock_persons.send(self._connection, keys=members(new_persons))
        if new_anonymous:
            self.reach(Rank.ANONYMOUS, again=True)
            self._locks.lock_anonymous.send(self._connection, keys=members(new_anonymous))
        self._persons |= new_persons
        self._anonymous |= new_anonymous
        return True

    def without_erasures(self, found: Rows) -> Rows:
        """The rows of identifiers; one more says how many erasures there were when the first of all were read."""
        known = [row for row in found if row[0] is not None]
        if self._erasures is None and found:
            self._erasures = next(int(row[-1]) for row in found if row[0] is None)
        return known

    def note(self, persons: Iterable[int]) -> None:
        """Note persons who were locked by the statement that read them."""
        self._persons.update(persons)

    def due_entries(
        self, until: int, limit: int, versions: Collection[str] | None = None
    ) -> list[Entry]:
        """Due entries of persons whom nobody has locked; they are locked now.

        Args:
            until: microseconds since the epoch.
            limit: the most entries to return.
            versions: digests of rule versions, which share the limit; None for all.
        """
        self.reach(Rank.PERSONS)
        due: dict[str, object] = {"until": until, "limit": limit}
        statement = self._locks.lock_due_persons
        if versions is not None:
            statement = self._locks.lock_due_persons_of
            due["versions"] = self._database.members(versions)
            due["share"] = max(1, limit // max(1, len(versions)))
        while found := statement.fetch(self._connection, **due):
            keys = [key for key, _ in found]
            self.note(person_key for _, person_key in found)
            members = self._database.members(keys)
            still = self._locks.still_due.fetch(self._connection, keys=members, until=until)
            if still:  # else another transaction has just done them, and there may be more
                return list(map(rule_rows.entry_from, still))
        return []

    def due_timers(self, subjects: Collection[str], until: int, limit: int) -> list[Timer]:
        """Due timers of persons whom nobody has locked; they are locked now.

        Args:
            subjects: the subjects.
            until: microseconds since the epoch.
            limit: the most timers to return.
        """
        self.reach(Rank.PERSONS)  # of those that are locked, none is waited for
        members = self._database.members(subjects)
        asked = {"subjects": members, "until": until, "limit": limit}
        while found := self._locks.lock_due_timers.fetch(self._connection, **asked):
            keys = {key for (key,) in found}
            self.note(keys)
            there = self._database.members(keys)
            still = self._locks.still_due_timers.fetch(
                self._connection, keys=there, subjects=members, until=until
            )
            if still:  # else another transaction has just handled them, and there may be more
                return list(map(timer_from, still))
        return []

    def run(self, run: BroadcastRun) -> BroadcastRun | None:
        """The run as it is now, locked; None if it is done, or locked by another transaction."""
        named = {"rule": run.rule, "occasion": run.occasion}
        found = self._locks.take_run.fetch(self._connection, **named)
        return run_rows.run_from(found[0]) if found else None

    def swept_run(self, run: BroadcastRun) -> BroadcastRun | None:
        """The run as it is now, locked; None if it is swept, or locked by another transaction."""
        named = {"rule": run.rule, "occasion": run.occasion}
        found = self._locks.take_swept_run.fetch(self._connection, **named)
        return run_rows.run_from(found[0]) if found else None

    def wait_for_run(self, rule: str, occasion: str) -> None:
        """Lock a run, once no other transaction sends, adds or erases any, or has this one."""
        self.reach(Rank.RUNS, again=True)
        self._locks.advisory_lock.run(self._connection, number=_RUNS_LOCK)
        self._locks.lock_run.fetch(self._connection, rule=rule, occasion=occasion)

    def runs(self) -> list[BroadcastRun]:
        """Every unfinished run, once no other transaction sends or adds one."""
        self.reach(Rank.RUNS)
        self._locks.advisory_lock.run(self._connection, number=_RUNS_LOCK)
        found = list(map(run_rows.run_from, self._locks.lock_runs.fetch(self._connection)))
        self._runs = {(run.rule, run.occasion) for run in found}
        waiting = [run for run in found if run.cursor is not None]  # others are swept
        return sorted(waiting, key=lambda run: (run.due_at, run.rule, run.occasion))

    def open_transactions(self) -> frozenset[str]:
        """The other transactions that have read identifiers, as all do that make a person known."""
        found = self._locks.open_transactions.fetch(self._connection)
        return frozenset(str(name) for (name,) in found)

    def begin_run(self, rule: str, occasion: str) -> None:
        """Wait for a transaction that begins the same run; a hash of its name stands for a row not there yet."""
        self.reach(Rank.RUNS, again=True)
        digest = blake2b(f"{rule}\x1f{occasion}".encode(), digest_size=8).digest()
        number = int.from_bytes(digest, signed=True)
        self._locks.advisory_lock.run(self._connection, number=number)

    def check_runs(self, runs: Collection[tuple[str, str]]) -> None:
        """Begin again if one of these broadcasts was begun after `runs` was asked."""
        if not self._lent and self._runs is not None and not self._runs.issuperset(runs):
            raise LostRaceError(reason="a broadcast was begun meanwhile")

    # --- what changes share -----------------------------------------------------------------------

    def before_writing(self, changes: Changes, deliveries: Collection[int] = ()) -> None:
        """Lock rows that these changes share with changes of other persons, before anything is written.

        Args:
            changes: what will be written.
            deliveries: the keys of other persons' deliveries that will be blanked.
        """
        losers = [merge.loser_key for merge in changes.merges]
        ending = [merge.survivor_key for merge in changes.merges if changes.withdrawn]
        leaving = self._database.members([*changes.erased_persons, *losers, *ending])
        leaves, members = bool(changes.erased_persons or losers), self._database.members
        if changes.erased_persons or changes.tombstones:
            self.reach(Rank.ERASURES, again=True)
            self._count_own_erasure()
        if leaves:
            found = self._locks.deliveries_of_persons.fetch(self._connection, keys=leaving)
            self.deliveries([*deliveries, *(key for (key,) in found)])
        reported = {report.subject for report in changes.reports if report.bits}
        reported |= changes.halted.keys() | (set() if leaves else changes.withdrawn.keys())
        if reported:
            keys = self._texts(reported)
            self._lock(Rank.DELIVERIES, self._locks.lock_reported, keys=keys)
        if leaves or changes.devices:
            tokens = self._texts(changes.devices)
            self._lock(Rank.DEVICES, self._locks.lock_devices, keys=leaving, tokens=tokens)
        if places := changes.objects.keys() | changes.named_objects.keys():
            ids = self._texts({object_id for _, object_id in places})
            self._lock(Rank.OBJECTS, self._locks.lock_objects, ids=ids)
        if changes.tombstones:
            digests = members({digest.hex() for digest, _ in changes.tombstones})
            self._lock(Rank.TOMBSTONES, self._locks.lock_tombstones, digests=digests)
        self.reach(Rank.WRITING, again=True)

    def deliveries(self, keys: Collection[int]) -> None:
        """Lock deliveries by their keys."""
        if keys:
            self.reach(Rank.DELIVERIES, again=True)
            members = self._database.members(keys)
            self._locks.lock_deliveries.send(self._connection, keys=members)

    def still_paused(self, keys: Collection[int]) -> set[int]:
        """Which of these deliveries an operator has paused with their rules; no rule of these is resumed until the transaction ends."""
        members = self._database.members(keys)
        return {key for (key,) in self._locks.hold_pauses.fetch(self._connection, keys=members)}

    def _texts(self, texts: Collection[str]) -> object:
        return self._database.members([str(escape_nul(text)) for text in texts])

    def after_writing(self, changes: Changes) -> None:
        """Note new rows as locked, and begin again if a person was erased meanwhile.

        Else an id that was unknown when the batch was loaded could bring an erased person back.
        """
        made = {known.key for known in changes.identifiers}
        self._persons |= made | changes.persons.keys()
        self._anonymous |= made
        if self._runs is not None:
            self._runs.update(changes.runs)
        if made and self._erasures not in {None, self._count_erasures()}:
            raise LostRaceError(reason="somebody was erased meanwhile")

    def _count_own_erasure(self) -> None:
        self._locks.count_erasure.run(self._connection)
        now = self._count_erasures()
        if self._erasures is not None and now != self._erasures + 1:
            raise LostRaceError(reason="somebody was erased meanwhile")
        self._erasures = now

    def _count_erasures(self) -> int:
        return int(self._locks.erasures.fetch(self._connection)[0][0])
