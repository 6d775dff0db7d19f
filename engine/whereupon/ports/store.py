"""What the engine asks of the outside: a store, a clock, channels. The catalogue of ports.

A third party's store is right when it passes `whereupon.testing.contracts`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from pydantic import JsonValue

from whereupon.conditions.prefilter import Prefilter
from whereupon.ports.ledger import Ledger
from whereupon.records import (
    BroadcastRun,
    Changes,
    Claim,
    Claiming,
    Delivery,
    DeliveryState,
    Entry,
    Identifier,
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

T = TypeVar("T")


class Clock(Protocol):
    """Says what time it is."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...


Channel: TypeAlias = Callable[[Delivery], object]
"""Hands one delivery to the outside; raising means try again, `delivery.RetryLater` says when."""


@dataclass(frozen=True, slots=True)
class HistoryNeed:
    """Which past messages of one person (or anonymous id) a rule may ask about.

    Attributes:
        since: the oldest timestamp of interest; None for all.
    """

    owner: int
    names: frozenset[str]
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of one try at a delivery: what to write down."""

    key: int
    state: DeliveryState
    attempts: int
    due_at: datetime
    reason: str | None


NO_CHANNEL = "no-channel"
"""Why a delivery is held: no process that looked had its channel."""


class LeasedNow(NamedTuple):
    """A leased delivery as it is now, and its person.

    Attributes:
        state: what it is now; somebody may have settled or withheld it.
        due_at: when its lease ends; another instant than at first where somebody else has leased it.
        user_id: the person's first; None where there is no such person any more.
        attributes: the person's, as they are now; None likewise.
    """

    state: DeliveryState
    due_at: datetime
    user_id: str | None
    attributes: Mapping[str, JsonValue] | None


class DeadLetters(NamedTuple):
    """Which dead deliveries are meant: all, or those of a channel, of a rule, dead since an instant."""

    channel: str | None = None
    rule: str | None = None
    since: datetime | None = None


class Backlog(NamedTuple):
    """TextTest many deliveries are in a state that is not their end, or dead, by channel.

    Attributes:
        oldest: when the first of them was due, or died.
    """

    state: DeliveryState
    channel: str
    number: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Counts:
    """TextTest many of each the store holds, for summaries and tests."""

    messages: int
    persons: int
    entries: int
    deliveries: int


class Stretch(NamedTuple):
    """Persons on the way through all of them, by key.

    Attributes:
        cursor: the key of the last who was looked at; None when nobody comes after.
    """

    persons: list[Person]
    cursor: int | None


class Session(Protocol):
    """One transaction. Reads see what was committed before, and nothing is written until `flush`.

    All reads take many keys at once: a batch costs a fixed number of rounds, however large it is.
    """

    @property
    def ledger(self) -> Ledger:
        """What is kept for the guarded registry."""
        ...

    def allocate(self, count: int) -> int:
        """Reserve ``count`` keys that no one gets again; returns the first."""
        ...

    def hold(
        self,
        persons: Collection[int],
        anonymous: Collection[int],
        unknown: Collection[str] = (),
    ) -> bool:
        """Keep these persons and anonymous ids, by their keys, from other writers until the end.

        Asked again for no more than it holds, or where there are no other writers, it answers False.

        Args:
            persons: keys of persons.
            anonymous: keys of anonymous ids.
            unknown: user ids that nobody has, which nobody else is to get meanwhile either.

        Returns:
            Whether what was read of them before may be old: then read it again, and hold what that names.
            Where they turn out to be more, the store may give the transaction up (see `Store.transact`).
        """
        ...

    def known_messages(self, refs: Collection[str]) -> set[str]:
        """Those of the messages (see `ref_of`) that are recorded already, or were until they were erased."""
        ...

    def twins(self, refs: Collection[str]) -> dict[str, Twin]:
        """What is recorded of these messages, to be compared with what comes again."""
        ...

    def identifiers(
        self, user_ids: Collection[str], anonymous_ids: Collection[str]
    ) -> list[Identifier]:
        """What is known of these ids."""
        ...

    def identifiers_of(self, keys: Collection[int]) -> list[Identifier]:
        """Every user id of these persons, and every anonymous id that they have claimed."""
        ...

    def persons(self, keys: Collection[int]) -> list[Person]:
        """These persons."""
        ...

    def persons_after(self, key: int, limit: int) -> list[Person]:
        """The next persons by key."""
        ...

    def take_audience(self, after: int, limit: int, prefilter: Prefilter, reach: int) -> Stretch:
        """Of the ``reach`` persons who come next by key, the first who pass a prefilter.

        They are as they are now, and held from now on.

        Args:
            after: the key behind which to begin.
            limit: how many at most.
            prefilter: every person who passes it is among them; others may be, if a store is not sure.
        """
        ...

    def claims(self, anonymous_keys: Collection[int]) -> list[Claim]:
        """Every run of claims of these anonymous ids, by `since`."""
        ...

    def claims_near(self, spans: Mapping[int, tuple[datetime, datetime]]) -> list[Claim]:
        """The runs of claims that reach into a span of time, the one before it and the one behind it.

        How many others there are does not make the answer slower.

        Args:
            spans: by anonymous key, the first and the last instant; both belong to the span.

        Returns:
            By `since`; the runs of one anonymous id never overlap.
        """
        ...

    def owned_messages(
        self, owners: Collection[int], since: datetime, limit: int | None = None
    ) -> list[StoredMessage]:
        """Messages whose owner is one of these keys, from ``since`` on, by timestamp then key.

        Args:
            owners: keys of persons and anonymous ids.
            since: from when on.
            limit: not all of them, but any so many.
        """
        ...

    def owned_counts(self, owners: Collection[int], since: datetime) -> dict[int, int]:
        """TextTest many messages, from ``since`` on, each of these keys owns that owns any."""
        ...

    def waiting_messages(
        self, owner: int, after: tuple[datetime, int], until: datetime, limit: int
    ) -> list[StoredMessage]:
        """The next messages of one owner, by timestamp then key, behind those two and up to ``until``."""
        ...

    def messages(self, keys: Collection[int]) -> list[StoredMessage]:
        """These messages."""
        ...

    def claimings(
        self, person_keys: Collection[int], anonymous_keys: Collection[int]
    ) -> list[Claiming]:
        """Claims by these persons, or of these anonymous ids, that are being carried out."""
        ...

    def due_claimings(self, until: datetime, limit: int) -> list[Claiming]:
        """Those that nobody seems to be at, due at ``until`` or before, by due time."""
        ...

    def history(self, needs: Sequence[HistoryNeed]) -> list[PastEvent]:
        """Track messages that the needs name, by timestamp then key."""
        ...

    def past_entries(
        self,
        rules: Collection[str],
        person_keys: Collection[int],
        since: datetime | None = None,
        asked: KeysAsked | None = None,
    ) -> list[PastEntry]:
        """Entries, running or ended, of these persons in these rules, by messages from ``since`` on.

        Args:
            rules: their ids.
            person_keys: whose.
            since: None for all.
            asked: what it says does not matter is left out (see `KeysAsked.concerns`).
        """
        ...

    def active_entries(self, person_keys: Collection[int]) -> list[Entry]:
        """Entries of these persons that are still running."""
        ...

    def waiting_versions(self) -> list[WaitingVersion]:
        """The rule versions that have running entries, by digest."""
        ...

    def count_entries(self, digests: Collection[str]) -> dict[str, int]:
        """TextTest many running entries these rule versions have; those without are left out."""
        ...

    def due_entries(
        self, until: datetime, limit: int, versions: Collection[str] | None = None
    ) -> list[Entry]:
        """Running entries due at ``until`` or before, by due time then key.

        Args:
            until: an instant.
            limit: how many at most.
            versions: the digests of the rule versions that are meant; None for all. What others have
                due does not make the answer slower.
        """
        ...

    def take_due_entries(
        self, until: datetime, limit: int, versions: Collection[str] | None = None
    ) -> list[Entry]:
        """The same, but only of persons whom no other writer holds; they are held from now on.

        With ``versions`` a store may share the limit among them, and give fewer than are due.
        """
        ...

    def next_due(self, channels: Collection[str] | None = None) -> datetime | None:
        """When the next unfinished claim or pending delivery is due.

        Args:
            channels: those whose deliveries count; None for all.
        """
        ...

    def has_tombstones(self) -> bool:
        """Whether there is any at all; asked for every batch, so that most need no digests."""
        ...

    def tombstones(self, digests: Collection[bytes]) -> list[Tombstone]:
        """Every tombstone of these digests."""
        ...

    def buried_with(self, digests: Collection[bytes]) -> list[Tombstone]:
        """Every tombstone that was laid together with one of these digests'."""
        ...

    def due_runs(self, until: datetime) -> list[BroadcastRun]:
        """Broadcast runs that are not done, due at ``until`` or before, by due time."""
        ...

    def take_run(self, run: BroadcastRun) -> BroadcastRun | None:
        """The run as it is now, kept from others until the end; None when it is done, or theirs."""
        ...

    def hold_runs(self) -> list[BroadcastRun]:
        """Every broadcast run that is not done, by due time; until the end nobody adds or sends one.

        It comes before anything else is held.
        """
        ...

    def has_run(self, rule: str, occasion: str) -> bool:
        """Whether a broadcast's run of that occasion was recorded, done or not."""
        ...

    def waiting_runs(self) -> list[BroadcastRun]:
        """Every broadcast run that is not done, by due time."""
        ...

    def kept_wordings(self, digests: Collection[str]) -> set[str]:
        """Those of the digests under which a rule's source is kept; asked for every batch."""
        ...

    def wording(self, digest: str) -> bytes | None:
        """The source of the rule of that digest, as it was first used."""
        ...

    def lease_deliveries(
        self,
        until: datetime,
        leased_until: datetime,
        limit: int,
        channels: Collection[str] | None = None,
    ) -> list[Delivery]:
        """Take pending deliveries due at ``until`` or before, by due time then key; then held ones.

        Each is put off to ``leased_until``, so that nobody else takes it meanwhile and a crash
        between the taking and the settling only delays it.

        Args:
            channels: those that this process has; None for all.
        """
        ...

    def hold_deliveries(
        self, until: datetime, channels: Collection[str], limit: int
    ) -> dict[str, int]:
        """Hold pending deliveries due by ``until`` of other channels than these; how many of each."""
        ...

    def leased_now(self, key: int) -> LeasedNow | None:
        """A leased delivery and its person as they are now; None where it is there no more."""
        ...

    def settle(self, settlements: Iterable[Settlement]) -> None:
        """Write down the end of tries: of what is still pending, for it may be withheld meanwhile."""
        ...

    def revive(self, key: int, due_at: datetime) -> bool:
        """Make a dead delivery pending again, as if it had never been tried; False where it is not dead."""
        ...

    def dead(self, which: DeadLetters) -> int:
        """TextTest many dead deliveries are meant."""
        ...

    def revive_some(self, which: DeadLetters, due_at: datetime, limit: int) -> int:
        """Make so many dead deliveries pending again, as with `revive`; how many there were."""
        ...

    def backlog(self) -> list[Backlog]:
        """TextTest many deliveries are pending, held and dead, by channel."""
        ...

    def flush(self, changes: Changes) -> None:
        """Write a batch's changes. The erasing of forgotten persons comes first, merges second.

        Raises:
            StoreError: with the code ``conflict``, when what is new in them is there already.
        """
        ...

    # What people ask afterwards.

    def decided(
        self, person_key: int, rule: str, limit: int
    ) -> list[tuple[StoredMessage | None, Entry | Skips]]:
        """A person's decisions for a rule, newest message first: the entry, or the message's skips."""
        ...

    def merges(self, person_keys: Collection[int]) -> list[Merge]:
        """By which merges these persons got what others had, oldest first."""
        ...

    def claimed_messages(self, person_key: int, limit: int) -> list[StoredMessage]:
        """The messages that claims made a person's, newest first by timestamp then key."""
        ...

    def decided_on(self, person_key: int, message_keys: Collection[int]) -> list[Entry | Skips]:
        """What these messages of a person's led to: the entries, then the skips, by message key."""
        ...

    def deliveries(self, states: Collection[DeliveryState], limit: int) -> list[Delivery]:
        """Deliveries in these states, newest first."""
        ...

    def deliveries_of(self, person_key: int, occasions: Collection[str]) -> list[Delivery]:
        """What entries of a person's that these occasions opened sent, or were to send, oldest first."""
        ...

    def runs_of(self, rule: str, limit: int) -> list[BroadcastRun]:
        """A broadcast's runs, done or not, newest first by timestamp then occasion."""
        ...

    def set_aside(self, limit: int) -> list[SetAside]:
        """Messages that were set aside and are not recorded yet, newest first."""
        ...

    def let_go(self, bygones: RetentionCutoff, after: int, reach: int) -> PruneStep:
        """Drop what is done with and old; what another writer holds stays for another time.

        Args:
            bygones: what.
            after: the key behind which to look.
            reach: among how many rows at most; the answer's cursor is where to go on.
        """
        ...

    def count_bygones(self, bygones: RetentionCutoff) -> PruneStep:
        """TextTest much `let_go` would drop in all."""
        ...

    def counts(self) -> Counts:
        """TextTest many of each there are."""
        ...


