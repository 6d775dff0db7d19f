"""What a batch reads from a database. Each answer is one statement, whatever is asked."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar, cast

import whereupon.storage.sql.rows as rows
import whereupon.storage.sql.rule_rows as rule_rows
import whereupon.storage.sql.run_rows as run_rows
from whereupon.messages.model import MessageType, erased_digests, id_in_ref
from whereupon.messages.times import all_as_micros, as_micros, from_micros
from whereupon.ports import (
    HistoryNeed,
    Reads,
)
from whereupon.records import (
    ALL_LIVE,
    INSIDE,
    LOOSE_EDGES,
    BroadcastRun,
    ClaimJob,
    ClaimRun,
    Delivery,
    Entry,
    Identifier,
    Inert,
    KeysAsked,
    MessageName,
    OpenSkip,
    PastEntry,
    PastEvent,
    RulePause,
    Skips,
    StoredMessage,
    SuppressedAddress,
    Timer,
    Tombstone,
    Twin,
)
from whereupon.storage.sql.access import since_or_ever
from whereupon.storage.sql.met_skips import every_skips
from whereupon.storage.sql.open_skip_rows import open_skip_from
from whereupon.storage.sql.scans import SCANNED
from whereupon.storage.sql.timer_rows import timer_from
from whereupon.storage.sql.transfers import inert_parameters
from whereupon.storage.sql.users import SqlUsers

R = TypeVar("R")
_TRACK = MessageType.TRACK.value
_NO_LIMIT = 2**31 - 1
"""More messages than anybody owns."""
_FEW_RULES = 16
"""Looking one rule up for a person takes a seventh of what reading one of the person's entries does, and many have two or three."""


