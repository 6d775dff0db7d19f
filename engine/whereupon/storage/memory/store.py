"""The in-memory store: a real peer of the database stores, for tests, replays and first tries.

One session at a time; it writes in place and takes everything back when its block raises. Nothing
outlives the process.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from heapq import merge, nlargest
from itertools import islice, takewhile
from typing import TypeVar

from whereupon.conditions.prefilter import Prefilter, passes
from whereupon.errors import StoreError
from whereupon.messages.model import MessageType, erased_digests
from whereupon.ports import (
    NO_CHANNEL,
    Backlog,
    Counts,
    DeadLetters,
    HistoryNeed,
    LeasedNow,
    Session,
    Settlement,
    Stretch,
)
from whereupon.records import (
    BroadcastRun,
    Changes,
    Claim,
    Claiming,
    Delivery,
    DeliveryState,
    Entry,
    EntryState,
    Identifier,
    IdKind,
    KeysAsked,
    Merge,
    PastEntry,
    PastEvent,
    Person,
    PruneStep,
    RetentionCutoff,
    SetAside,
    Skips,
    StoredMessage,
    Tombstone,
    Twin,
    WaitingVersion,
)
from whereupon.runtime.forks import OfProcess, watch
from whereupon.storage.memory.bygones import count, let_go
from whereupon.storage.memory.ledger import MemoryLedger
from whereupon.storage.memory.shelves import Shelves
from whereupon.storage.memory.undo import Moment, Undo
from whereupon.storage.memory.writing import write
from whereupon.storage.patience import Patience, one_call
from whereupon.storage.skipped import Wanted
from whereupon.storage.turns import OneByOne, closed

T = TypeVar("T")


class MemoryStore(OfProcess):
    """Keeps everything in this process; sessions take turns.

    Args:
        patience: seconds that a call waits for its turn; None for as long as it takes.
    """

    def __init__(self, *, patience: float | None = None) -> None:
        self.shelves = Shelves()
        self._turns = OneByOne()
        self._patience = patience
        self._is_closed = False
        self._undo: Undo | None = None
        watch(self)

    @contextmanager
    def session(self, connection: object = None) -> Iterator["MemorySession"]:
        """A transaction; a host's connection is refused, for there is nothing to connect to."""
        if self._is_closed:
            raise closed()
        if connection is not None:
            reason = "the in-memory store has no database to share: leave out connection="
            raise StoreError(code="no-connection", reason=reason)
        patience = None if self._patience is None else Patience(self._patience)
        with one_call(), self._turns.take(patience):
            undo = self._undo = Undo()
            try:
                yield MemorySession(self.shelves, undo)
            except BaseException:
                undo.roll_back()
                raise
            finally:
                self._undo = None

    def reading(self) -> AbstractContextManager["MemorySession"]:
        """A transaction like any other."""
        return self.session()

    def after_fork_in_child(self) -> None:
        """Go on with the copy, without what a thread that is not there was writing."""
        self._turns.begin_anew()
        if self._undo is not None and not self._turns.is_taken:
            self._undo.roll_back()
            self._undo = None

    def scrub(self) -> bool:
        """Nothing is left behind in a process' memory that its collector would keep."""
        return True

    def watch(self, changed: Callable[[], object]) -> None:
        """Nobody else is there."""
        del changed

    def transact(self, work: Callable[[Session], T], *, alone: bool = False) -> T:
        """Do work in a transaction; nobody can have been first."""
        del alone  # as all work is
        with self.session() as session:
            return work(session)

    def close(self) -> None:
        """Refuse what follows; what is kept stays until the store itself goes."""
        self._is_closed = True


