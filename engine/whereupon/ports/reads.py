"""The reads of a batch: everything that deciding about messages needs to know.

A read takes many keys at once, so that a batch costs a fixed number of queries, however large it is.
"""

from abc import abstractmethod
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from operator import attrgetter
from typing import Protocol, TypeVar

from whereupon.messages.model import MessageType
from whereupon.messages.times import FIRST_INSTANT
from whereupon.ports.types import HistoryNeed
from whereupon.records import (
    ALL_LIVE,
    Breaking,
    BroadcastRun,
    ClaimJob,
    ClaimRun,
    CountedSend,
    Delivery,
    Entry,
    Identifier,
    IdKind,
    Inert,
    KeysAsked,
    LastMessage,
    MessageName,
    OpenSkip,
    PastEntry,
    PastEvent,
    Person,
    RulePause,
    StoredMessage,
    SuppressedAddress,
    Timer,
    Tombstone,
    Twin,
)

R = TypeVar("R")


class Reads(Protocol):
    """What deciding a batch loads. A session sees what was committed before it, and its own writes.

    A method with a body is made of the others. A store overrides it where it can answer faster.
    """

    @property
    def asks_ahead(self) -> bool:
        """Whether `ahead` asks anything; otherwise its caller need not prepare reads."""
        return False

    def ahead(self, read: Callable[[], object]) -> None:
        """Let reads that will be made soon be asked together.

        A store that is a round trip away may run ``read`` now, which makes all of them, as far as they ask for rows, and
        keep the answers until the same reads are made. Each finds no rows now. Any other store does nothing.
        """
        del read

    # --- messages -----------------------------------------------------------------------------------

    def expect_messages(self, refs: Collection[str]) -> None:
        """Note that `known_messages` is asked about these behind `identifiers`; a store may read both in one go."""
        del refs

    @abstractmethod
    def known_messages(self, refs: Collection[str]) -> set[str]:
        """The messages among these (see `ref_of`) that are recorded, or were recorded and then erased."""
        ...

    @abstractmethod
    def twins(self, refs: Collection[str]) -> dict[str, Twin]:
        """What is recorded of these messages, by reference, to be compared with a second one."""
        ...

    @abstractmethod
    def messages(self, keys: Collection[int]) -> list[StoredMessage]:
        """The messages with these keys, in any order."""
        ...

    @abstractmethod
    def owned_messages(
        self, owners: Collection[int], since: datetime, limit: int | None = None
    ) -> list[StoredMessage]:
        """Messages whose owner is one of these keys, from ``since`` on, by timestamp then key.

        Args:
            owners: keys of persons and anonymous ids.
            since: the oldest timestamp.
            limit: if given, any so many of them.
        """
        ...

    def live_messages(
        self,
        owners: Collection[int],
        since: datetime,
        left_out: Inert,
        limit: int | None = None,
    ) -> list[StoredMessage]:
        """Messages as `owned_messages` finds them, without inert ones.

        Args:
            owners: keys of persons and anonymous ids.
            since: the oldest timestamp.
            left_out: the inert messages.
            limit: if given, any so many of them.
        """
        owned = self.owned_messages(owners, since)
        live = (m for m in owned if not left_out.covers((m.type, m.name), m.timestamp))
        return list(islice(live, limit))

    def owned_counts(
        self,
        owners: Collection[int],
        since: datetime,
        until: datetime,
        left_out: Inert = ALL_LIVE,
    ) -> dict[int, dict[MessageName, int]]:
        """The number of messages of each name, by owner. Owners and names without any are left out.

        Args:
            owners: keys of persons and anonymous ids.
            since: the oldest timestamp.
            until: the newest timestamp.
            left_out: messages that are not counted.
        """
        counts: dict[int, Counter[MessageName]] = defaultdict(Counter)
        for message in self.live_messages(owners, since, left_out):
            if message.timestamp <= until:
                counts[message.owner][message.type, message.name] += 1
        return {owner: dict(of_one) for owner, of_one in counts.items()}

    def waiting_messages(
        self, owner: int, after: tuple[datetime, int], until: datetime, limit: int
    ) -> list[StoredMessage]:
        """The next messages of one owner, by timestamp then key, behind those two and up to ``until``."""
        owned = self.owned_messages([owner], after[0])
        behind = (m for m in owned if after < (m.timestamp, m.key) and m.timestamp <= until)
        return list(islice(behind, limit))

    def history(self, needs: Sequence[HistoryNeed]) -> list[PastEvent]:
        """The track messages that the needs name, by timestamp then key."""
        found: dict[int, StoredMessage] = {}
        for need in needs:
            owned = self.owned_messages([need.owner], need.since or FIRST_INSTANT)
            named = (m for m in owned if m.name in need.names and m.type is MessageType.TRACK)
            found |= {message.key: message for message in named}
        events = sorted(found.values(), key=lambda message: (message.timestamp, message.key))
        return [
            PastEvent(m.owner, m.name, m.timestamp, m.body, m.key, m.message_id) for m in events
        ]

    def last_messages(
        self, breaking: Breaking, since: Mapping[int, datetime]
    ) -> dict[int, LastMessage]:
        """The last message of each person that breaks a silence; persons without one are left out.

        Args:
            breaking: the messages that do.
            since: by the person's key, the oldest timestamp that matters.
        """
        found: dict[int, LastMessage] = {}
        for key, oldest in since.items():
            owned = reversed(self.owned_messages([key], oldest))
            last = next(
                (m for m in owned if breaking.covers(m.type, m.name, m.message.depth)), None
            )
            if last is not None:
                found[key] = LastMessage(key, last.timestamp, last.name)
        return found

    # --- people -------------------------------------------------------------------------------------

    @abstractmethod
    def identifiers(
        self, user_ids: Collection[str], anonymous_ids: Collection[str]
    ) -> list[Identifier]:
        """The identifiers with these values."""
        ...

    def identifiers_of(self, keys: Collection[int]) -> list[Identifier]:
        """Every user id of these persons, and every anonymous id that they have claimed."""
        claimed = {claim.anonymous_key for key in keys for claim in self.scan(ClaimRun, key)}
        sought = ((IdKind.USER, set(keys)), (IdKind.ANONYMOUS, claimed))
        found = (
            (kind, each) for kind, of in sought for k in of for each in self.scan(Identifier, k)
        )
        return [identifier for kind, identifier in found if identifier.kind is kind]

    @abstractmethod
    def persons(self, keys: Collection[int]) -> list[Person]:
        """The persons with these keys."""
        ...

    @abstractmethod
    def claims(self, anonymous_keys: Collection[int]) -> list[ClaimRun]:
        """Every run of claims of these anonymous ids, by `since` then anonymous key."""
        ...

    def claims_near(self, spans: Mapping[int, tuple[datetime, datetime]]) -> list[ClaimRun]:
        """The runs of claims that reach into a span of time, and one run before and one behind it.

        Args:
            spans: by anonymous key, the first and the last instant; both belong to the span.

        Returns:
            By `since` then anonymous key; the runs of one anonymous id never overlap.
        """
        found: list[ClaimRun] = []
        for key, (since, until) in spans.items():
            runs = self.claims([key])
            first = sum(run.until < since for run in runs)
            last = sum(run.since <= until for run in runs)
            found += runs[max(first - 1, 0) : last + 1]
        return sorted(found, key=lambda claim: (claim.since, claim.anonymous_key))

    def claim_jobs(
        self, person_keys: Collection[int], anonymous_keys: Collection[int]
    ) -> list[ClaimJob]:
        """Unfinished claims by these persons or of these anonymous ids, by anonymous key."""
        found = [
            claim
            for claim in self.scan(ClaimJob)
            if claim.person_key in person_keys or claim.anonymous_key in anonymous_keys
        ]
        return sorted(found, key=lambda claim: claim.anonymous_key)

    def tombstones(self, digests: Collection[bytes]) -> list[Tombstone]:
        """Every tombstone of these digests."""
        return [each for each in self.scan(Tombstone) if each.digest in digests]

    def tombstones_laid_with(self, digests: Collection[bytes]) -> list[Tombstone]:
        """Every tombstone that was laid together with a tombstone of these digests."""
        together = {each.of for each in self.tombstones(digests)}
        return [each for each in self.scan(Tombstone) if each.of in together]

    def has_tombstones(self) -> bool:
        """Whether there is any. Every batch asks; most batches then need no digests."""
        return any(True for _ in self.scan(Tombstone))

    # --- entries and rules --------------------------------------------------------------------------

    def past_entries(
        self,
        rules: Collection[str],
        person_keys: Collection[int],
        since: datetime | None = None,
        asked: KeysAsked | None = None,
    ) -> list[PastEntry]:
        """Running and ended entries of these persons in these rules.

        Args:
            rules: their ids.
            person_keys: the persons.
            since: the oldest timestamp of an opening message; None for all.
            asked: if given, entries that it does not concern are left out (see `KeysAsked.concerns`).
        """
        wanted = frozenset(rules)
        return [
            PastEntry(e.rule, key, e.timestamp, e.slot, e.is_inside, e.occasion)
            for key in set(person_keys)
            for e in self.scan(Entry, key)
            if e.rule in wanted
            and (since is None or e.timestamp >= since)
            and (asked is None or asked.concerns(e.rule, e.slot))
        ]

    def active_entries(self, person_keys: Collection[int]) -> list[Entry]:
        """The entries of these persons that have not ended, running or paused."""
        theirs = (entry for key in set(person_keys) for entry in self.scan(Entry, key))
        return [entry for entry in theirs if entry.is_inside]

    def ended_entries(
        self, rules: Collection[str], person_keys: Collection[int], since: datetime
    ) -> list[Entry]:
        """The entries of these persons in these rules that have ended after an instant, by key."""
        theirs = (entry for key in set(person_keys) for entry in self.scan(Entry, key))
        ended = (e for e in theirs if e.rule in rules and e.ended is not None)
        late = [e for e in ended if e.ended is not None and e.ended.at > since]
        return sorted(late, key=attrgetter("key"))

    def watched_entries(self, person_keys: Collection[int], since: datetime) -> list[Entry]:
        """The entries of these persons that have ended, and are watched for a goal up to that instant or longer."""
        owned = (entry for key in set(person_keys) for entry in self.scan(Entry, key))
        ended = (entry for entry in owned if not entry.is_inside)
        return [e for e in ended if e.watched_until is not None and e.watched_until >= since]

    def watched_versions(self) -> set[str]:
        """The digests of the rule versions that entries follow which are watched for a goal, ended or not."""
        return {each.digest for each in self.scan(Entry) if each.watched_until is not None}

    def entries(self, keys: Collection[int]) -> list[Entry]:
        """The entries with these keys, in any order."""
        return [entry for entry in self.scan(Entry) if entry.key in set(keys)]

    def open_skips(self, person_keys: Collection[int], since: datetime) -> list[OpenSkip]:
        """The skips of these persons that are still open at an instant, by message and rule."""
        theirs = (each for key in set(person_keys) for each in self.scan(OpenSkip, key))
        return sorted((s for s in theirs if s.until >= since), key=attrgetter("place"))

    def timers(self, person_keys: Collection[int], until: datetime) -> list[Timer]:
        """The timers of these persons due at an instant or before, by due time, person and subject."""
        theirs = (each for key in set(person_keys) for each in self.scan(Timer, key))
        due = [each for each in theirs if each.due_at <= until]
        return sorted(due, key=attrgetter("due_at", "person_key", "subject"))

    def rule_pauses(self) -> list[RulePause]:
        """The rules that operators have paused, and not resumed, by id."""
        return sorted(pause for pause in self.scan(RulePause) if pause.sweep is None)

    def resumed_rules(self) -> list[RulePause]:
        """The rules that were resumed, while deliveries are still paused for them, by id."""
        return sorted(pause for pause in self.scan(RulePause) if pause.sweep is not None)

    def run(self, rule: str, occasion: str) -> BroadcastRun | None:
        """A broadcast's run for that occasion, done or not."""
        same = (r for r in self.scan(BroadcastRun) if (r.rule, r.occasion) == (rule, occasion))
        return next(same, None)

    def has_run(self, rule: str, occasion: str) -> bool:
        """Whether a broadcast's run for that occasion is recorded, done or not."""
        return self.run(rule, occasion) is not None

    # --- deliveries and addresses -------------------------------------------------------------------

    def deliveries_by_key(self, keys: Collection[str]) -> list[Delivery]:
        """The deliveries that there are of these idempotency keys, in any order."""
        return [each for each in self.scan(Delivery) if each.idempotency_key in set(keys)]

    def counted_sends(self, person_keys: Collection[int], since: datetime) -> list[CountedSend]:
        """The sends of these persons that count under caps, in any order.

        Args:
            person_keys: the persons.
            since: only sends with a later `CountedSend.at`.
        """
        theirs = (each for key in set(person_keys) for each in self.scan(Delivery, key))
        counted = (CountedSend.of(each) for each in theirs if each.due_at > since)
        return [send for send in counted if send is not None]

    def suppressed(self, channel: str, digests: Collection[bytes]) -> SuppressedAddress | None:
        """The suppressed address of a channel that one of these hashes stands for; None if none does."""
        found = (
            each
            for each in self.scan(SuppressedAddress)
            if each.channel == channel and each.digest in set(digests)
        )
        return min(found, key=lambda each: (each.since, each.digest), default=None)

    def suppressed_among(self, channel: str, digests: Collection[bytes]) -> set[bytes]:
        """The hashes among these that stand for suppressed addresses of a channel."""
        wanted = {(channel, digest) for digest in digests}
        every = ((each.channel, each.digest) for each in self.scan(SuppressedAddress))
        return {digest for of, digest in every if (of, digest) in wanted}

    def has_suppressed(self) -> bool:
        """Whether any address is suppressed."""
        return any(True for _ in self.scan(SuppressedAddress))

    @abstractmethod
    def kept_versions(self, digests: Collection[str]) -> set[str]:
        """The digests among these under which a rule version is kept. Every batch asks."""
        ...

    @abstractmethod
    def versions_of(self, rule: str) -> set[str]:
        """The digests of all versions of a rule that are kept."""
        ...

    @abstractmethod
    def rule_version(self, digest: str) -> bytes | None:
        """The source of a rule, as it was when it was first used under that digest."""
        ...

    @abstractmethod
    def mark(self, name: str) -> int | None:
        """A number that the store keeps for the engine under that name."""
        ...

    # --- everything ---------------------------------------------------------------------------------

    @abstractmethod
    def scan(self, kind: type[R], person_key: int | None = None) -> Iterable[R]:
        """Every record of a kind, in any order; or those of one person. It may take long.

        Args:
            kind: a class of `records` that a store keeps, such as `Entry` or `Request`.
            person_key: the person, for `StoredMessage`, `Skips`, `Identifier`, `Person`, `ClaimRun`,
                `Entry`, `Delivery`, `Device` and `Relationship`. A message and its skips are the
                owner's; an anonymous id is found by its own key. None for all records. Skips are those of the
                message's record and those that its row says (see `SkippedList`), if they are not gone.
        """
        ...
