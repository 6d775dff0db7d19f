"""What a transaction holds against other writers, where a database lets many in at once.

A transaction goes through three phases, each in one order for all, so that none waits for another in a
circle: it holds persons and anonymous ids, by key, before it reads what it decides about; it holds rows
that many persons share, table by table; it inserts, table by table in the order of each table's unique
key. Whoever would have to step back begins again instead (`LostRaceError`). Broadcast runs come before
all of these: who sends one skips those that others send, and who erases people waits for them first.
"""

from collections.abc import Collection, Iterable

from sqlalchemy import Connection

import whereupon.stores.rows as rows
from whereupon.state import BroadcastRun, Changes, Entry
from whereupon.stores.dialects import Database
from whereupon.stores.locks import Locks
from whereupon.stores.pictures import pictured
from whereupon.stores.races import LostRaceError

_RUNS_LOCK = 0x77686573
"""The advisory lock of those who add broadcast runs without a message's id to keep them apart."""


class Holding:
    """One transaction's locks.

    Args:
        lent: the transaction is a host's. It may hold anything already and cannot be begun again, so
            locks are taken as they come; should two hosts wait for each other, the database ends one.
    """

    def __init__(
        self, connection: Connection, database: Database, locks: Locks, *, lent: bool
    ) -> None:
        self._connection = connection
        self._database = database
        self._locks = locks
        self._lent = lent
        self._persons: set[int] = set()
        self._anonymous: set[int] = set()
        self._unknown: set[str] = set()
        self._begun = False
        self._erasures: int | None = None

    def hold(
        self, persons: Collection[int], anonymous: Collection[int], unknown: Collection[str]
    ) -> bool:
        """Hold these; whether any was not held before, so that what was read of them may be old."""
        if self._erasures is None:
            self._erasures = self._count_erasures()
        new_persons = set(persons) - self._persons
        new_anonymous = set(anonymous) - self._anonymous
        new_unknown = set(unknown) - self._unknown
        if not new_persons and not new_anonymous and not new_unknown:
            return False
        if self._begun and not self._lent and (new_persons or new_anonymous):
            raise LostRaceError(reason="people were merged, or new ones came, meanwhile")
        self._begun = True
        self._lock(new_persons, new_anonymous)
        self._occupy(new_unknown)  # in a later part of a batch: ids that it has erased itself
        return True

    def _lock(self, persons: set[int], anonymous: set[int]) -> None:
        """Persons first, then anonymous ids, each by key."""
        members = self._database.members
        if persons:
            self._locks.persons.run(self._connection, keys=members(persons))
        if anonymous:
            self._locks.anonymous.run(self._connection, keys=members(anonymous))
        self._persons |= persons
        self._anonymous |= anonymous

    def _occupy(self, user_ids: set[str]) -> None:
        """Let nobody else make a person of an id that nobody has, until this transaction ends.

        Whoever tries meets a row that is gone when he has waited for it, and finds an erasure counted.
        """
        for user_id in sorted(user_ids):
            took = self._locks.occupy.run(self._connection, value=user_id, kind="user", key=0)
            if not took.rowcount:
                raise LostRaceError(reason="somebody new came meanwhile")
            self._locks.vacate.run(self._connection, value=user_id)
        self._unknown |= user_ids

    def note(self, persons: Iterable[int]) -> None:
        """Take note of persons whom a statement of this transaction held while it read them."""
        self._persons.update(persons)
        self._begun = True

    def due_entries(self, until: int, limit: int) -> list[Entry]:
        """Entries that are due, of persons whom nobody holds; this transaction does from now on."""
        due: dict[str, object] = {"until": until, "limit": limit}
        while found := self._locks.due_entries.fetch(self._connection, **due):
            keys = [key for key, _ in found]
            self.note(person_key for _, person_key in found)
            members = self._database.members(keys)
            still = self._locks.still_due.fetch(self._connection, keys=members, until=until)
            if still:  # else somebody was at them until a moment ago, and there may be others
                return list(map(rows.entry_from, still))
        return []

    def run(self, run: BroadcastRun) -> BroadcastRun | None:
        """The run as it is now, for this transaction to send; None when others do, or have done."""
        named = {"rule": run.rule, "occasion": run.occasion}
        found = self._locks.run.fetch(self._connection, **named)
        return rows.run_from(found[0]) if found else None

    def runs(self) -> list[BroadcastRun]:
        """Every unfinished run, once nobody else sends or adds one."""
        self._connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_RUNS_LOCK,))
        found = map(rows.run_from, self._locks.runs.fetch(self._connection))
        return sorted(found, key=lambda run: (run.due_at, run.rule, run.occasion))

    def before_writing(self, changes: Changes) -> None:
        """Hold the rows that changes share with other persons' changes, before anything is inserted."""
        losers = [merge.loser_key for merge in changes.merges]
        leaving = [*changes.forgotten, *losers]
        if changes.forgotten or changes.tombstones:
            self._count_own_erasure()
        if leaving:
            keys = self._database.members(leaving)
            self._locks.deliveries.run(self._connection, keys=keys)
        if leaving or changes.devices:
            keys = self._database.members(leaving)
            tokens = self._texts(changes.devices)
            self._locks.devices.run(self._connection, keys=keys, tokens=tokens)
        if changes.things:
            ids = self._texts({object_id for _, object_id in changes.things})
            self._locks.things.run(self._connection, ids=ids)
        if changes.tombstones:
            digests = self._database.members({digest.hex() for digest, _ in changes.tombstones})
            self._locks.tombstones.run(self._connection, digests=digests)

    def _texts(self, texts: Collection[str]) -> object:
        return self._database.members([str(pictured(text)) for text in texts])

    def after_writing(self, changes: Changes) -> None:
        """What this transaction made is its own; and nobody whom it found new may have been erased.

        Else an id that was unknown when the batch was loaded would come back from the dead.
        """
        made = {known.key for known in changes.identifiers}
        self._persons |= made | changes.persons.keys()
        self._anonymous |= made
        self._begun = self._begun or bool(self._persons or self._anonymous)
        if made and self._erasures not in {None, self._count_erasures()}:
            raise LostRaceError(reason="somebody was erased meanwhile")

    def _count_own_erasure(self) -> None:
        self._locks.erase.run(self._connection)
        now = self._count_erasures()
        if self._erasures is not None and now != self._erasures + 1:
            raise LostRaceError(reason="somebody was erased meanwhile")
        self._erasures = now

    def _count_erasures(self) -> int:
        return int(self._locks.erasures.fetch(self._connection)[0][0])
