"""What a session on a database answers. Each answer is one statement, whatever is asked."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from heapq import nlargest
from typing import TypeAlias, TypeVar, cast

from sqlalchemy import Connection

import whereupon.storage.sql.rows as rows
from whereupon.messages.model import MessageType, erased_digests
from whereupon.messages.times import as_micros, from_micros
from whereupon.ports import Backlog, Counts, DeadLetters, HistoryNeed, LeasedNow
from whereupon.records import (
    ALL_LIVE,
    LOOSE_EDGES,
    BroadcastRun,
    ClaimJob,
    ClaimRun,
    Delivery,
    DeliveryState,
    Entry,
    EntryState,
    Identifier,
    IdKind,
    Inert,
    KeysAsked,
    Merge,
    MessageName,
    PastEntry,
    PastEvent,
    Person,
    SetAside,
    Skips,
    SkipSearch,
    StoredMessage,
    Tombstone,
    Twin,
    WaitingVersion,
)
from whereupon.storage.sql.dialects import Database
from whereupon.storage.sql.message_names import MessageNames
from whereupon.storage.sql.process_cache import SessionCache
from whereupon.storage.sql.queries import Queries
from whereupon.storage.sql.scans import SCANNED
from whereupon.storage.sql.transfers import inert_parameters

R = TypeVar("R")
_BEFORE_TIME = -(2**63)
_NO_LIMIT = 2**31 - 1
"""More messages than anybody owns."""
_FEW_RULES = 8
"""Looking one rule up for a person costs what reading one of the person's entries does."""

_Decided: TypeAlias = tuple[tuple[datetime, int, int], Entry | Skips]
"""A decision behind its place in time: timestamp, message key, entry key."""


