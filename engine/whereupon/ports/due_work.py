"""Due work: what waits for a time, how it is taken, and what is too old to be kept."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from heapq import nsmallest
from itertools import islice
from operator import itemgetter
from typing import Protocol

from whereupon.conditions.prefilter import Prefilter, passes
from whereupon.ports.reads import Reads
from whereupon.ports.types import (
    DeadLetters,
    LeasedNow,
    Settlement,
    Stretch,
    WaitingChannels,
    is_meant,
)
from whereupon.ports.writes import Writes
from whereupon.records import (
    RULE_PAUSED,
    Arming,
    BroadcastRun,
    Changes,
    ChannelState,
    ClaimJob,
    CountedSend,
    Delivery,
    DeliveryState,
    Entry,
    EntryState,
    Person,
    PruneStep,
    Request,
    RequestOutcome,
    RetentionCutoff,
    Timer,
    WaitingVersion,
)


class DueWork(Reads, Writes, Protocol):
    """Schedules and leases. What several processes may take at once, each takes alone.

    A method with a body is made of the others. It is right for a store with one writer at a time.
    """

    def next_claim_due(self) -> datetime | None:
        """When the next unfinished claim is due."""
        return min((each.due_at for each in self.scan(ClaimJob)), default=None)

    # --- entries ------------------------------------------------------------------------------------

    @abstractmethod
    def due_entries(
        self, until: datetime, limit: int, versions: Collection[str] | None = None
    ) -> list[Entry]:
        """Running entries due at ``until`` or before, by due time then key.

        Args:
            until: an instant.
            limit: the most entries to return.
            versions: digests of rule versions; None for all. Due entries of other versions do not make
                the answer slower.
        """
        ...

    def take_due_entries(
        self, until: datetime, limit: int, versions: Collection[str] | None = None
    ) -> list[Entry]:
        """The same, without entries of persons that another writer has locked; locks the persons.

        With ``versions`` a store may share the limit among them, and return fewer than are due.
        """
        return self.due_entries(until, limit, versions)

    @abstractmethod
    def waiting_versions(self) -> list[WaitingVersion]:
        """The rule versions that have running entries, by digest."""
        ...

    def count_entries(self, digests: Collection[str]) -> dict[str, int]:
        """The number of running entries, by rule version. Versions without any are left out."""
        running = (e for e in self.scan(Entry) if e.state is EntryState.ACTIVE)
        return Counter(entry.digest for entry in running if entry.digest in digests)

    # --- timers -------------------------------------------------------------------------------------

    def next_timers(self, subjects: Collection[str]) -> dict[str, datetime]:
        """When the first timer of each of these subjects is due. Subjects without any are left out."""
        first: dict[str, datetime] = {}
        for timer in self.scan(Timer):
            if timer.subject in subjects:
                first[timer.subject] = min(timer.due_at, first.get(timer.subject, timer.due_at))
        return first

    def due_timers(self, subjects: Collection[str], until: datetime, limit: int) -> list[Timer]:
        """Timers of these subjects due at ``until`` or before, by due time, person and subject.

        Timers of other subjects do not make the answer slower.
        """
        due = [t for t in self.scan(Timer) if t.subject in subjects and t.due_at <= until]
        return nsmallest(limit, due, key=lambda each: (each.due_at, each.person_key, each.subject))

    def take_due_timers(
        self, subjects: Collection[str], until: datetime, limit: int
    ) -> list[Timer]:
        """The same, without timers of persons that another writer has locked; locks the persons."""
        return self.due_timers(subjects, until, limit)

    def armings(self) -> list[Arming]:
        """Every arming, done or not, by subject and digest."""
        return sorted(self.scan(Arming), key=lambda each: each.place)

    def take_arming(self, arming: Arming) -> Arming | None:
        """The arming as it is now, locked until the transaction ends; None if it is done, or locked."""
        now = next((each for each in self.armings() if each.place == arming.place), None)
        return None if now is None or now.cursor is None else now

    # --- claims -------------------------------------------------------------------------------------

    def due_claim_jobs(self, until: datetime, limit: int) -> list[ClaimJob]:
        """Unfinished claims due at ``until`` or before, by due time."""
        due = [each for each in self.scan(ClaimJob) if each.due_at <= until]
        return sorted(due, key=lambda each: (each.due_at, each.anonymous_key))[:limit]

    # --- broadcasts ---------------------------------------------------------------------------------

    def waiting_runs(self) -> list[BroadcastRun]:
        """Every broadcast run that is not done, by due time."""
        runs = [run for run in self.scan(BroadcastRun) if run.cursor is not None]
        return sorted(runs, key=lambda run: (run.due_at, run.rule, run.occasion))

    def take_run(self, run: BroadcastRun) -> BroadcastRun | None:
        """The run as it is now, locked until the transaction ends; None if it is done, or locked."""
        same = (run.rule, run.occasion)
        return next((r for r in self.waiting_runs() if (r.rule, r.occasion) == same), None)

    def open_transactions(self) -> frozenset[str]:
        """Names of the other transactions that are open and may yet make a person known; a name is not used again."""
        return frozenset()

    def begin_run(self, rule: str, occasion: str) -> bool:
        """Whether no run is recorded for that occasion; nobody else begins it until the transaction ends.

        Comes before every other lock.
        """
        return not self.has_run(rule, occasion)

    def swept_runs(self) -> list[BroadcastRun]:
        """The runs that are swept, or paused, by rule then occasion."""
        swept = [run for run in self.scan(BroadcastRun) if run.sweep is not None]
        return sorted(swept, key=lambda run: (run.rule, run.occasion))

    def take_swept_run(self, run: BroadcastRun) -> BroadcastRun | None:
        """The run as it is now, locked until the transaction ends; None if it is not swept, or locked."""
        now = self.run(run.rule, run.occasion)
        return None if now is None or now.sweep is None else now

    def lock_run(self, rule: str, occasion: str) -> BroadcastRun | None:
        """A run, done or not; nobody else sends or changes it until the transaction ends.

        Comes before every other lock.
        """
        return self.run(rule, occasion)

    def entries_of_run(
        self, rule: str, occasion: str, states: Collection[EntryState], limit: int
    ) -> list[Entry]:
        """So many entries of a run that are in these states, running or paused."""
        wanted = (rule, occasion)
        found = (e for e in self.scan(Entry) if (e.rule, e.occasion) == wanted)
        return list(islice((e for e in found if e.state in states), limit))

    def deliveries_of_run(
        self, rule: str, occasion: str, states: Collection[DeliveryState], limit: int
    ) -> list[str]:
        """The idempotency keys of so many deliveries of a run that are pending, held or paused, in these states."""
        wanted = (rule, occasion)
        found = (d for d in self.scan(Delivery) if (d.rule, d.occasion) == wanted)
        return [d.idempotency_key for d in islice((d for d in found if d.state in states), limit)]

    def deliveries_of_pause(self, rule: str, limit: int) -> list[str]:
        """The idempotency keys of so many deliveries that are paused since their rule was (`RULE_PAUSED`)."""
        of = (DeliveryState.PAUSED, RULE_PAUSED, rule)
        found = (d for d in self.scan(Delivery) if (d.state, d.reason, d.rule) == of)
        return [delivery.idempotency_key for delivery in islice(found, limit)]

    def lock_runs(self) -> list[BroadcastRun]:
        """Every broadcast run that is not done, by due time; nobody else adds or sends one meanwhile.

        Comes before every other lock.
        """
        return self.waiting_runs()

    @abstractmethod
    def persons_after(self, key: int, limit: int) -> list[Person]:
        """The next persons by key."""
        ...

    def audience(self, after: int, limit: int, prefilter: Prefilter, reach: int) -> Stretch:
        """The same as `take_audience`, without locks, for a transaction in which nothing is written."""
        return self.take_audience(after, limit, prefilter, reach)

    def take_audience(self, after: int, limit: int, prefilter: Prefilter, reach: int) -> Stretch:
        """The first persons who pass a prefilter, of the next ``reach`` persons by key; locks them.

        Args:
            after: the key behind which to begin.
            limit: the most persons to return.
            prefilter: everybody who passes it is found; a store that is not sure may return others.
            reach: the most persons to look at.
        """
        found: list[Person] = []
        looked_at = self.persons_after(after, reach)
        for person in looked_at:
            if passes(prefilter, person.attributes):
                found.append(person)
                if len(found) == limit:
                    return Stretch(found, person.key)
        return Stretch(found, looked_at[-1].key if len(looked_at) == reach else None)

    # --- deliveries ---------------------------------------------------------------------------------

    @abstractmethod
    def waiting_channels(self) -> WaitingChannels:
        """The channels of deliveries that are pending or held."""
        ...

    def channel(self, name: str) -> ChannelState:
        """What all processes share about a channel."""
        found = (state for state in self.scan(ChannelState) if state.name == name)
        return next(found, ChannelState(name))

    def lock_channel(self, name: str) -> ChannelState:
        """The same; nobody else changes it until the transaction ends. Comes behind every other lock."""
        return self.channel(name)

    @abstractmethod
    def put_channel(self, state: ChannelState) -> None:
        """Keep what all processes share about a channel."""
        ...

    @abstractmethod
    def lease_deliveries(
        self, channel: str, until: datetime, leased_until: datetime, limit: int
    ) -> list[Delivery]:
        """Take a channel's pending deliveries due at ``until`` or before, by due time then key; then held ones.

        Each is due again at ``leased_until``. So nobody else takes it meanwhile, and a crash before it is
        settled only delays it.
        """
        ...

    @abstractmethod
    def hold_deliveries(self, channel: str, until: datetime, limit: int) -> int:
        """Hold a channel's pending deliveries due by ``until``; returns their number."""
        ...

    @abstractmethod
    def leased_now(self, keys: Collection[int]) -> Mapping[int, LeasedNow]:
        """Leased deliveries and their persons, as they are now, by key; those that are gone are left out.

        A rule that is paused then is not resumed before the transaction ends: what is put off because of the pause
        is there when the rule goes on.
        """
        ...

    def sends_before(
        self, keys: Collection[int], since: datetime
    ) -> Mapping[int, list[CountedSend]]:
        """What counts under caps before each of these deliveries is handed over, by its key.

        Args:
            keys: of deliveries.
            since: what the person was sent later than this counts, and what waits and has a smaller key.
        """
        found = [each for each in self.scan(Delivery) if each.key in set(keys)]
        return {each.key: self._before(each, since) for each in found}

    def _before(self, delivery: Delivery, since: datetime) -> list[CountedSend]:
        theirs = self.scan(Delivery, delivery.person_key)
        counted = ((CountedSend.of(each), each.key) for each in theirs if each.key != delivery.key)
        return [
            send
            for send, key in counted
            if send is not None and (send.at > since if send.is_sent else key < delivery.key)
        ]

    @abstractmethod
    def note_address(self, key: int, digest: bytes) -> None:
        """Write down the keyed hash of the address that a delivery is about to be handed over to."""
        ...

    @abstractmethod
    def settle(self, settlements: Iterable[Settlement]) -> None:
        """Write down how tries ended. Deliveries that are no longer pending stay as they are.

        But one that was paused during the try is sent, withheld or dead if the try was its end, and one that was
        withheld is sent if the try succeeded. An entry that waits for the end is due as of then (see
        `Settlement.wakes`), and the delivery keeps the result.
        """
        ...

    @abstractmethod
    def revive(self, key: int, due_at: datetime) -> bool:
        """Make a dead delivery pending again, with no attempts; False if it is not dead."""
        ...

    def revive_some(self, which: DeadLetters, due_at: datetime, limit: int) -> int:
        """Make so many dead deliveries pending again, as `revive` does; returns how many there were."""
        dead = (delivery.key for delivery in self.scan(Delivery) if is_meant(delivery, which))
        return sum(self.revive(key, due_at) for key in list(islice(dead, limit)))

    # --- requests for guarded actions ---------------------------------------------------------------

    def due_requests(
        self, until: datetime, limit: int, *, expiring: datetime | None
    ) -> list[Request]:
        """Held requests that are due at ``until`` or before, or expire by ``expiring``, soonest first."""
        due = [
            (request.due_at or request.expires_at or until, request.key, request)
            for request in self.scan(Request)
            if request.outcome is RequestOutcome.HELD
            and (
                (request.due_at is not None and request.due_at <= until)
                or (expiring and request.expires_at and request.expires_at <= expiring)
            )
        ]
        return [request for *_, request in nsmallest(limit, due, key=itemgetter(0, 1))]

    def next_request_due(self, actions: Collection[str] | None = None) -> datetime | None:
        """When the next request is due, is to be called, or expires.

        Args:
            actions: the host's actions that this process carries out; None for all.
        """
        times = [
            at
            for request in self.scan(Request)
            if request.outcome is RequestOutcome.HELD
            or (request.outcome.is_open and (actions is None or request.action in actions))
            for at in (request.due_at, request.expires_at)
            if at is not None
        ]
        return min(times, default=None)

    def lease_request(
        self, actions: Collection[str], until: datetime, leased_until: datetime
    ) -> Request | None:
        """Take the next approved request for one of these actions; it is due again at ``leased_until``."""
        due = [
            (request.due_at, request.key, request)
            for request in self.scan(Request)
            if request.outcome is RequestOutcome.APPROVED
            and request.action in actions
            and request.due_at is not None
            and request.due_at <= until
        ]
        if not due:
            return None
        *_, taken = min(due, key=itemgetter(0, 1))
        self.flush(Changes(requests={taken.key: replace(taken, due_at=leased_until)}))
        return taken

    # --- retention ----------------------------------------------------------------------------------

    @abstractmethod
    def prune(self, cutoff: RetentionCutoff, after: int, reach: int) -> PruneStep:
        """Drop old records. Records that another writer has locked stay until the next time.

        Args:
            cutoff: which records.
            after: the key behind which to look.
            reach: the most records to look at; the answer's cursor says where to go on.

        Skips that messages' rows say (see `SkippedList`) are no records: all that are old are gone at once, by
        the mark `GONE_SKIPS`, and are not counted.
        """
        ...
