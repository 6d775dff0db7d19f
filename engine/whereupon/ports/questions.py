"""Questions of people: lists, counts and reports, off the way of messages.

Each has a default that reads all records of a kind. So a store need only implement `Reads`, `Writes` and
`DueWork`; it answers a question itself where it can do so faster.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from heapq import nlargest, nsmallest
from operator import itemgetter
from typing import Protocol

from whereupon.messages.times import FIRST_INSTANT
from whereupon.ports.figure_questions import FigureQuestions
from whereupon.ports.guard_questions import GuardQuestions
from whereupon.ports.types import (
    ANY_DELIVERY,
    Backlog,
    Counts,
    DeadLetters,
    DeliveryFilter,
    is_meant,
)
from whereupon.records import (
    PRUNED_RECORDS,
    WAITING,
    BroadcastRun,
    ClaimRun,
    Delivery,
    DeliveryState,
    Device,
    Entry,
    EntryCount,
    EntryFilter,
    EntryState,
    Identifier,
    InboxItem,
    Merge,
    MetricReport,
    Person,
    PersonFootprint,
    PruneAction,
    PrunedRecord,
    PruneStep,
    Relationship,
    RetentionCutoff,
    RunPlace,
    SetAside,
    Skips,
    SkipSearch,
    StoredMessage,
    Timer,
    TimeSkip,
    email_of,
    prune_action,
)

_ALL = 1 << 62
FOOTPRINT: Mapping[str, type] = {
    "messages": StoredMessage,
    "identifiers": Identifier,
    "claims": ClaimRun,
    "entries": Entry,
    "deliveries": Delivery,
    "devices": Device,
    "inbox": InboxItem,
    "relationships": Relationship,
    "persons": Person,
}
"""The records that a footprint counts, by the names of its counts."""


class Questions(GuardQuestions, FigureQuestions, Protocol):
    """What people ask afterwards, and what guards count."""

    # --- decisions ----------------------------------------------------------------------------------

    def decided(
        self, person_key: int, rule: str, limit: int
    ) -> list[tuple[StoredMessage | None, Entry | Skips | TimeSkip]]:
        """A person's decisions for a rule, newest first: the entry, the message's skips, or what time led to."""
        met = {message.key: message for message in self.scan(StoredMessage, person_key)}
        found: list[tuple[tuple[datetime, int, int], Entry | Skips | TimeSkip]] = [
            ((entry.timestamp, entry.message_key, entry.key), entry)
            for entry in self.scan(Entry, person_key)
            if entry.rule == rule
        ]
        search = SkipSearch(rule, self.rule_version)
        found += (
            ((met[skips.message_key].timestamp, skips.message_key, 0), skips)
            for skips in self.scan(Skips, person_key)
            if search.is_in(skips)
        )
        found += (
            ((skip.timestamp, 0, skip.key), skip)
            for skip in self.scan(TimeSkip, person_key)
            if skip.rule == rule
        )
        newest = nlargest(limit, found, key=itemgetter(0))
        messages = {each.key: each for each in self.messages([at[1] for at, _ in newest])}
        return [(messages.get(at[1]), decision) for at, decision in newest]

    def decided_on(self, person_key: int, message_keys: Collection[int]) -> list[Entry | Skips]:
        """What these messages of a person's led to: entries, then skips, each by message key."""
        wanted = set(message_keys)
        entries = [e for e in self.scan(Entry, person_key) if e.message_key in wanted]
        skips = [s for s in self.scan(Skips, person_key) if s.message_key in wanted]
        entries.sort(key=lambda entry: (entry.message_key, entry.key))
        return [*entries, *sorted(skips, key=lambda each: each.message_key)]

    def claimed_messages(self, person_key: int, limit: int) -> list[StoredMessage]:
        """The messages that became a person's by a claim, newest first by timestamp then key."""
        owned = self.owned_messages([person_key], FIRST_INSTANT)
        return [message for message in reversed(owned) if message.user_id is None][:limit]

    def merges(self, person_keys: Collection[int]) -> list[Merge]:
        """The merges that these persons survived, oldest first."""
        wanted = set(person_keys)
        found = [merge for merge in self.scan(Merge) if merge.survivor_key in wanted]
        return sorted(found, key=lambda merge: (merge.merged_at, merge.ref))

    def survivor_of(self, person_key: int) -> int | None:
        """The person whom a person was merged into, and who is there now; None if there was no merge."""
        found = (merge for merge in self.scan(Merge) if merge.loser_key == person_key)
        return next((merge.survivor_key for merge in found), None)

    def messages_before(
        self, person_key: int, before: tuple[datetime, int] | None, limit: int
    ) -> list[StoredMessage]:
        """A person's messages, newest first by timestamp then key.

        Args:
            person_key: the person's.
            before: the timestamp and key of the message behind which to begin; None for the newest.
            limit: the most messages to return.
        """
        owned = self.owned_messages([person_key], FIRST_INSTANT)
        return [m for m in reversed(owned) if before is None or (m.timestamp, m.key) < before][
            :limit
        ]

    def runs_of(
        self, rule: str, limit: int, before: tuple[datetime, str] | None = None
    ) -> list[BroadcastRun]:
        """A broadcast's runs, done or not, newest first by timestamp then occasion.

        Args:
            rule: the broadcast's id.
            limit: the most runs to return.
            before: the timestamp and occasion of the run behind which to begin; None for the newest.
        """
        runs = [run for run in self.scan(BroadcastRun) if run.rule == rule]
        found = (run for run in runs if before is None or (run.timestamp, run.occasion) < before)
        return nlargest(limit, found, key=lambda run: (run.timestamp, run.occasion))

    def runs_before(self, before: RunPlace | None, limit: int) -> list[BroadcastRun]:
        """Runs of all broadcasts, done or not, newest first by timestamp, rule, occasion.

        Args:
            before: the place (see `BroadcastRun.place`) behind which to begin; None for the newest.
            limit: the most runs to return.
        """
        found = (r for r in self.scan(BroadcastRun) if before is None or r.place < before)
        return nlargest(limit, found, key=lambda run: run.place)

    def count_waiting_of_run(self, rule: str, occasion: str) -> int:
        """How many deliveries of a run are pending, held or paused."""
        found = (d for d in self.scan(Delivery) if (d.rule, d.occasion) == (rule, occasion))
        return sum(delivery.state in WAITING for delivery in found)

    def count_ahead(self, run: BroadcastRun) -> int:
        """To how many people a run has not come yet: whose turn is still to come, or whose key is behind its cursor."""
        if run.is_open:
            return sum(timer.subject == run.subject for timer in self.scan(Timer))
        if run.cursor is None:
            return 0
        return sum(person.key > run.cursor for person in self.scan(Person))

    # --- people -------------------------------------------------------------------------------------

    def persons_with_email(self, emails: Collection[str]) -> list[Person]:
        """The persons who have one of these e-mail addresses (see `email_of`), by key."""
        wanted = set(emails)
        found = [each for each in self.scan(Person) if email_of(each.attributes) in wanted]
        return sorted(found, key=lambda person: person.key)

    # --- entries ------------------------------------------------------------------------------------

    def entries_after(
        self, which: EntryFilter, after: int, limit: int, reach: int
    ) -> tuple[list[Entry], int | None]:
        """The next entries that are meant, by key; and the key behind which to go on, None if there are no more.

        Args:
            which: the entries.
            after: the key behind which to begin.
            limit: the most entries to return.
            reach: the most entries to look at, if the filter names neither a person nor a rule whose entries
                have not ended. Then fewer may be returned than there are.
        """
        del reach
        every = self.scan(Entry, which.person_key)
        met = (each for each in every if each.key > after and which.admits(each))
        found = nsmallest(limit, met, key=lambda entry: entry.key)
        return found, found[-1].key if len(found) == limit else None

    def count_paused(self) -> dict[str, int]:
        """How many entries operators have paused by themselves or with a run, by rule; rules without any are left out."""
        paused = [e.rule for e in self.scan(Entry) if e.state is EntryState.PAUSED]
        return dict(sorted(Counter(paused).items()))

    def count_inside(self, rule: str | None) -> list[EntryCount]:
        """How many people are inside, by rule, version, step and state; of one rule, or of all."""
        places: dict[tuple[str, str, str, EntryState], list[datetime]] = defaultdict(list)
        for e in self.scan(Entry):
            if e.is_inside and rule in {None, e.rule} and e.due_at is not None:
                places[e.rule, e.digest, e.address, e.state].append(e.due_at)
        return [EntryCount(*place, len(due), min(due)) for place, due in sorted(places.items())]

    def set_aside(self, limit: int) -> list[SetAside]:
        """Messages that were set aside and are not recorded yet, newest first."""
        found = sorted(self.scan(SetAside), key=lambda each: each.ref)
        recorded = self.twins([each.ref for each in found])
        left = [each for each in found if each.ref not in recorded]
        return sorted(left, key=lambda each: each.set_aside_at, reverse=True)[:limit]

    # --- deliveries ---------------------------------------------------------------------------------

    def deliveries(
        self,
        states: Collection[DeliveryState],
        limit: int,
        which: DeliveryFilter = ANY_DELIVERY,
    ) -> list[Delivery]:
        """Deliveries in these states that pass the filter, newest first."""
        wanted = set(states)
        found = (d for d in self.scan(Delivery, which.person_key) if d.state in wanted)
        return nlargest(limit, filter(which.passes, found), key=lambda delivery: delivery.key)

    def deliveries_of(self, person_key: int, occasions: Collection[str]) -> list[Delivery]:
        """The deliveries of a person's entries that these occasions opened, oldest first."""
        wanted = set(occasions)
        found = [each for each in self.scan(Delivery, person_key) if each.occasion in wanted]
        return sorted(found, key=lambda delivery: delivery.key)

    def delivery_page(
        self,
        states: Collection[DeliveryState],
        limit: int,
        which: DeliveryFilter = ANY_DELIVERY,
        reach: int = _ALL,
    ) -> tuple[list[Delivery], int | None]:
        """As `deliveries`, and the key to read on before; None if there are no more.

        Args:
            states: theirs.
            limit: the most deliveries to return.
            which: the filter.
            reach: how many deliveries to look through, at the most, if no index finds those that are meant.
                Then a page may have fewer than its limit, and others may follow.
        """
        del reach
        found = self.deliveries(states, limit, which)
        return found, found[-1].key if found and len(found) == limit else None

    def reports_of(self, key: str) -> list[MetricReport]:
        """What was reported of the delivery with that idempotency key, oldest first."""
        found = (r for r in self.scan(MetricReport) if r.subject == key and r.kind == "delivery")
        return sorted(found, key=lambda report: (report.timestamp, report.ref))

    def dead(self, which: DeadLetters) -> int:
        """The number of dead deliveries that pass the filter."""
        return sum(is_meant(delivery, which) for delivery in self.scan(Delivery))

    def backlog(self) -> list[Backlog]:
        """The numbers of deliveries that are pending, held, paused or dead, by state and channel."""
        due: dict[tuple[DeliveryState, str], list[datetime]] = defaultdict(list)
        for delivery in self.scan(Delivery):
            if delivery.state not in {DeliveryState.SENT, DeliveryState.WITHHELD}:
                due[delivery.state, delivery.channel].append(delivery.due_at)
        return [Backlog(*of, len(times), min(times)) for of, times in sorted(due.items())]

    # --- the inbox -------------------------------------------------------------------------------------

    def inbox(
        self,
        person_key: int,
        limit: int,
        *,
        now: datetime,
        before: tuple[datetime, str] | None = None,
        unread: bool = False,
    ) -> list[InboxItem]:
        """A person's items that have not expired by ``now``, newest first by creation then key.

        Args:
            person_key: the person's.
            limit: the most items to return.
            now: an instant.
            before: the place (see `InboxItem.place`) behind which to begin.
            unread: whether to leave out those that are read.
        """
        found = [
            each
            for each in self.scan(InboxItem, person_key)
            if each.is_shown(now)
            and (before is None or each.place < before)
            and not (unread and each.read_at is not None)
        ]
        return nlargest(limit, found, key=lambda each: each.place)

    def inbox_item(self, key: str) -> InboxItem | None:
        """The item of that key, expired or not."""
        return next((each for each in self.scan(InboxItem) if each.key == key), None)

    def count_unread(self, person_key: int, now: datetime) -> int:
        """How many of a person's items are unread and have not expired by ``now``."""
        found = self.scan(InboxItem, person_key)
        return sum(each.read_at is None and each.is_shown(now) for each in found)

    def inbox_behind(self, person_key: int, channel: str, skipped: int, limit: int) -> list[str]:
        """The keys of a channel's items behind the newest so many, expired or not."""
        found = [each for each in self.scan(InboxItem, person_key) if each.channel == channel]
        found.sort(key=lambda each: each.place, reverse=True)
        return [each.key for each in found[skipped : skipped + limit]]

    # --- numbers ------------------------------------------------------------------------------------

    def counts(self) -> Counts:
        """How many messages, persons, entries and deliveries there are; who was held out has entered nothing."""
        messages, persons, deliveries = (
            sum(1 for _ in self.scan(kind)) for kind in (StoredMessage, Person, Delivery)
        )
        entries = sum(1 for entry in self.scan(Entry) if not entry.is_held_out)
        return Counts(messages, persons, entries, deliveries)

    def first_received(self) -> datetime | None:
        """When the message with the lowest key arrived, which is about the first; None without messages."""
        first = min(self.scan(StoredMessage), key=lambda each: each.key, default=None)
        return None if first is None else first.message.received_at

    def count_persons(self) -> int:
        """The number of persons."""
        return sum(1 for _ in self.scan(Person))

    def footprint(self, person_key: int) -> PersonFootprint:
        """How many rows of each table are a person's, and when the person last did something.

        A message that a step made is the person's, but the person did not do it.
        """
        counts = {n: sum(1 for _ in self.scan(k, person_key)) for n, k in FOOTPRINT.items()}
        own = (m.timestamp for m in self.scan(StoredMessage, person_key) if m.message.depth == 0)
        return PersonFootprint(counts, max(own, default=None))

    def count_prunable(self, cutoff: RetentionCutoff) -> PruneStep:
        """How much `DueWork.prune` would drop in all."""
        found: Iterable[PrunedRecord] = self.scan(PRUNED_RECORDS[cutoff.kind])
        records = (each for each in found if not isinstance(each, Skips) or each.has_record)
        actions = Counter(prune_action(record, cutoff) for record in records)
        return PruneStep(actions[PruneAction.DROP], actions[PruneAction.EMPTY])
