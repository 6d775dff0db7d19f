"""Due work on a database: what is due, and how a session takes it."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import whereupon.storage.sql.request_rows as request_rows
import whereupon.storage.sql.rows as rows
import whereupon.storage.sql.rule_rows as rule_rows
import whereupon.storage.sql.run_rows as run_rows
from whereupon.conditions.prefilter import Prefilter
from whereupon.messages.times import as_micros, from_micros
from whereupon.ports import DeadLetters, DueWork, LeasedNow, Settlement, Stretch, WaitingChannels
from whereupon.records import (
    Arming,
    BroadcastRun,
    ChannelState,
    ClaimJob,
    Delivery,
    DeliveryState,
    Entry,
    EntryState,
    Person,
    PruneStep,
    Request,
    RetentionCutoff,
    Timer,
    WaitingVersion,
)
from whereupon.storage.sql.access import LAST_KEY, bound, since_or_ever
from whereupon.storage.sql.dialects import Parameters, Statement
from whereupon.storage.sql.reads import SqlReads
from whereupon.storage.sql.row_locks import Rank
from whereupon.storage.sql.timer_rows import arming_from, timer_from


class SqlDueWork(SqlReads, DueWork):
    """The ports say what each method answers."""

    def next_claim_due(self) -> datetime | None:
        """When a claim is due next."""
        ((due,),) = self._queries.next_claim_due.fetch(self._connection)
        return None if due is None else from_micros(due)

    def waiting_channels(self) -> WaitingChannels:
        """The channels of deliveries that wait."""
        pending = self._queries.waiting_channels.fetch(self._connection)
        held = self._queries.held_channels.fetch(self._connection)
        return WaitingChannels(
            {str(channel): from_micros(due) for channel, due in pending},
            frozenset(str(channel) for (channel,) in held),
        )

    def channel(self, name: str) -> ChannelState:
        """A channel's state."""
        found = self._queries.channel.fetch(self._connection, name=name)
        return rows.channel_from(found[0]) if found else ChannelState(name)

    def lock_channel(self, name: str) -> ChannelState:
        """A channel's state, for this transaction to change."""
        found = self._queries.channel_to_change.fetch(self._connection, name=name)
        if not found:  # two processes may be the first
            self._queries.keep_channel.write(
                self._connection, [rows.channel_row(ChannelState(name))]
            )
            found = self._queries.channel_to_change.fetch(self._connection, name=name)
        return rows.channel_from(found[0])

    def put_channel(self, state: ChannelState) -> None:
        """Keep a channel's state."""
        self._queries.put_channel.write(self._connection, [rows.channel_row(state)])

    def due_entries(
        self, until: datetime, limit: int, versions: Collection[str] | None = None
    ) -> list[Entry]:
        """Running entries that are due."""
        asked: dict[str, object] = {"until": as_micros(until), "limit": limit}
        if versions is None:
            found = self._queries.due_entries.fetch(self._connection, **asked)
        else:
            members = self._database.members(versions)
            found = self._queries.due_entries_of.fetch(
                self._connection, **asked, share=limit, versions=members
            )
        return list(map(rule_rows.entry_from, found))

    def take_due_entries(
        self, until: datetime, limit: int, versions: Collection[str] | None = None
    ) -> list[Entry]:
        """Entries that are due, of persons whom nobody else holds."""
        if self._locks is None:
            return self.due_entries(until, limit, versions)
        return self._locks.due_entries(as_micros(until), limit, versions)

    def waiting_versions(self) -> list[WaitingVersion]:
        """Rule versions that have running entries."""
        found = self._queries.waiting_versions.fetch(self._connection)
        return [WaitingVersion(rule, digest, from_micros(due)) for rule, digest, due in found]

    def count_entries(self, digests: Collection[str]) -> dict[str, int]:
        """How many running entries rule versions have."""
        members = self._database.members(digests)
        found = self._queries.count_entries.fetch(self._connection, versions=members)
        return {str(digest): int(count) for digest, count in found}

    def next_timers(self, subjects: Collection[str]) -> dict[str, datetime]:
        """When the first of each subject is due, by the index."""
        members = self._database.members(subjects)
        found = self._queries.next_timers.fetch(self._connection, subjects=members)
        return {str(subject): from_micros(due) for subject, due in found if due is not None}

    def due_timers(self, subjects: Collection[str], until: datetime, limit: int) -> list[Timer]:
        """The first of each subject, by the index."""
        members = self._database.members(subjects)
        asked = {"subjects": members, "until": as_micros(until), "limit": limit}
        return list(map(timer_from, self._queries.due_timers.fetch(self._connection, **asked)))

    def take_due_timers(
        self, subjects: Collection[str], until: datetime, limit: int
    ) -> list[Timer]:
        """Timers that are due, of persons whom nobody else holds."""
        if self._locks is None:
            return self.due_timers(subjects, until, limit)
        return self._locks.due_timers(subjects, as_micros(until), limit)

    def armings(self) -> list[Arming]:
        """Every arming."""
        return list(map(arming_from, self._queries.armings.fetch(self._connection)))

    def take_arming(self, arming: Arming) -> Arming | None:
        """An arming for this transaction to carry on."""
        named = {"subject": arming.subject, "digest": arming.digest}
        found = self._queries.take_arming.fetch(self._connection, **named)
        return arming_from(found[0]) if found else None

    def due_claim_jobs(self, until: datetime, limit: int) -> list[ClaimJob]:
        """Claims that nobody seems to be at."""
        found = self._queries.due_claim_jobs.fetch(
            self._connection, until=as_micros(until), limit=limit
        )
        return list(map(rows.claim_job_from, found))

    def waiting_runs(self) -> list[BroadcastRun]:
        """Broadcast runs that are not done."""
        return list(map(run_rows.run_from, self._queries.waiting_runs.fetch(self._connection)))

    def take_run(self, run: BroadcastRun) -> BroadcastRun | None:
        """A run for this transaction to send."""
        return run if self._locks is None else self._locks.run(run)

    def open_transactions(self) -> frozenset[str]:
        """Those that have read identifiers, if there are other writers."""
        return frozenset() if self._locks is None else self._locks.open_transactions()

    def begin_run(self, rule: str, occasion: str) -> bool:
        """Whether this transaction is the first with that run."""
        if self._locks is not None:
            self._locks.begin_run(rule, occasion)
        return not self.has_run(rule, occasion)

    def swept_runs(self) -> list[BroadcastRun]:
        """Broadcast runs with a sweep."""
        return list(map(run_rows.run_from, self._queries.swept_runs.fetch(self._connection)))

    def take_swept_run(self, run: BroadcastRun) -> BroadcastRun | None:
        """A run for this transaction to sweep."""
        return run if self._locks is None else self._locks.swept_run(run)

    def lock_run(self, rule: str, occasion: str) -> BroadcastRun | None:
        """A run for this transaction to change."""
        if self._locks is not None:
            self._locks.wait_for_run(rule, occasion)
        return self.run(rule, occasion)

    def entries_of_run(
        self, rule: str, occasion: str, states: Collection[EntryState], limit: int
    ) -> list[Entry]:
        """Entries of a run."""
        wanted = self._database.members([state.value for state in states])
        found = self._queries.entries_of_run.fetch(
            self._connection, rule=rule, occasion=occasion, states=wanted, limit=limit
        )
        return list(map(rule_rows.entry_from, found))

    def deliveries_of_run(
        self, rule: str, occasion: str, states: Collection[DeliveryState], limit: int
    ) -> list[str]:
        """Deliveries of a run, by the index of each state."""
        selects = self._queries
        found: list[str] = []
        for state, select in (
            (DeliveryState.PENDING, selects.pending_of_run),
            (DeliveryState.HELD, selects.held_of_run),
            (DeliveryState.PAUSED, selects.paused_of_run),
        ):
            if state in states and (left := limit - len(found)):
                named = {"rule": rule, "occasion": occasion, "limit": left}
                found += [str(key) for (key,) in select.fetch(self._connection, **named)]
        return found

    def deliveries_of_pause(self, rule: str, limit: int) -> list[str]:
        """Deliveries that wait for a rule."""
        found = self._queries.paused_of_rule.fetch(self._connection, rule=rule, limit=limit)
        return [str(key) for (key,) in found]

    def lock_runs(self) -> list[BroadcastRun]:
        """Every broadcast run that is not done."""
        return self.waiting_runs() if self._locks is None else self._locks.runs()

    def persons_after(self, key: int, limit: int) -> list[Person]:
        """The next persons by key."""
        found = self._queries.persons_after.fetch(self._connection, key=key, limit=limit)
        return list(map(rows.person_from, found))

    def take_audience(self, after: int, limit: int, prefilter: Prefilter, reach: int) -> Stretch:
        """Persons who pass a prefilter, of the next so many; the last statement holds them."""
        if self._locks is not None:
            self._locks.reach(Rank.PERSONS, again=True)
        stretch = self._audience(self._queries.held_audience(prefilter), after, limit, reach)
        if self._locks is not None:
            self._locks.note(person.key for person in stretch.persons)
        return stretch

    def audience(self, after: int, limit: int, prefilter: Prefilter, reach: int) -> Stretch:
        """Persons who pass a prefilter, of the next so many."""
        return self._audience(self._queries.audience(prefilter), after, limit, reach)

    def _audience(self, select: Statement, after: int, limit: int, reach: int) -> Stretch:
        behind = self._queries.person_behind.fetch(self._connection, key=after, skipped=reach - 1)
        end = int(behind[0][0]) if behind else None
        found = select.fetch(
            self._connection, key=after, until=LAST_KEY if end is None else end, limit=limit
        )
        persons = list(map(rows.person_from, found))
        return Stretch(persons, persons[-1].key if len(persons) == limit else end)

    def lease_deliveries(
        self,
        channel: str,
        until: datetime,
        leased_until: datetime,
        limit: int,
    ) -> list[Delivery]:
        """Take deliveries that are due, or held."""
        selects = self._queries
        due = selects.due_deliveries_of.fetch(
            self._connection, until=as_micros(until), limit=limit, channel=channel
        )
        taken = list(map(rule_rows.delivery_from, due))
        self._writes.lease(taken, as_micros(leased_until))
        if len(taken) < limit:
            held = selects.held_deliveries_of.fetch(
                self._connection, limit=limit - len(taken), channel=channel
            )
            found = list(map(rule_rows.delivery_from, held))
            self._writes.take_held(found, as_micros(leased_until))
            taken += [d.changed(state=DeliveryState.PENDING, reason=None) for d in found]
        return taken

    def hold_deliveries(self, channel: str, until: datetime, limit: int) -> int:
        """Hold deliveries of a channel."""
        asked = {"until": as_micros(until), "channel": channel, "limit": limit}
        found = self._queries.foreign_deliveries.fetch(self._connection, **asked)
        self._writes.hold(key for (key,) in found)
        return len(found)

    def leased_now(self, keys: Collection[int]) -> Mapping[int, LeasedNow]:
        """Leased deliveries and their persons."""
        members = self._database.members(keys)
        found = self._queries.leased_now.fetch(self._connection, keys=members)
        now = {int(row[0]): rule_rows.leased_now_from(row[1:]) for row in found}
        paused = [key for key, each in now.items() if each.is_paused]
        if paused and self._locks is not None:
            still = self._locks.still_paused(paused)
            now |= {key: now[key]._replace(is_paused=key in still) for key in paused}
        return now

    def note_address(self, key: int, digest: bytes) -> None:
        """Write down what it was handed over to."""
        self._writes.note_address(key, digest)

    def settle(self, settlements: Iterable[Settlement]) -> None:
        """Write down the end of tries."""
        ended = [*settlements]
        self._writes.settle(ended)
        if any(end.wakes is not None for end in ended):
            self._announce()

    def revive(self, key: int, due_at: datetime) -> bool:
        """Put a dead delivery back; whether it was one."""
        self._announce()
        return self._writes.revive(key, as_micros(due_at))

    def revive_some(self, which: DeadLetters, due_at: datetime, limit: int) -> int:
        """Put dead deliveries back; how many."""
        found = self._queries.dead_keys.fetch(self._connection, **bound(which), limit=limit)
        self._writes.revive_some((key for (key,) in found), as_micros(due_at))
        self._announce()
        return len(found)

    def due_requests(
        self, until: datetime, limit: int, *, expiring: datetime | None
    ) -> list[Request]:
        """Held requests that are due."""
        found = self._queries.due_requests.fetch(
            self._connection,
            until=as_micros(until),
            expiring=since_or_ever(expiring),
            limit=limit,
        )
        return list(map(request_rows.request_from, found))

    def next_request_due(self, actions: Collection[str] | None = None) -> datetime | None:
        """When the next is due."""
        if actions is None:
            found = self._queries.next_request_due.fetch(self._connection)
        else:
            members = self._database.members(actions)
            found = self._queries.next_request_due_of.fetch(self._connection, actions=members)
        known = [from_micros(at) for row in found for at in row if at is not None]
        return min(known, default=None)

    def lease_request(
        self, actions: Collection[str], until: datetime, leased_until: datetime
    ) -> Request | None:
        """Take an approved request."""
        wanted = self._database.members(actions)
        found = self._queries.due_approved.fetch(
            self._connection, actions=wanted, until=as_micros(until), limit=1
        )
        if not found:
            return None
        request = request_rows.request_from(found[0])
        leased: list[Parameters] = [(as_micros(leased_until), request.key)]
        self._queries.lease_request.write(self._connection, leased)
        return request

    def prune(self, cutoff: RetentionCutoff, after: int, reach: int) -> PruneStep:
        """Drop what is done with and old."""
        return self._writes.pruner.prune(cutoff, after, reach)
