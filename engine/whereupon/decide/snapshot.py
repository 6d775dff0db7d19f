"""What goes into the fold, and what comes out: values."""

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import TypeAlias

from whereupon.decide.decision_list import Decisions, Skipped
from whereupon.decide.decisions import Decision
from whereupon.guards.judge import Policy, default_policy
from whereupon.identity.algebra import IdentityPolicy
from whereupon.matching import RuleList
from whereupon.messages.semantic_events import Registry
from whereupon.records import (
    ALL_LIVE,
    Breaker,
    Changes,
    ClaimJob,
    ClaimRun,
    Delivery,
    Device,
    Entry,
    EntryEnd,
    EntryState,
    Identifier,
    Inert,
    MessageName,
    PastEntry,
    PastEvent,
    Person,
    PersonFootprint,
    Relationship,
    Request,
    SetAside,
    StoredMessage,
    Tombstone,
    Twin,
)
from whereupon.rules.model import Limit, Rule


@dataclass(frozen=True, slots=True)
class Settings:
    """What the host decides once: identity's windows, the actions, the keys of its hashes.

    Attributes:
        digest_key: the host's secret; without one, whoever reads the store can test guesses.
        former_keys: earlier ones, under which tombstones may still lie.
    """

    identity: IdentityPolicy = field(default_factory=IdentityPolicy)
    registry: Registry = field(default_factory=Registry)
    policies: Mapping[str, Policy] = field(default_factory=dict)
    digest_key: bytes = field(default=b"", repr=False)
    former_keys: tuple[bytes, ...] = field(default=(), repr=False)

    def policy_on(self, action: str) -> Policy:
        """What the guard files say of an action, or else the product's own word."""
        return self.policies.get(action) or default_policy(action)

    def digest(self, kind: str, value: str) -> bytes:
        """The keyed hash (HMAC-SHA256, cut to 16 bytes) that stands for an identifier."""
        return _digest(self.digest_key, kind, value)

    def digests(self, kind: str, value: str) -> list[bytes]:
        """What stands, or stood under a former key or before version 0005, for an identifier."""
        keys = (self.digest_key, *self.former_keys)
        return [
            hashed for key in keys for hashed in (_digest(key, kind, value), _old(key, kind, value))
        ]


def _digest(key: bytes, kind: str, value: str) -> bytes:
    text = f"{kind}:{value}".encode("utf-8", "replace")
    return hmac.digest(key, text, "sha256")[:16]


def _old(key: bytes, kind: str, value: str) -> bytes:
    """The hash that tombstones were kept under before the tables' version 0005."""
    text = f"{kind}:{value}".encode("utf-8", "replace")
    return blake2b(text, key=key[:64], digest_size=16).digest()


@dataclass(slots=True)
class GuardSnapshot:
    """What is loaded where a batch asks for something destructive; empty for every other batch.

    Attributes:
        breakers: every guard file's breaker that was ever opened.
        spent: how many ran within the window of each limit; by limit, and source where it counts.
        footprints: by person key, of those whom the batch may erase or merge.
        open_requests: requests that wait, of those whom the batch may erase.
        devices, objects, relationships: those that the batch may delete, as far as they are there.
        near: by an id that nobody has, one that differs by case or white space only.
    """

    breakers: dict[str, Breaker] = field(default_factory=dict)
    spent: dict[tuple[Limit, str], int] = field(default_factory=dict)
    people: int = 0
    footprints: dict[int, PersonFootprint] = field(default_factory=dict)
    open_requests: list[Request] = field(default_factory=list)
    devices: dict[str, Device] = field(default_factory=dict)
    objects: set[tuple[str, str]] = field(default_factory=set)
    relationships: set[Relationship] = field(default_factory=set)
    near: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Snapshot:
    """What was read from the store for one batch. The fold reads it and leaves it as it is.

    Attributes:
        first_key, keys: the first of the keys reserved for this batch, and how many there are.
        alike: known user ids that those of a small batch are like, but for their spelling.
        anonymous_messages: by anonymous key, where the batch may claim: the messages that wait; and,
            where a claim comes out of order or a message late, those that were claimed already.
        inert: which waiting messages were not loaded, of those anonymous ids that ``partly`` names: they
            have no effect when they are claimed.
        partly: how many of them campaigns name, by anonymous key and by name.
        chunked_id: the anonymous id of which more wait than one batch is to put to the rules: its claim is
            only begun (see `ClaimJob`).
        points: the single claims inside a run that the batch may split, by anonymous key.
        rule_versions: rules that running entries still follow, though the rulebook has newer ones.
        given_up: keys of entries that could not be woken, to be ended, of claimed messages that are put to
            no rule, and of persons who are to be left out of a broadcast, since the fold fails on them.
    """

    first_key: int
    keys: int
    known: set[str] = field(default_factory=set)
    twins: dict[str, Twin] = field(default_factory=dict)
    alike: list[str] = field(default_factory=list)
    users: dict[str, int] = field(default_factory=dict)
    anonymous: dict[str, int] = field(default_factory=dict)
    persons: dict[int, Person] = field(default_factory=dict)
    identifiers_of: list[Identifier] = field(default_factory=list)
    claims: dict[int, tuple[ClaimRun, ...]] = field(default_factory=dict)
    anonymous_messages: dict[int, list[StoredMessage]] = field(default_factory=dict)
    inert: Inert = ALL_LIVE
    partly: dict[int, dict[MessageName, int]] = field(default_factory=dict)
    chunked_id: str | None = None
    points: dict[int, list[ClaimRun]] = field(default_factory=dict)
    history: list[PastEvent] = field(default_factory=list)
    past_entries: list[PastEntry] = field(default_factory=list)
    active: list[Entry] = field(default_factory=list)
    tombstones: list[Tombstone] = field(default_factory=list)
    has_tombstones: bool = True
    guards: GuardSnapshot = field(default_factory=GuardSnapshot)
    rule_versions: dict[str, Rule] = field(default_factory=dict)
    given_up: set[int] = field(default_factory=set)

    @property
    def claimable(self) -> int:
        """How many messages the batch may put to the rules beside its own."""
        return sum(map(len, self.anonymous_messages.values()))