class MemorySession:
    """One transaction on the shelves; see `whereupon.ports.Session` for what each method answers."""

    def __init__(self, shelves: Shelves, undo: Undo) -> None:
        self._shelves = shelves
        self._undo = undo
        self.ledger = MemoryLedger(shelves, undo)

    def allocate(self, count: int) -> int:
        """Reserve keys."""
        return self._shelves.allocate(count, self._undo)

    def hold(
        self,
        persons: Collection[int],
        anonymous: Collection[int],
        unknown: Collection[str] = (),
    ) -> bool:
        """Nothing to hold: nobody else writes."""
        del persons, anonymous, unknown
        return False

    def known_messages(self, refs: Collection[str]) -> set[str]:
        """Those that are recorded."""
        known = self._shelves.message_keys
        found = {ref for ref in refs if ref in known}
        if erased := self._shelves.erased:
            found.update(r for r in refs if any(digest in erased for digest in erased_digests(r)))
        return found

    def twins(self, refs: Collection[str]) -> dict[str, Twin]:
        """What is recorded of these messages."""
        shelves = self._shelves
        keys = {ref: shelves.message_keys[ref] for ref in refs if ref in shelves.message_keys}
        found = {ref: shelves.messages[key] for ref, key in keys.items()}
        stubs = any(m.user_id is None and m.anonymous_id is None for m in found.values())
        asked = {r.ref: r.person for r in shelves.requests.values()} if stubs else {}
        return {
            ref: Twin(m.type, m.name, m.user_id or asked.get(ref), m.anonymous_id)
            for ref, m in found.items()
        }

    def identifiers(
        self, user_ids: Collection[str], anonymous_ids: Collection[str]
    ) -> list[Identifier]:
        """What is known of these ids."""
        names = {(IdKind.USER, value) for value in user_ids}
        names.update((IdKind.ANONYMOUS, value) for value in anonymous_ids)
        known = self._shelves.identifiers
        return [known[name] for name in names if name in known]

    def identifiers_of(self, keys: Collection[int]) -> list[Identifier]:
        """User ids of these persons, and anonymous ids they claimed."""
        shelves = self._shelves
        wanted = set(keys)
        anonymous = {run[0] for key in wanted for run in shelves.claimed.get(key, ())}
        found = {i for key in wanted for i in _named(shelves, key, IdKind.USER)}
        found.update(i for key in anonymous for i in _named(shelves, key, IdKind.ANONYMOUS))
        return list(found)

    def persons(self, keys: Collection[int]) -> list[Person]:
        """These persons."""
        known = self._shelves.persons
        return [known[key] for key in set(keys) if key in known]

    def persons_after(self, key: int, limit: int) -> list[Person]:
        """The next persons by key."""
        keys = self._shelves.person_keys
        start = bisect_right(keys, key)
        return [self._shelves.persons[key] for key in keys[start : start + limit]]

    def take_audience(self, after: int, limit: int, prefilter: Prefilter, reach: int) -> Stretch:
        """Persons who pass a prefilter, of the next so many."""
        known, keys = self._shelves.persons, self._shelves.person_keys
        start = bisect_right(keys, after)
        found: list[Person] = []
        for key in keys[start : start + reach]:
            if passes(prefilter, known[key].attributes):
                found.append(known[key])
                if len(found) == limit:
                    return Stretch(found, key)
        end = start + reach
        return Stretch(found, keys[end - 1] if end <= len(keys) else None)

    def claims(self, anonymous_keys: Collection[int]) -> list[Claim]:
        """Runs of claims, by since."""
        claims = self._shelves.claims
        found = [claim for key in set(anonymous_keys) for claim in claims.get(key, {}).values()]
        return sorted(found, key=lambda claim: (claim.since, claim.anonymous_key))

    def claims_near(self, spans: Mapping[int, tuple[datetime, datetime]]) -> list[Claim]:
        """Runs of claims that reach into the spans, and one on either side."""
        found = (run for key, span in spans.items() for run in self._claims_near(key, *span))
        return sorted(found, key=lambda claim: (claim.since, claim.anonymous_key))

    def _claims_near(self, key: int, since: datetime, until: datetime) -> list[Claim]:
        starts, runs = self._shelves.claim_starts.get(key, []), self._shelves.claims.get(key, {})
        first = bisect_left(starts, since)
        reaches = first > 0 and runs[starts[first - 1]].until >= since
        first = max(first - (2 if reaches else 1), 0)
        return [runs[at] for at in starts[first : bisect_right(starts, until) + 1]]

    def owned_messages(
        self, owners: Collection[int], since: datetime, limit: int | None = None
    ) -> list[StoredMessage]:
        """Messages of these owners."""
        every = (m for owner in set(owners) for m in self._moments(owner, since))
        return [self._shelves.messages[key] for _, key in sorted(islice(every, limit))]

    def owned_counts(self, owners: Collection[int], since: datetime) -> dict[int, int]:
        """TextTest many."""
        counts = {owner: len(list(self._moments(owner, since))) for owner in set(owners)}
        return {owner: count for owner, count in counts.items() if count}

    def waiting_messages(
        self, owner: int, after: tuple[datetime, int], until: datetime, limit: int
    ) -> list[StoredMessage]:
        """The next messages of an owner."""
        moments = self._shelves.owned.get(owner, [])
        behind = islice(moments, bisect_right(moments, after), None)
        here = takewhile(lambda moment: moment[0] <= until, behind)
        return [self._shelves.messages[key] for _, key in islice(here, limit)]

    def messages(self, keys: Collection[int]) -> list[StoredMessage]:
        """These messages."""
        known = self._shelves.messages
        return [known[key] for key in set(keys) if key in known]

    def claimings(
        self, person_keys: Collection[int], anonymous_keys: Collection[int]
    ) -> list[Claiming]:
        """Claims that are being carried out."""
        persons, keys = set(person_keys), set(anonymous_keys)
        return [
            claiming
            for key, claiming in sorted(self._shelves.claimings.items())
            if key in keys or claiming.person_key in persons
        ]

    def due_claimings(self, until: datetime, limit: int) -> list[Claiming]:
        """Claims that nobody seems to be at."""
        due = [each for each in self._shelves.claimings.values() if each.due_at <= until]
        return sorted(due, key=lambda each: (each.due_at, each.anonymous_key))[:limit]

    def history(self, needs: Sequence[HistoryNeed]) -> list[PastEvent]:
        """Track messages that the needs name."""
        found = {key: moment for need in needs for key, moment in self._needed(need)}
        messages = [self._shelves.messages[key] for _, key in sorted(found.values())]
        return [PastEvent(m.owner, m.name, m.timestamp, m.body) for m in messages]

    def _needed(self, need: HistoryNeed) -> Iterator[tuple[int, Moment]]:
        messages = self._shelves.messages
        for moment in self._moments(need.owner, need.since):
            message = messages[moment[1]]
            if message.name in need.names and message.type is MessageType.TRACK:
                yield moment[1], moment

    def _moments(self, owner: int, since: datetime | None) -> list[Moment]:
        moments = self._shelves.owned.get(owner, [])
        return moments if since is None else moments[bisect_left(moments, (since, 0)) :]

    def past_entries(
        self,
        rules: Collection[str],
        person_keys: Collection[int],
        since: datetime | None = None,
        asked: KeysAsked | None = None,
    ) -> list[PastEntry]:
        """Entries of these persons in these rules."""
        wanted = frozenset(rules)
        theirs = [self._shelves.entries_of.get(key, {}) for key in set(person_keys)]
        found = [
            entry
            for by_rule in theirs
            for rule in wanted.intersection(by_rule)
            for entry in by_rule[rule].values()
        ]
        return [
            PastEntry(e.rule, e.person_key, e.timestamp, e.slot, _is_active(e), e.occasion)
            for e in found
            if (since is None or e.timestamp >= since)
            and (asked is None or asked.concerns(e.rule, e.slot))
        ]

    def active_entries(self, person_keys: Collection[int]) -> list[Entry]:
        """Running entries of these persons."""
        active = self._shelves.active_of
        return [entry for key in set(person_keys) for entry in active.get(key, {}).values()]

    def waiting_versions(self) -> list[WaitingVersion]:
        """Rule versions that have running entries."""
        shelves = self._shelves
        queues = sorted((digest, queue) for digest, queue in shelves.entry_queues.items() if queue)
        return [
            WaitingVersion(shelves.entries[queue[0][1]].rule, digest, queue[0][0])
            for digest, queue in queues
        ]

    def count_entries(self, digests: Collection[str]) -> dict[str, int]:
        """TextTest many running entries rule versions have."""
        queues = self._shelves.entry_queues
        return {digest: len(queues[digest]) for digest in set(digests) if queues.get(digest)}

    def due_entries(
        self, until: datetime, limit: int, versions: Collection[str] | None = None
    ) -> list[Entry]:
        """Running entries that are due."""
        queues = self._shelves.entry_queues
        wanted = queues.keys() if versions is None else queues.keys() & set(versions)
        due = merge(*(_due(queues[digest], until, limit) for digest in wanted))
        return [self._shelves.entries[key] for _, key in islice(due, limit)]

    def take_due_entries(
        self, until: datetime, limit: int, versions: Collection[str] | None = None
    ) -> list[Entry]:
        """Those that are due: nobody else holds anybody."""
        return self.due_entries(until, limit, versions)

    def next_due(self, channels: Collection[str] | None = None) -> datetime | None:
        """When something is due next."""
        shelves = self._shelves
        due = [delivery.due_at for delivery in islice(self._waiting(channels), 1)]
        due.extend(claiming.due_at for claiming in shelves.claimings.values())
        return min(due, default=None)

    def has_tombstones(self) -> bool:
        """Whether there is any."""
        return bool(self._shelves.tombstones)

    def tombstones(self, digests: Collection[bytes]) -> list[Tombstone]:
        """Tombstones of these digests."""
        wanted = set(digests)
        return [
            tombstone
            for tombstone in self._shelves.tombstones.values()
            if tombstone.digest in wanted
        ]

    def buried_with(self, digests: Collection[bytes]) -> list[Tombstone]:
        """Tombstones laid together with these digests'."""
        together = {tombstone.of for tombstone in self.tombstones(digests)}
        return [
            tombstone for tombstone in self._shelves.tombstones.values() if tombstone.of in together
        ]

    def due_runs(self, until: datetime) -> list[BroadcastRun]:
        """Broadcast runs that are due."""
        due = [run for run in self._shelves.open_runs.values() if run.due_at <= until]
        return sorted(due, key=lambda run: (run.due_at, run.rule, run.occasion))

    def waiting_runs(self) -> list[BroadcastRun]:
        """Broadcast runs that are not done."""
        waiting = self._shelves.open_runs.values()
        return sorted(waiting, key=lambda run: (run.due_at, run.rule, run.occasion))

    def take_run(self, run: BroadcastRun) -> BroadcastRun | None:
        """The run as it is now, unless it is done."""
        return self._shelves.open_runs.get((run.rule, run.occasion))

    def hold_runs(self) -> list[BroadcastRun]:
        """Those that wait: nobody else sends one."""
        return self.waiting_runs()

    def has_run(self, rule: str, occasion: str) -> bool:
        """Whether a run was recorded."""
        return (rule, occasion) in self._shelves.runs

    def kept_wordings(self, digests: Collection[str]) -> set[str]:
        """Those that are kept."""
        return self._shelves.wordings.keys() & set(digests)

    def wording(self, digest: str) -> bytes | None:
        """The source of a rule."""
        known = self._shelves.wordings.get(digest)
        return None if known is None else known[1]

    def _waiting(self, channels: Collection[str] | None) -> Iterator[Delivery]:
        """Pending deliveries of these channels, by due time then key."""
        deliveries = self._shelves.deliveries
        waiting = (deliveries[key] for _, key in self._shelves.delivery_queue)
        return (each for each in waiting if channels is None or each.channel in channels)

    def _due(self, until: datetime, channels: Collection[str] | None) -> Iterator[Delivery]:
        return takewhile(lambda each: each.due_at <= until, self._waiting(channels))

    def lease_deliveries(
        self,
        until: datetime,
        leased_until: datetime,
        limit: int,
        channels: Collection[str] | None = None,
    ) -> list[Delivery]:
        """Take deliveries that are due, or held."""
        shelves = self._shelves
        taken = list(islice(self._due(until, channels), limit))
        waiting = DeliveryState.PENDING
        held_ones = [shelves.deliveries[key] for key in shelves.held]
        for held in sorted(held_ones, key=lambda each: (each.due_at, each.key)):
            if len(taken) < limit and (channels is None or held.channel in channels):
                taken.append(held._replace(state=waiting, reason=None))
        for delivery in taken:
            shelves.change_delivery(delivery._replace(due_at=leased_until), self._undo)
        return taken

    def hold_deliveries(
        self, until: datetime, channels: Collection[str], limit: int
    ) -> dict[str, int]:
        """Hold deliveries of other channels."""
        due = self._due(until, None)
        foreign = list(islice((d for d in due if d.channel not in channels), limit))
        for delivery in foreign:
            held = delivery._replace(state=DeliveryState.HELD, reason=NO_CHANNEL)
            self._shelves.change_delivery(held, self._undo)
        return Counter(delivery.channel for delivery in foreign)

    def leased_now(self, key: int) -> LeasedNow | None:
        """A leased delivery and its person."""
        delivery = self._shelves.deliveries.get(key)
        if delivery is None:
            return None
        person = self._shelves.persons.get(delivery.person_key)
        who = (person.user_id, person.attributes) if person else (None, None)
        return LeasedNow(delivery.state, delivery.due_at, *who)

    def settle(self, settlements: Iterable[Settlement]) -> None:
        """Write down the end of tries."""
        for end in settlements:
            delivery = self._shelves.deliveries.get(end.key)
            if delivery is None or delivery.state is not DeliveryState.PENDING:
                continue
            settled = delivery._replace(
                state=end.state,
                attempts=end.attempts,
                due_at=end.due_at,
                reason=end.reason,
            )
            self._shelves.change_delivery(settled, self._undo)

    def revive(self, key: int, due_at: datetime) -> bool:
        """Put a dead delivery back; whether it was one."""
        delivery = self._shelves.deliveries.get(key)
        if delivery is None or delivery.state is not DeliveryState.DEAD:
            return False
        state = DeliveryState.PENDING
        revived = delivery._replace(state=state, attempts=0, due_at=due_at, reason=None)
        self._shelves.change_delivery(revived, self._undo)
        return True

    def _dead(self, which: DeadLetters) -> Iterator[Delivery]:
        for delivery in self._shelves.deliveries.values():
            if (
                delivery.state is DeliveryState.DEAD
                and which.channel in {None, delivery.channel}
                and which.rule in {None, delivery.rule}
                and (which.since is None or delivery.due_at >= which.since)
            ):
                yield delivery

    def dead(self, which: DeadLetters) -> int:
        """TextTest many dead deliveries are meant."""
        return sum(1 for _ in self._dead(which))

    def revive_some(self, which: DeadLetters, due_at: datetime, limit: int) -> int:
        """Put dead deliveries back; how many."""
        found = list(islice(self._dead(which), limit))
        return sum(self.revive(delivery.key, due_at) for delivery in found)

    def backlog(self) -> list[Backlog]:
        """TextTest many deliveries are not at their end."""
        due: dict[tuple[DeliveryState, str], list[datetime]] = defaultdict(list)
        for delivery in self._shelves.deliveries.values():
            if delivery.state not in {DeliveryState.SENT, DeliveryState.WITHHELD}:
                due[delivery.state, delivery.channel].append(delivery.due_at)
        return [
            Backlog(state, channel, len(times), min(times))
            for (state, channel), times in sorted(due.items())
        ]

    def flush(self, changes: Changes) -> None:
        """Write a batch's changes."""
        write(changes, self._shelves, self._undo)

    def decided(
        self, person_key: int, rule: str, limit: int
    ) -> list[tuple[StoredMessage | None, Entry | Skips]]:
        """A person's decisions for a rule."""
        shelves = self._shelves
        entries = shelves.entries_of.get(person_key, {}).get(rule, {}).values()
        found: list[tuple[tuple[datetime, int, int], Entry | Skips]] = [
            ((entry.timestamp, entry.message_key, entry.key), entry) for entry in entries
        ]
        wanted = Wanted(rule, self.wording)
        for moment in shelves.owned.get(person_key, ()):
            skips = shelves.skips.get(moment[1])
            if skips and wanted.is_in(skips):
                found.append(((*moment, 0), skips._replace(person_key=person_key)))
        newest = nlargest(limit, found, key=lambda pair: pair[0])
        return [(shelves.messages.get(order[1]), decision) for order, decision in newest]

    def merges(self, person_keys: Collection[int]) -> list[Merge]:
        """Merges that these persons survived."""
        wanted = set(person_keys)
        found = [m for m in self._shelves.merges.values() if m.survivor_key in wanted]
        return sorted(found, key=lambda merge: (merge.merged_at, merge.ref))

    def claimed_messages(self, person_key: int, limit: int) -> list[StoredMessage]:
        """Messages that claims made a person's."""
        messages = self._shelves.messages
        owned = (messages[key] for _, key in reversed(self._shelves.owned.get(person_key, [])))
        claimed = (message for message in owned if message.user_id is None)
        return list(islice(claimed, limit))

    def decided_on(self, person_key: int, message_keys: Collection[int]) -> list[Entry | Skips]:
        """What these messages led to."""
        wanted, skips = set(message_keys), self._shelves.skips
        theirs = self._shelves.entries_of.get(person_key, {}).values()
        entries = [e for by_key in theirs for e in by_key.values() if e.message_key in wanted]
        entries.sort(key=lambda entry: (entry.message_key, entry.key))
        met = [skips[key] for key in sorted(wanted) if key in skips]
        return [*entries, *(each._replace(person_key=person_key) for each in met)]

    def deliveries(self, states: Collection[DeliveryState], limit: int) -> list[Delivery]:
        """Deliveries in these states."""
        wanted = set(states)
        found = [d for d in self._shelves.deliveries.values() if d.state in wanted]
        return nlargest(limit, found, key=lambda delivery: delivery.key)

    def deliveries_of(self, person_key: int, occasions: Collection[str]) -> list[Delivery]:
        """A person's deliveries by occasion."""
        wanted = set(occasions)
        theirs = sorted(self._shelves.deliveries_of.get(person_key, {}).items())
        return [delivery for _, delivery in theirs if delivery.occasion in wanted]

    def runs_of(self, rule: str, limit: int) -> list[BroadcastRun]:
        """A broadcast's newest runs."""
        runs = [run for (of, _), run in self._shelves.runs.items() if of == rule]
        return nlargest(limit, runs, key=lambda run: (run.timestamp, run.occasion))

    def set_aside(self, limit: int) -> list[SetAside]:
        """The newest messages set aside."""
        asides, recorded = self._shelves.set_aside.values(), self._shelves.message_keys
        left = [aside for aside in asides if aside.ref not in recorded]
        by_id = sorted(left, key=lambda aside: aside.ref)
        return sorted(by_id, key=lambda aside: aside.set_aside_at, reverse=True)[:limit]

    def let_go(self, bygones: RetentionCutoff, after: int, reach: int) -> PruneStep:
        """Drop what is done with and old."""
        return let_go(bygones, self._shelves, self._undo, after, reach)

    def count_bygones(self, bygones: RetentionCutoff) -> PruneStep:
        """TextTest much that would be."""
        return count(bygones, self._shelves)

    def counts(self) -> Counts:
        """TextTest many of each."""
        shelves = self._shelves
        return Counts(
            messages=len(shelves.messages),
            persons=len(shelves.persons),
            entries=len(shelves.entries),
            deliveries=len(shelves.deliveries),
        )


def _named(shelves: Shelves, key: int, kind: IdKind) -> Iterator[Identifier]:
    return (i for i in shelves.named.get(key, {}).values() if i.kind is kind)


def _is_active(entry: Entry) -> bool:
    return entry.state is EntryState.ACTIVE


def _due(queue: list[Moment], until: datetime, limit: int) -> list[Moment]:
    return list(takewhile(lambda moment: moment[0] <= until, islice(queue, limit)))