class Watch(Protocol):
    """Looks, in a thread of its own, whether other processes change the store."""

    @property
    def is_alive(self) -> bool:
        """Whether it looks; in a child after a fork it does not."""
        ...

    def stop(self) -> None:
        """End, and let go of what it holds; stopping twice is stopping once."""
        ...


class Store(Protocol):
    """Where everything is kept. Any number of threads may ask for sessions."""

    def session(self, connection: object = None) -> AbstractContextManager[Session]:
        """A transaction, committed at the end of the block and rolled back by an exception.

        Args:
            connection: the host's own (an SQLAlchemy ``Connection``, or one of the driver), whose
                transaction is then used
                and neither committed nor rolled back here.
        """
        ...

    def reading(self) -> AbstractContextManager[Session]:
        """A transaction in which nothing is written; where a store can, it waits for no writer."""
        ...

    def watch(self, changed: Callable[[], object]) -> Watch | None:
        """Call a function, soon, whenever another process may have made something due.

        It may be called more often than that. None where there are no other processes.
        """
        ...

    def scrub(self) -> bool:
        """Take the bytes of what was erased out of where a database leaves them.

        Waits for nobody. Returns whether nothing is left; if not, others were in the way.
        """
        ...

    def transact(self, work: Callable[[Session], T], *, alone: bool = False) -> T:
        """Do work in a transaction of the store's own, and return what it returns once it is committed.

        The work may be done in another thread, together with the work of others, each taken back
        alone when it raises; and more than once, from the start, when other writers were first. So
        it has no effect but on its session.

        Args:
            work: what to do.
            alone: it is one of many pieces: others come between, and share no transaction with it.

        Raises:
            StoreError: with the code ``busy``, when others were first again and again.
        """
        ...

    def close(self) -> None:
        """Let go of connections; every later call raises a `StoreError` with the code ``closed``."""
        ...