@dataclass(frozen=True, slots=True)
class ClaimChunk:
    """The next chunk of a claim.

    Attributes:
        own: the message that claims.
        is_last: whether nothing comes behind it.
    """

    job: ClaimJob
    own: StoredMessage
    is_last: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """Something worth a human's look that changed nothing, such as a near miss of a name."""

    code: str
    message_id: str
    message: str


@dataclass(frozen=True, slots=True)
class Ended:
    """An entry that ended before its last step was done.

    Attributes:
        person: the first user id.
        message_id: what opened the entry, as of its decision.
    """

    rule: str
    person: str
    message_id: str
    entered_at: datetime
    state: EntryState
    end: EntryEnd


Emitted: TypeAlias = Decision | Delivery | Request | Notice | Ended
"""What the fold tells its caller."""


@dataclass(slots=True)
class BatchResult:
    """What one batch made: the changes to write, and what to tell the caller.

    Attributes:
        told: in the order in which it happened.
        rule_lists: those whose revisions the skips name, by revision; to be kept with the versions of their rules.
        accepted: messages from outside that were new; those that steps sent do not count.
        duplicates: the ids of messages that were recorded already.
        set_aside: by their places in the batch, messages on which the fold itself failed.
        left: how many messages, at the batch's end, were left to another transaction.
        alike: of ids that differ by their spelling only; apart, since which of them are seen together
            depends on what the batch names.
    """

    changes: Changes = field(default_factory=Changes)
    emitted: list[Emitted | Skipped] = field(default_factory=list)
    rule_lists: dict[str, RuleList] = field(default_factory=dict)
    accepted: int = 0
    duplicates: list[str] = field(default_factory=list)
    new_persons: int = 0
    set_aside: dict[int, SetAside] = field(default_factory=dict)
    left: int = 0
    alike: list[Notice] = field(default_factory=list)

    def join(self, part: "BatchResult", *, begun: int = 0) -> None:
        """Add what the next part of the same batch made; its changes are written already.

        Args:
            part: what it made.
            begun: where in the batch the part begins.
        """
        self.set_aside |= {begun + place: aside for place, aside in part.set_aside.items()}
        self.emitted += part.emitted
        self.alike += part.alike
        self.accepted += part.accepted
        self.duplicates += part.duplicates
        self.new_persons += part.new_persons
        self.rule_lists |= part.rule_lists
        self.left = part.left
        self.changes.rule_versions |= part.changes.rule_versions
        self.changes.claim_jobs |= part.changes.claim_jobs

    def records(self) -> Iterator[Emitted]:
        """What is told, piece by piece, every decision among it."""
        for told in self.emitted:
            if isinstance(told, Skipped):
                yield from told
            else:
                yield told

    @property
    def unfinished(self) -> list[int]:
        """The anonymous keys of claims that were only begun, or carried on but not to their end."""
        jobs = self.changes.claim_jobs
        return [key for key, job in jobs.items() if job is not None]

    @property
    def decisions(self) -> Decisions:
        """Every decision, in order; those that cost something are made when they are looked at."""
        return Decisions(self.emitted)


class PoisonError(Exception):
    """One message, entry or person on which the fold itself fails; the rest can be folded without.

    Attributes:
        message: the place in the batch of the message at fault; None where it is none of them.
        entry: the key of the entry that could not be woken.
        claimed: the key of the message that a claim brought in a chunk.
        person: the key of the person of a broadcast's audience.
        reason: what was raised, by its type and text, which may quote anything (see `cut_reason`).
    """

    def __init__(
        self,
        cause: Exception,
        *,
        message: int | None = None,
        entry: int | None = None,
        claimed: int | None = None,
        person: int | None = None,
    ) -> None:
        self.message = message
        self.entry = entry
        self.claimed = claimed
        self.person = person
        self.reason = f"{type(cause).__name__}: {cause}"
        super().__init__(self.reason)


class KeysExhausted(Exception):  # noqa: N818 - a signal to reserve more and fold again, no error
    """The batch needs more keys than were reserved for it."""
