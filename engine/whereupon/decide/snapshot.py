"""What is loaded from the store for one batch."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from whereupon.decide.evaluation import Evaluation
from whereupon.decide.guard_snapshot import NO_GUARDS, GuardSnapshot
from whereupon.messages.structs import Frozen, Unfrozen, field
from whereupon.records import (
    ALL_LIVE,
    BroadcastRun,
    ClaimJob,
    ClaimRun,
    CountedSend,
    Delivery,
    Entry,
    Identifier,
    Inert,
    LastMessage,
    MessageName,
    OpenSkip,
    PastEntry,
    PastEvent,
    Person,
    StoredMessage,
    Timer,
    Tombstone,
    Twin,
)
from whereupon.rules.model import Rule

NOTHING: Final[Mapping[Any, Any]] = MappingProxyType({})
"""What is loaded by key, where there is nothing."""


class GivenUp(set[int | tuple[int, str]]):
    """What the engine fails on: keys, and places of timers (see `Snapshot.given_up`)."""


class Snapshot(Unfrozen, kw_only=True):
    """What was read from the store for one batch; deciding does not change it.

    Attributes:
        first_key, keys: the first of the keys reserved for this batch, and how many there are.
        known, twins: the refs of this batch's messages that were recorded before, and what is known of them.
        alike: known user ids that differ from those of a small batch by their spelling only, if one of these is new.
        anonymous_messages: by anonymous key, if the batch may claim: the messages that wait. If a claim
            comes out of order or a message late, the messages that were claimed, too.
        inert: which waiting messages were not loaded, of those anonymous ids that ``partly`` names: they
            have no effect when they are claimed.
        partly: how many of them campaigns name, by anonymous key and by name.
        chunked_id: the anonymous id of which more wait than one batch is to put to the rules: its claim is
            only begun (see `ClaimJob`).
        single_claims: the claims inside a run that the batch may split, by anonymous key.
        open_skips: of the persons, each with its message; empty if no rule has `grace`.
        again: the messages that the last chunk of a claim decides once more.
        ended: entries that are over and may hear of a message that comes too late for them.
        timers: of the persons, those that are due by the end of the batch.
        timed_past: by person and subject, of whom all entries in the rule are loaded that time opens, and what last
            broke the silence; None if nothing did, as far back as matters.
        opens: whether time alone may let people into rules.
        opens_none: whether the batch's messages are known to open no rule, and to do nothing else that asks about
            earlier entries. They are plain then (see `TriggerMatch.is_plain`).
        arrived: by person, when the last of the messages arrived that came since a subject is armed.
        open_runs: the runs on each person's clock that are open or open soon, if a message may bring a person's turn nearer.
        until: up to when what is due is done, where that is earlier than what was asked for; None if it is not.
        ahead: events of a claim that a later chunk evaluates, by their new owner; they have happened already.
        rule_versions: versions that running entries still follow, though the rulebook has newer ones.
        deliveries: by idempotency key, those that the batch reports about.
        sends: what counts under caps for the persons; empty if the folder has none.
        paused: ids of the rules that operators have paused.
        given_up: keys of entries, claimed messages and persons of an audience, and places of timers, on which the
            engine fails. The entries are ended, the messages evaluated against no rule, the persons left out, and
            the timers removed.
    """

    first_key: int = 0
    keys: int = 0
    known: AbstractSet[str] = frozenset()
    twins: Mapping[str, Twin] = NOTHING
    alike: Sequence[str] = ()
    users: dict[str, int] = field(default_factory=dict)
    anonymous: dict[str, int] = field(default_factory=dict)
    persons: Mapping[int, Person] = NOTHING
    identifiers_of: Sequence[Identifier] = ()
    claims: Mapping[int, tuple[ClaimRun, ...]] = NOTHING
    anonymous_messages: dict[int, list[StoredMessage]] = field(default_factory=dict)
    inert: Inert = ALL_LIVE
    partly: dict[int, dict[MessageName, int]] = field(default_factory=dict)
    chunked_id: str | None = None
    single_claims: dict[int, list[ClaimRun]] = field(default_factory=dict)
    history: Sequence[PastEvent] = ()
    past_entries: list[PastEntry] = field(default_factory=list)
    active: Sequence[Entry] = ()
    ended: list[Entry] = field(default_factory=list)
    again: list[Evaluation] = field(default_factory=list)
    open_skips: list[tuple[OpenSkip, Evaluation]] = field(default_factory=list)
    timers: Sequence[Timer] = ()
    timed_past: dict[tuple[int, str], LastMessage | None] = field(default_factory=dict)
    opens: bool = True
    opens_none: bool = False
    arrived: Mapping[int, datetime] = NOTHING
    open_runs: Sequence[BroadcastRun] = ()
    until: datetime | None = None
    ahead: Sequence[PastEvent] = ()
    tombstones: list[Tombstone] = field(default_factory=list)
    has_tombstones: bool = True
    guards: GuardSnapshot = NO_GUARDS
    rule_versions: dict[str, Rule] = field(default_factory=dict)
    paused: frozenset[str] = frozenset()
    given_up: AbstractSet[int | tuple[int, str]] = frozenset()
    deliveries: Mapping[str, Delivery] = NOTHING
    sends: Sequence[CountedSend] = ()

    def opened(self) -> dict[int, dict[tuple[int, str], tuple[OpenSkip, Evaluation]]]:
        """The open skips by person, then by message and rule, each with a message that may be changed."""
        found: dict[int, dict[tuple[int, str], tuple[OpenSkip, Evaluation]]] = {}
        for skip, evaluation in self.open_skips:
            found.setdefault(skip.person_key, {})[skip.place] = skip, evaluation.copy()
        return found

    def tombstones_by_digest(self) -> dict[bytes, dict[bytes, Tombstone]]:
        """The tombstones by their digests, then by whose deletion laid them."""
        found: dict[bytes, dict[bytes, Tombstone]] = {}
        for tombstone in self.tombstones:
            found.setdefault(tombstone.digest, {})[tombstone.of] = tombstone
        return found

    @property
    def claimable(self) -> int:
        """How many messages the batch may evaluate beside its own."""
        waiting = self.anonymous_messages
        return sum(map(len, waiting.values())) if waiting else 0


class ClaimChunk(Frozen, frozen=True):
    """The next chunk of a claim.

    Attributes:
        own: the message that claims.
        is_last: whether nothing comes behind it.
        again: of the last chunk, by message key, the messages that are decided once more.
    """

    job: ClaimJob
    own: StoredMessage
    is_last: bool
    again: Mapping[int, Evaluation] = NOTHING