class SqlReads(SqlUsers, Reads):
    """The ports say what each method answers."""

    @property
    def asks_ahead(self) -> bool:
        """Where several answers take one round trip."""
        return self._database.asks_ahead

    def ahead(self, read: Callable[[], object]) -> None:
        """In one round trip, if each would be one."""
        self._database.ask(self._connection, read)

    def scan(self, kind: type[R], person_key: int | None = None) -> Iterable[R]:
        """All rows of a table, or a person's."""
        whole: type = kind
        if kind is Skips:
            return cast("list[R]", every_skips(self._connection, self._queries, person_key))
        if person_key is None:
            found = self._queries.scan(whole).fetch(self._connection)
        else:
            found = self._queries.scan_of(whole).fetch(self._connection, person=person_key)
        return cast("list[R]", list(map(SCANNED[kind].made, found)))

    def expect_messages(self, refs: Collection[str]) -> None:
        """Where one statement reads them with user ids."""
        if self._database.one_writer:
            self._expected = refs

    def known_messages(self, refs: Collection[str]) -> set[str]:
        """Those that are recorded. The statement also reads the state of the store: others may erase some behind it."""
        if self._known_messages is not None and self._known_messages[0] is refs:
            known = self._known_messages[1]
            return known | self._erased(refs) if self._state().any_erased else known
        ids, process = self._database.members(refs), self.cache.row
        found = self._queries.known_messages.fetch(self._connection, ids=ids, process=process)
        rows_by_ref = {row[0]: row for row in found}
        if not found:  # it is asked ahead
            return set()
        any_erased = self._noted(rows_by_ref.pop(None)[1:]).any_erased
        known = {*rows_by_ref}
        return known | self._erased(refs) if any_erased else known

    def twins(self, refs: Collection[str]) -> dict[str, Twin]:
        """What is recorded of these messages."""
        found = self._queries.twins.fetch(self._connection, ids=self._database.members(refs))
        return {ref: Twin(MessageType(type_), *said) for ref, type_, *said in found}

    def _erased(self, refs: Collection[str]) -> set[str]:
        by_digest = {digest: ref for ref in refs for digest in erased_digests(ref)}
        digests = self._database.members(list(by_digest))
        found = self._queries.erased_among.fetch(self._connection, digests=digests)
        return {by_digest[digest] for (digest,) in found}

    def identifiers_of(self, keys: Collection[int]) -> list[Identifier]:
        """User ids of these persons, and anonymous ids they claimed."""
        members = self._database.members(keys)
        found = self._queries.identifiers_of.fetch(self._connection, keys=members)
        return list(map(rows.identifier_from, found))

    def claims(self, anonymous_keys: Collection[int]) -> list[ClaimRun]:
        """Runs of claims, by since."""
        members = self._database.members(anonymous_keys)
        found = self._queries.claims.fetch(self._connection, keys=members)
        return list(map(rows.claim_from, found))

    def claims_near(self, spans: Mapping[int, tuple[datetime, datetime]]) -> list[ClaimRun]:
        """Runs of claims that reach into the spans, and one on either side."""
        since = all_as_micros([first for first, _ in spans.values()])
        until = all_as_micros([last for _, last in spans.values()])
        needs = self._database.rows([*zip(spans, since, until, strict=True)])
        found = self._queries.claims_near.fetch(self._connection, needs=needs)
        return list(map(rows.claim_from, found))

    def owned_messages(
        self, owners: Collection[int], since: datetime, limit: int | None = None
    ) -> list[StoredMessage]:
        """Messages of these owners."""
        asked = {"keys": self._database.members(owners), "since": as_micros(since)}
        if limit is None:
            found = self._queries.owned_messages.fetch(self._connection, **asked)
            return rows.messages_from(found)
        found = self._queries.some_owned_messages.fetch(self._connection, **asked, limit=limit)
        return rows.messages_from(rows.newest_last(found))

    def live_messages(
        self,
        owners: Collection[int],
        since: datetime,
        left_out: Inert,
        limit: int | None = None,
    ) -> list[StoredMessage]:
        """Those that are not inert."""
        found = self._queries.live_messages.fetch(
            self._connection,
            keys=self._database.members(owners),
            since=as_micros(since),
            limit=_NO_LIMIT if limit is None else limit,
            **self._inert(left_out),
        )
        return rows.messages_from(rows.newest_last(found))

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
        found = self._queries.owned_counts.fetch(
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
        found = self._queries.waiting_messages.fetch(
            self._connection,
            owner=owner,
            timestamp=as_micros(after[0]),
            key=after[1],
            until=as_micros(until),
            limit=limit,
        )
        return rows.messages_from(found)

    def messages(self, keys: Collection[int]) -> list[StoredMessage]:
        """These messages."""
        members = self._database.members(keys)
        found = self._queries.messages.fetch(self._connection, keys=members)
        return rows.messages_from(found)

    def claim_jobs(
        self, person_keys: Collection[int], anonymous_keys: Collection[int]
    ) -> list[ClaimJob]:
        """Claims that are being carried out; there are hardly ever any."""
        if not self._state().any_claim_job:
            return []
        persons, keys = map(self._database.members, (person_keys, anonymous_keys))
        found = self._queries.claim_jobs.fetch(self._connection, persons=persons, keys=keys)
        return list(map(rows.claim_job_from, found))

    def history(self, needs: Sequence[HistoryNeed]) -> list[PastEvent]:
        """Track messages that the needs name."""
        names = {(_TRACK, name) for need in needs for name in need.names}
        numbers = self._names.find(self._connection, names)
        wanted = self._database.rows(_ranges(needs, numbers))
        said = {number: name for (_, name), number in numbers.items()}
        found = self._queries.history.fetch(self._connection, needs=wanted)
        return [
            PastEvent(o, said[n], from_micros(at), body, key, id_in_ref(ref))
            for o, n, at, body, key, ref in found
        ]

    def past_entries(
        self,
        rules: Collection[str],
        person_keys: Collection[int],
        since: datetime | None = None,
        asked: KeysAsked | None = None,
    ) -> list[PastEntry]:
        """Entries of these persons in these rules."""
        return [
            PastEntry(rule, person_key, from_micros(timestamp), slot, state in INSIDE, occasion)
            for rule, person_key, timestamp, slot, state, occasion in self._past_entries(
                rules, self._database.members(person_keys), since, asked
            )
        ]

    def _past_entries(
        self, rules: Collection[str], keys: object, since: datetime | None, asked: KeysAsked | None
    ) -> Iterable[rows.Record]:
        """A few rules are looked up one by one for each person; many are picked out of what there is."""
        micros = since_or_ever(since)
        values: dict[str, object] = {"keys": keys, "since": micros}
        if asked is not None:
            members = self._database.members
            values |= {"keyed": members(asked.rules), "slots": members(asked.slots)}
            values["edges"] = members(LOOSE_EDGES)
        if len(rules) <= _FEW_RULES:
            few = self._queries.past_entries if asked is None else self._queries.past_entries_asked
            return few.fetch(self._connection, rules=self._database.members(rules), **values)
        wanted = frozenset(rules)
        all_ = self._queries.entries_since if asked is None else self._queries.entries_since_asked
        found = all_.fetch(self._connection, **values)
        return (entry for entry in found if entry[0] in wanted)

    def ended_entries(
        self, rules: Collection[str], person_keys: Collection[int], since: datetime
    ) -> list[Entry]:
        """By the index of a person's entries in a rule."""
        found = self._queries.ended_entries.fetch(
            self._connection,
            keys=self._database.members(person_keys),
            rules=self._database.members(rules),
            since=as_micros(since),
        )
        return list(map(rule_rows.entry_from, found))

    def watched_entries(self, person_keys: Collection[int], since: datetime) -> list[Entry]:
        """Ended entries of these persons, by an index of those that are watched."""
        members, micros = self._database.members(person_keys), as_micros(since)
        found = self._queries.watched_entries.fetch(self._connection, keys=members, since=micros)
        return list(map(rule_rows.entry_from, found))

    def watched_versions(self) -> set[str]:
        """By an index, from each digest to the next."""
        return {digest for (digest,) in self._queries.watched_versions.fetch(self._connection)}

    def entries(self, keys: Collection[int]) -> list[Entry]:
        """By key."""
        members = self._database.members(keys)
        found = self._queries.entries.fetch(self._connection, keys=members)
        return list(map(rule_rows.entry_from, found))

    def open_skips(self, person_keys: Collection[int], since: datetime) -> list[OpenSkip]:
        """Those that end no earlier."""
        asked = {"keys": self._database.members(person_keys), "since": as_micros(since)}
        return list(map(open_skip_from, self._queries.open_skips.fetch(self._connection, **asked)))

    def timers(self, person_keys: Collection[int], until: datetime) -> list[Timer]:
        """By the primary key, which begins with the person."""
        asked = {"keys": self._database.members(person_keys), "until": as_micros(until)}
        return list(map(timer_from, self._queries.timers.fetch(self._connection, **asked)))

    def rule_pauses(self) -> list[RulePause]:
        """The whole table, which hardly ever has a row."""
        if not self._state().any_pause:
            return []
        return list(map(rule_rows.pause_from, self._queries.rule_pauses.fetch(self._connection)))

    def resumed_rules(self) -> list[RulePause]:
        """Likewise."""
        return list(map(rule_rows.pause_from, self._queries.resumed_rules.fetch(self._connection)))

    def run(self, rule: str, occasion: str) -> BroadcastRun | None:
        """By its key."""
        found = self._queries.run.fetch(self._connection, rule=rule, occasion=occasion)
        return run_rows.run_from(found[0]) if found else None

    def has_tombstones(self) -> bool:
        """Whether there is any."""
        return self._state().any_tombstone

    def tombstones(self, digests: Collection[bytes]) -> list[Tombstone]:
        """Tombstones of these digests."""
        members = self._database.members([digest.hex() for digest in digests])
        found = self._queries.tombstones.fetch(self._connection, digests=members)
        return list(map(rows.tombstone_from, found))

    def tombstones_laid_with(self, digests: Collection[bytes]) -> list[Tombstone]:
        """Tombstones laid together with these digests'."""
        members = self._database.members([digest.hex() for digest in digests])
        found = self._queries.tombstones_laid_with.fetch(self._connection, digests=members)
        return list(map(rows.tombstone_from, found))

    def deliveries_by_key(self, keys: Collection[str]) -> list[Delivery]:
        """By idempotency key."""
        members = self._database.members(keys)
        found = self._queries.deliveries_by_key.fetch(self._connection, keys=members)
        return list(map(rule_rows.delivery_from, found))

    def suppressed(self, channel: str, digests: Collection[bytes]) -> SuppressedAddress | None:
        """By the primary key."""
        members = self._database.members([digest.hex() for digest in digests])
        found = self._queries.suppressed.fetch(self._connection, channel=channel, digests=members)
        return rows.suppressed_from(found[0]) if found else None

    def suppressed_among(self, channel: str, digests: Collection[bytes]) -> set[bytes]:
        """By the primary key."""
        members = self._database.members([digest.hex() for digest in digests])
        asked = {"channel": channel, "digests": members}
        found = self._queries.suppressed_among.fetch(self._connection, **asked)
        return {bytes.fromhex(digest) for (digest,) in found}

    def has_suppressed(self) -> bool:
        """Whether there is any."""
        return self._state().any_suppressed

    def has_run(self, rule: str, occasion: str) -> bool:
        """Whether a run was recorded."""
        found = self._queries.has_run.fetch(self._connection, rule=rule, occasion=occasion)
        return bool(found)

    def kept_versions(self, digests: Collection[str]) -> set[str]:
        """Those that are kept; what the process remembers is not asked for."""
        kept = self.cache.kept(self._connection, digests)
        if not kept.issuperset(digests):
            asked = set(digests) - kept
            members = self._database.members(asked)
            found = self._queries.kept_versions.fetch(self._connection, digests=members)
            self.cache.learned.rule_versions |= {str(digest) for (digest,) in found}
            kept |= self.cache.learned.rule_versions & asked
        return kept

    def rule_version(self, digest: str) -> bytes | None:
        """The source of a rule."""
        found = self._queries.rule_version.fetch(self._connection, digest=digest)
        return bytes(found[0][0]) if found else None

    def mark(self, name: str) -> int | None:
        """A number of the store's own."""
        found = self._queries.mark.fetch(self._connection, name=name)
        return int(found[0][0]) if found else None


def _ranges(
    needs: Sequence[HistoryNeed], numbers: dict[tuple[str, str], int]
) -> list[tuple[int, int, int]]:
    oldest: dict[tuple[int, int], int] = {}
    for need in needs:
        since = since_or_ever(need.since)
        for name in need.names:
            number = numbers.get((_TRACK, name))
            if number is not None:
                key = (need.owner, number)
                oldest[key] = min(since, oldest.get(key, since))
    return [(owner, since, number) for (owner, number), since in oldest.items()]