class SqlReads:
    """The reads of `whereupon.ports.Session`, which says what each answers."""

    def __init__(
        self,
        connection: Connection,
        database: Database,
        selects: Queries,
        names: MessageNames,
        recall: SessionCache,
    ) -> None:
        self._connection = connection
        self._database = database
        self._selects = selects
        self._names = names
        self._recall = recall

    def scan(self, kind: type[R], person_key: int | None = None) -> Iterable[R]:
        """All rows of a table, or a person's."""
        whole: type = kind
        if person_key is None:
            found = self._selects.scan(whole).fetch(self._connection)
        else:
            found = self._selects.scan_of(whole).fetch(self._connection, person=person_key)
        made = SCANNED[kind].made
        if kind is Skips:
            made = partial(rows.skips_from, person_key=person_key or 0)
        return cast("list[R]", list(map(made, found)))

    def known_messages(self, refs: Collection[str]) -> set[str]:
        """Those that are recorded."""
        ids = self._database.members(refs)
        found = self._selects.known_messages.fetch(self._connection, ids=ids)
        known = {str(row[0]) for row in found}
        state = self._selects.state.fetch(self._connection, process=self._recall.row)
        ((row, any_erased),) = state
        self._recall.check(row)
        if any_erased:
            known |= self._erased(refs)
        return known

    def twins(self, refs: Collection[str]) -> dict[str, Twin]:
        """What is recorded of these messages."""
        found = self._selects.twins.fetch(self._connection, ids=self._database.members(refs))
        return {ref: Twin(MessageType(type_), *said) for ref, type_, *said in found}

    def _erased(self, refs: Collection[str]) -> set[str]:
        by_digest = {digest: ref for ref in refs for digest in erased_digests(ref)}
        digests = self._database.members(list(by_digest))
        found = self._selects.erased_among.fetch(self._connection, digests=digests)
        return {by_digest[digest] for (digest,) in found}

    def identifiers(
        self, user_ids: Collection[str], anonymous_ids: Collection[str]
    ) -> list[Identifier]:
        """What is known of these ids."""
        asked = ((IdKind.USER, user_ids), (IdKind.ANONYMOUS, anonymous_ids))
        return [found for kind, ids in asked if ids for found in self._identifiers(kind, ids)]

    def _identifiers(self, kind: IdKind, ids: Collection[str]) -> Iterator[Identifier]:
        members = self._database.members(ids)
        found = self._selects.identifiers.fetch(self._connection, kind=kind.value, ids=members)
        return map(rows.identifier_from, found)

    def identifiers_of(self, keys: Collection[int]) -> list[Identifier]:
        """User ids of these persons, and anonymous ids they claimed."""
        members = self._database.members(keys)
        found = self._selects.identifiers_of.fetch(self._connection, keys=members)
        return list(map(rows.identifier_from, found))

    def persons(self, keys: Collection[int]) -> list[Person]:
        """These persons."""
        members = self._database.members(keys)
        found = self._selects.persons.fetch(self._connection, keys=members)
        return list(map(rows.person_from, found))

    def persons_after(self, key: int, limit: int) -> list[Person]:
        """The next persons by key."""
        found = self._selects.persons_after.fetch(self._connection, key=key, limit=limit)
        return list(map(rows.person_from, found))

    def claims(self, anonymous_keys: Collection[int]) -> list[ClaimRun]:
        """Runs of claims, by since."""
        members = self._database.members(anonymous_keys)
        found = self._selects.claims.fetch(self._connection, keys=members)
        return list(map(rows.claim_from, found))

    def claims_near(self, spans: Mapping[int, tuple[datetime, datetime]]) -> list[ClaimRun]:
        """Runs of claims that reach into the spans, and one on either side."""
        numbers = [(key, *map(as_micros, instants)) for key, instants in spans.items()]
        needs = self._database.rows(numbers)
        found = self._selects.claims_near.fetch(self._connection, needs=needs)
        return list(map(rows.claim_from, found))

    def owned_messages(
        self, owners: Collection[int], since: datetime, limit: int | None = None
    ) -> list[StoredMessage]:
        """Messages of these owners."""
        asked = {"keys": self._database.members(owners), "since": as_micros(since)}
        if limit is None:
            found = self._selects.owned_messages.fetch(self._connection, **asked)
            return list(map(rows.message_from, found))
        found = self._selects.some_owned_messages.fetch(self._connection, **asked, limit=limit)
        return sorted(map(rows.message_from, found), key=lambda each: (each.timestamp, each.key))

    def live_messages(
        self,
        owners: Collection[int],
        since: datetime,
        left_out: Inert,
        limit: int | None = None,
    ) -> list[StoredMessage]:
        """Those that are not inert."""
        found = self._selects.live_messages.fetch(
            self._connection,
            keys=self._database.members(owners),
            since=as_micros(since),
            limit=_NO_LIMIT if limit is None else limit,
            **self._inert(left_out),
        )
        return sorted(map(rows.message_from, found), key=lambda each: (each.timestamp, each.key))

    def _inert(self, inert: Inert) -> dict[str, object]:
        return inert_parameters(self._connection, self._database, self._names, inert)

    def owned_counts(
        self,
        owners: Collection[int],
        since: datetime,
        until: datetime,
        left_out: Inert = ALL_LIVE,
    ) -> dict[int, dict[MessageName, int]]:
        """How many, by name."""
        found = self._selects.owned_counts.fetch(
            self._connection,
            keys=self._database.members(owners),
            since=as_micros(since),
            until=as_micros(until),
            **self._inert(left_out),
        )
        counts: dict[int, dict[MessageName, int]] = defaultdict(dict)
        for owner, type_, name, count in found:
            counts[owner][MessageType(type_), name] = count
        return dict(counts)

    def waiting_messages(
        self, owner: int, after: tuple[datetime, int], until: datetime, limit: int
    ) -> list[StoredMessage]:
        """The next messages of an owner."""
        found = self._selects.waiting_messages.fetch(
            self._connection,
            owner=owner,
            timestamp=as_micros(after[0]),
            key=after[1],
            until=as_micros(until),
            limit=limit,
        )
        return list(map(rows.message_from, found))

    def messages(self, keys: Collection[int]) -> list[StoredMessage]:
        """These messages."""
        members = self._database.members(keys)
        return list(
            map(rows.message_from, self._selects.messages.fetch(self._connection, keys=members))
        )

    def claim_jobs(
        self, person_keys: Collection[int], anonymous_keys: Collection[int]
    ) -> list[ClaimJob]:
        """Claims that are being carried out; there are hardly ever any."""
        if not self._selects.any_claim_job.fetch(self._connection):
            return []
        persons, keys = map(self._database.members, (person_keys, anonymous_keys))
        found = self._selects.claim_jobs.fetch(self._connection, persons=persons, keys=keys)
        return list(map(rows.claim_job_from, found))

    def due_claim_jobs(self, until: datetime, limit: int) -> list[ClaimJob]:
        """Claims that nobody seems to be at."""
        found = self._selects.due_claim_jobs.fetch(
            self._connection, until=as_micros(until), limit=limit
        )
        return list(map(rows.claim_job_from, found))

    def history(self, needs: Sequence[HistoryNeed]) -> list[PastEvent]:
        """Track messages that the needs name."""
        track = MessageType.TRACK.value
        names = {(track, name) for need in needs for name in need.names}
        numbers = self._names.find(self._connection, names)
        wanted = self._database.rows(_ranges(needs, numbers))
        said = {number: name for (_, name), number in numbers.items()}
        found = self._selects.history.fetch(self._connection, needs=wanted)
        return [PastEvent(owner, said[n], from_micros(at), body) for owner, n, at, body in found]

    def past_entries(
        self,
        rules: Collection[str],
        person_keys: Collection[int],
        since: datetime | None = None,
        asked: KeysAsked | None = None,
    ) -> list[PastEntry]:
        """Entries of these persons in these rules."""
        active = EntryState.ACTIVE.value
        return [
            PastEntry(rule, person_key, from_micros(timestamp), slot, state == active, occasion)
            for rule, person_key, timestamp, slot, state, occasion in self._past_entries(
                rules, self._database.members(person_keys), since, asked
            )
        ]

    def _past_entries(
        self, rules: Collection[str], keys: object, since: datetime | None, asked: KeysAsked | None
    ) -> Iterable[rows.Record]:
        """A few rules are looked up one by one for each person; many are picked out of what there is."""
        micros = _BEFORE_TIME if since is None else as_micros(since)
        values: dict[str, object] = {"keys": keys, "since": micros}
        if asked is not None:
            members = self._database.members
            values |= {"keyed": members(asked.rules), "slots": members(asked.slots)}
            values["edges"] = members(LOOSE_EDGES)
        if len(rules) <= _FEW_RULES:
            few = self._selects.past_entries if asked is None else self._selects.past_entries_asked
            return few.fetch(self._connection, rules=self._database.members(rules), **values)
        wanted = frozenset(rules)
        all_ = self._selects.entries_since if asked is None else self._selects.entries_since_asked
        found = all_.fetch(self._connection, **values)
        return (entry for entry in found if entry[0] in wanted)

    def active_entries(self, person_keys: Collection[int]) -> list[Entry]:
        """Running entries of these persons."""
        members = self._database.members(person_keys)
        found = self._selects.active_entries.fetch(self._connection, keys=members)
        return list(map(rows.entry_from, found))

    def waiting_versions(self) -> list[WaitingVersion]:
        """Rule versions that have running entries."""
        found = self._selects.waiting_versions.fetch(self._connection)
        return [WaitingVersion(rule, digest, from_micros(due)) for rule, digest, due in found]

    def count_entries(self, digests: Collection[str]) -> dict[str, int]:
        """How many running entries rule versions have."""
        members = self._database.members(digests)
        found = self._selects.count_entries.fetch(self._connection, versions=members)
        return {str(digest): int(count) for digest, count in found}

    def due_entries(
        self, until: datetime, limit: int, versions: Collection[str] | None = None
    ) -> list[Entry]:
        """Running entries that are due."""
        asked: dict[str, object] = {"until": as_micros(until), "limit": limit}
        if versions is None:
            found = self._selects.due_entries.fetch(self._connection, **asked)
        else:
            members = self._database.members(versions)
            found = self._selects.due_entries_of.fetch(
                self._connection, **asked, share=limit, versions=members
            )
        return list(map(rows.entry_from, found))

    def next_due(self, channels: Collection[str] | None = None) -> datetime | None:
        """When something is due next."""
        if channels is None:
            found = self._selects.next_due.fetch(self._connection)
        else:
            members = self._database.members(channels)
            found = self._selects.next_due_of.fetch(self._connection, channels=members)
        return min((from_micros(due) for (due,) in found if due is not None), default=None)

    def has_tombstones(self) -> bool:
        """Whether there is any."""
        return bool(self._selects.any_tombstone.fetch(self._connection))

    def tombstones(self, digests: Collection[bytes]) -> list[Tombstone]:
        """Tombstones of these digests."""
        members = self._database.members([digest.hex() for digest in digests])
        found = self._selects.tombstones.fetch(self._connection, digests=members)
        return list(map(rows.tombstone_from, found))

    def tombstones_laid_with(self, digests: Collection[bytes]) -> list[Tombstone]:
        """Tombstones laid together with these digests'."""
        members = self._database.members([digest.hex() for digest in digests])
        found = self._selects.tombstones_laid_with.fetch(self._connection, digests=members)
        return list(map(rows.tombstone_from, found))

    def due_runs(self, until: datetime) -> list[BroadcastRun]:
        """Broadcast runs that are due."""
        found = self._selects.due_runs.fetch(self._connection, until=as_micros(until))
        return list(map(rows.run_from, found))

    def waiting_runs(self) -> list[BroadcastRun]:
        """Broadcast runs that are not done."""
        return list(map(rows.run_from, self._selects.waiting_runs.fetch(self._connection)))

    def has_run(self, rule: str, occasion: str) -> bool:
        """Whether a run was recorded."""
        found = self._selects.has_run.fetch(self._connection, rule=rule, occasion=occasion)
        return bool(found)

    def kept_versions(self, digests: Collection[str]) -> set[str]:
        """Those that are kept; what the process remembers is not asked for."""
        kept = self._recall.kept(self._connection, digests)
        if asked := set(digests) - kept:
            members = self._database.members(asked)
            found = self._selects.kept_versions.fetch(self._connection, digests=members)
            self._recall.learned.rule_versions |= {str(digest) for (digest,) in found}
            kept |= self._recall.learned.rule_versions & asked
        return kept

    def rule_version(self, digest: str) -> bytes | None:
        """The source of a rule."""
        found = self._selects.rule_version.fetch(self._connection, digest=digest)
        return bytes(found[0][0]) if found else None

    def decided(
        self, person_key: int, rule: str, limit: int
    ) -> list[tuple[StoredMessage | None, Entry | Skips]]:
        """A person's decisions for a rule."""
        decisions = [
            *self._entered(person_key, rule, limit),
            *self._skipped(person_key, rule, limit),
        ]
        newest = nlargest(limit, decisions, key=lambda decided: decided[0])
        found = self.messages([order[1] for order, _ in newest])
        messages = {message.key: message for message in found}
        return [(messages.get(order[1]), decision) for order, decision in newest]

    def _entered(self, person_key: int, rule: str, limit: int) -> Iterator[_Decided]:
        found = self._selects.entries_of.fetch(
            self._connection, person=person_key, rule=rule, limit=limit
        )
        for entry in map(rows.entry_from, found):
            yield (entry.timestamp, entry.message_key, entry.key), entry

    def _skipped(self, person_key: int, rule: str, limit: int) -> Iterator[_Decided]:
        """Read on, newest first, until enough of the person's skips name the rule."""
        left = limit
        wanted = SkipSearch(rule, self.rule_version)
        with self._selects.skips_of.run(self._connection, person=person_key) as found:
            for row in found if limit else ():
                skips = rows.skips_from(row[1:], person_key=person_key)
                if wanted.is_in(skips):
                    yield (from_micros(row[0]), skips.message_key, 0), skips
                    left -= 1
                if left == 0:
                    return

    def merges(self, person_keys: Collection[int]) -> list[Merge]:
        """Merges that these persons survived."""
        members = self._database.members(person_keys)
        found = self._selects.merges.fetch(self._connection, keys=members)
        return list(map(rows.merge_from, found))

    def claimed_messages(self, person_key: int, limit: int) -> list[StoredMessage]:
        """Messages that claims made a person's."""
        found = self._selects.claimed_messages.fetch(
            self._connection, person=person_key, limit=limit
        )
        return list(map(rows.message_from, found))

    def decided_on(self, person_key: int, message_keys: Collection[int]) -> list[Entry | Skips]:
        """What these messages led to."""
        members = self._database.members(message_keys)
        entered = self._selects.entries_by.fetch(self._connection, person=person_key, keys=members)
        met = self._selects.skips_on.fetch(self._connection, person=person_key, keys=members)
        skips = (rows.skips_from(row, person_key=person_key) for row in met)
        return [*map(rows.entry_from, entered), *skips]

    def deliveries(self, states: Collection[DeliveryState], limit: int) -> list[Delivery]:
        """Deliveries in these states."""
        members = self._database.members([state.value for state in states])
        found = self._selects.deliveries.fetch(self._connection, states=members, limit=limit)
        return list(map(rows.delivery_from, found))

    def leased_now(self, key: int) -> LeasedNow | None:
        """A leased delivery and its person."""
        found = self._selects.leased_now.fetch(self._connection, key=key)
        return rows.leased_now_from(found[0]) if found else None

    def dead(self, which: DeadLetters) -> int:
        """How many dead deliveries are meant."""
        ((count,),) = self._selects.dead_count.fetch(self._connection, **meant(which))
        return int(count)

    def backlog(self) -> list[Backlog]:
        """How many deliveries are not at their end."""
        return [
            Backlog(DeliveryState(state), channel, count, from_micros(oldest))
            for state, channel, count, oldest in self._selects.backlog.fetch(self._connection)
        ]

    def deliveries_of(self, person_key: int, occasions: Collection[str]) -> list[Delivery]:
        """A person's deliveries by occasion."""
        members = self._database.members(occasions)
        found = self._selects.deliveries_of.fetch(
            self._connection, person=person_key, occasions=members
        )
        return list(map(rows.delivery_from, found))

    def runs_of(self, rule: str, limit: int) -> list[BroadcastRun]:
        """A broadcast's newest runs."""
        found = self._selects.runs_of.fetch(self._connection, rule=rule, limit=limit)
        return list(map(rows.run_from, found))

    def set_aside(self, limit: int) -> list[SetAside]:
        """The newest messages set aside."""
        found = self._selects.set_aside.fetch(self._connection, limit=limit)
        return list(map(rows.set_aside_from, found))

    def counts(self) -> Counts:
        """How many of each."""
        ((messages, persons, entries, deliveries),) = self._selects.counts.fetch(self._connection)
        return Counts(messages, persons, entries, deliveries)


def meant(which: DeadLetters) -> dict[str, object]:
    """Which dead deliveries are meant, as it is bound."""
    return {
        "since": _BEFORE_TIME if which.since is None else as_micros(which.since),
        "any_channel": int(which.channel is None),
        "channel": which.channel or "",
        "any_rule": int(which.rule is None),
        "rule": which.rule or "",
    }


def _ranges(
    needs: Sequence[HistoryNeed], numbers: dict[tuple[str, str], int]
) -> list[tuple[int, int, int]]:
    oldest: dict[tuple[int, int], int] = {}
    for need in needs:
        since = _BEFORE_TIME if need.since is None else as_micros(need.since)
        for name in need.names:
            number = numbers.get((MessageType.TRACK.value, name))
            if number is not None:
                key = (need.owner, number)
                oldest[key] = min(since, oldest.get(key, since))
    return [(owner, since, number) for (owner, number), since in oldest.items()]
