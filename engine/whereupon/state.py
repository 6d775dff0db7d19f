"""What the engine remembers, as values: persons, claims, entries, deliveries, requests and the rest.

The store keeps these, the fold reads and makes them, nobody changes one in place. `Changes` is all
that one batch makes; a store writes it in one transaction or not at all. Keys are positive whole
numbers that the store hands out in blocks and never twice.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from pydantic import JsonValue

from whereupon.messages import Message, MessageType, Source

NOTHING: Mapping[str, JsonValue] = {}
"""The mapping that is empty; a `Mapping`, so that nobody writes to it."""
NO_STAMPS: Mapping[str, int] = {}
"""Of a person about whom nothing was said."""


class IdKind(StrEnum):
    """The two kinds of identifier of the Segment spec."""

    USER = "user"
    ANONYMOUS = "anonymous"


class Identifier(NamedTuple):
    """An id and what it stands for: a user id for a person, an anonymous id for itself.

    Attributes:
        key: of a user id, the person's key; of an anonymous id, a key of its own, under which its
            messages wait until they are claimed.
    """

    kind: IdKind
    value: str
    key: int


class Person(NamedTuple):
    """Somebody known.

    Attributes:
        user_id: the first one they were known by.
        stamps: for each attribute, when its value was said (microseconds since the epoch), so that
            the newest word wins whatever the order of arrival.
    """

    key: int
    user_id: str
    created_at: datetime
    attributes: Mapping[str, JsonValue] = NOTHING
    stamps: Mapping[str, int] = NO_STAMPS


class Claim(NamedTuple):
    """A run of claims of one anonymous id by one person, with nobody else's between.

    Attributes:
        since, until: the timestamps of the first and the last message of the run that carried both ids.
        message_id: the message that opened the run.
    """

    anonymous_key: int
    person_key: int
    since: datetime
    until: datetime
    message_id: str


class Claiming(NamedTuple):
    """A claim of many messages, which are put to the rules in parts; of an anonymous id one at a time.

    Attributes:
        message_key: of the message that claims; it is put to the rules in its turn.
        due_at: when somebody else carries on, should those who began it be gone.
        after: the timestamp and key of the last message that was looked at.
        is_chosen: whether all were looked at for the rules that take but one of a claim's messages.
        taken: the key of that one, by rule id, as far as they were.
        attributes: the person's as they claimed, by which that is found out.
        is_put: whether the message that claims was put to the rules.
        entered, left: the segments that the person entered and left by it.
    """

    anonymous_key: int
    person_key: int
    message_key: int
    due_at: datetime
    after: tuple[datetime, int]
    is_chosen: bool = True
    taken: Mapping[str, int] = NO_STAMPS
    attributes: Mapping[str, JsonValue] = NOTHING
    is_put: bool = False
    entered: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


class StoredMessage(NamedTuple):
    """A recorded message, and whose it is.

    Attributes:
        owner: the person whose it is; while it waits, the key of its anonymous id; 0 when it is
            nobody's (a semantic message, or one that a tombstone silenced): then it is a husk,
            without ids or a body.
        message: as it was accepted; how it came in (`Origin`) is not kept, and is `LIVE` again.
    """

    key: int
    owner: int
    message: Message

    @property
    def message_id(self) -> str:
        """Its message's."""
        return self.message.message_id

    @property
    def type(self) -> MessageType:
        """Its message's."""
        return self.message.type

    @property
    def name(self) -> str:
        """Its message's."""
        return self.message.name

    @property
    def user_id(self) -> str | None:
        """Its message's."""
        return self.message.user_id

    @property
    def anonymous_id(self) -> str | None:
        """Its message's."""
        return self.message.anonymous_id

    @property
    def target_id(self) -> str | None:
        """Its message's."""
        return self.message.target_id

    @property
    def timestamp(self) -> datetime:
        """Its message's."""
        return self.message.timestamp

    @property
    def body(self) -> bytes:
        """Its message's."""
        return self.message.body


def husk_of(message: Message) -> Message:
    """What is remembered of a message that is nobody's: that it was seen."""
    return message._replace(
        user_id=None, anonymous_id=None, target_id=None, original_timestamp=None, body=b""
    )


class PastEvent(NamedTuple):
    """One message of a person's history, as `performed` conditions count it."""

    owner: int
    name: str
    timestamp: datetime
    body: bytes


class EntryState(StrEnum):
    """Where an entry is: still running, or how it ended.

    ``failed``: a step raised what nobody expected.
    """

    ACTIVE = "active"
    COMPLETED = "completed"
    EXITED = "exited"
    FAILED = "failed"


class Entry(NamedTuple):
    """One person's run through one rule's steps.

    Attributes:
        entrant: the key of the person when they entered; `person_key` follows merges, this does not,
            so that the database's uniqueness needs no repair when two persons become one.
        occasion: what opened it: a message id, or a scheduled broadcast's rule and time.
        timestamp: when the opening message happened; windows of re-entry are measured on it.
        slot: the re-entry key; the database admits one entry per (rule, entrant, slot).
        position: the index of the next step.
        due_at: when the next step is due; None when the entry has ended.
        facts: what the templates see of the opening message: event, properties, context, timestamp.
    """

    key: int
    rule: str
    digest: str
    person_key: int
    entrant: int
    occasion: str
    timestamp: datetime
    entered_at: datetime
    retroactive: bool
    slot: str | None
    state: EntryState
    position: int
    due_at: datetime | None
    facts: Mapping[str, JsonValue]
    depth: int = 0
    message_key: int = 0

    def moved(
        self, slot: str | None, state: EntryState, position: int, due_at: datetime | None
    ) -> "Entry":
        """The entry further on; what `_replace` gives, at a third of its cost."""
        return Entry(*self[:9], slot, state, position, due_at, *self[13:])


class PastEntry(NamedTuple):
    """As much of an earlier entry as deciding about another needs."""

    rule: str
    person_key: int
    timestamp: datetime
    slot: str | None
    active: bool
    occasion: str


class DeliveryState(StrEnum):
    """Where a delivery is.

    ``withheld`` was never handed to a channel (the person is unsubscribed, a template's variable is
    missing); ``dead`` was given up after the last try.
    """

    PENDING = "pending"
    SENT = "sent"
    DEAD = "dead"
    WITHHELD = "withheld"


class Delivery(NamedTuple):
    """One message for a channel, in the outbox.

    Attributes:
        idempotency_key: the same for every try, and on every machine that folds the same messages.
        person: the person's first user id, for the channel to address.
        recipient: the person's attributes when it was made; event data never enters it.
        reason: why it is withheld or dead, or what the last try said.
    """

    key: int
    idempotency_key: str
    rule: str
    person_key: int
    person: str
    channel: str
    due_at: datetime
    content: Mapping[str, JsonValue]
    recipient: Mapping[str, JsonValue] = NOTHING
    state: DeliveryState = DeliveryState.PENDING
    reason: str | None = None
    attempts: int = 0
    message_id: str | None = None

    def with_key(self, key: int) -> "Delivery":
        """The delivery under a key of the store."""
        return Delivery(key, *self[1:])


SkipVerdict: TypeAlias = tuple[str, str, str, str | None, Mapping[str, JsonValue]]
"""One rule's no: rule, digest, reason, failing condition, values seen."""


class Others(NamedTuple):
    """One word for all rules of a roll that a message did not open, and that were not decided singly.

    Why each did not is found out again when somebody asks, from the stored message, the wording of
    the rule and what is kept here.

    Attributes:
        revision: the digest under which the roll is kept: its rules, their wordings, their order.
        kind: campaigns or broadcasts only; None for both.
        since, until: the places in the roll that are meant, from one up to another.
        decided: those between that are not meant: rules that were entered, or have a verdict.
        decided_at: microseconds since the epoch; with `retroactive` as of these rules.
        reason: the one for all; None where each has its own.
        person: the attributes that had a say, as they were.
    """

    revision: str
    kind: str | None
    since: int
    until: int
    decided: tuple[int, ...]
    decided_at: int
    retroactive: bool
    reason: str | None
    person: Mapping[str, JsonValue]

    def covers(self, place: int, kind: str) -> bool:
        """Whether the rule at that place, of that kind, is meant."""
        if self.kind not in {None, kind} or place in self.decided:
            return False
        return self.since <= place < self.until


class Skips(NamedTuple):
    """The skips that one message met, in one record (design §6: many, so compact).

    Attributes:
        verdicts: one a rule, of those that were decided singly.
        others: the rest of the rules that it was put to.
    """

    message_key: int
    person_key: int
    decided_at: datetime
    retroactive: bool
    verdicts: tuple[SkipVerdict, ...] = ()
    others: tuple[Others, ...] = ()

    def of_nobody(self, rules: Collection[str]) -> "Skips | None":
        """What of it was said when nobody was known yet; None if that is nothing.

        Args:
            rules: ids of those whose verdicts are about nobody: broadcasts.
        """
        verdicts = tuple(verdict for verdict in self.verdicts if verdict[0] in rules)
        others = tuple(others for others in self.others if not others.retroactive)
        left = self._replace(verdicts=verdicts, others=others, retroactive=False)
        return left if verdicts or others else None


class RequestOutcome(StrEnum):
    """Where a request is.

    ``held`` waits for somebody or for a time, ``approved`` for the host's handler; the others are the
    end, but ``failed``, which can be tried again.
    """

    RAN = "ran"
    HELD = "held"
    REFUSED = "refused"
    APPROVED = "approved"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    FAILED = "failed"
    UNDONE = "undone"

    @property
    def is_open(self) -> bool:
        """Whether it may still come to run by itself."""
        return self in {RequestOutcome.HELD, RequestOutcome.APPROVED}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a request would take away: how many rows of each table.

    Attributes:
        digest: names the action, whom and what it is about, and the counts; approvals are for it.
    """

    digest: str
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody agrees to a request as it was planned then."""

    request: int
    actor: str
    plan: str
    approved_at: datetime


@dataclass(frozen=True, slots=True)
class Request:
    """One asking for an action by a semantic event, and what became of it.

    Attributes:
        person: the user id that the message carried, if any.
        reason: the guard that held or refused it; None when it ran.
        detail: what the guard saw, where a reason alone does not say it.
        key: the store's number of it; people name it by that.
        asked_at: when it came in; cool-off and expiry count from here.
        requester: who asked for the person; None when they asked themselves.
        due_at: when it is looked at again by itself; None while it waits for somebody.
        expires_at: when it is given up; None when it has ended.
        plan: what it would take away, while it waits; what it took, when it ran.
        message: what was asked, to be judged again; None when the request has ended.
        attempts: how often the host's handler was called.
    """

    message_id: str
    action: str
    event: str
    person: str | None
    outcome: RequestOutcome
    reason: str | None
    timestamp: datetime
    decided_at: datetime
    source: Source
    detail: str | None = None
    key: int = 0
    asked_at: datetime | None = None
    requester: str | None = None
    due_at: datetime | None = None
    expires_at: datetime | None = None
    plan: Plan | None = None
    message: Message | None = None
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Breaker:
    """What stands open once a guard file's limit was passed, until a person closes it.

    Attributes:
        guard: the guard file's id.
        limit: the limit that was passed, in words.
        closed_at: None while it is open; what ran before that counts no more.
    """

    guard: str
    limit: str
    opened_at: datetime
    closed_at: datetime | None = None
    closed_by: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it holds what follows."""
        return self.closed_at is None


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One thing to be written into the audit log: a canonical JSON object, without personal data."""

    at: datetime
    request: int
    facts: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A record in its place of the chain.

    Attributes:
        sequence: counts up from 1, without gaps.
        previous, hash: hexadecimal; see `whereupon.audit`.
        record: the record as JSON text, exactly as it was hashed.
    """

    sequence: int
    previous: str
    record: str
    hash: str


@dataclass(frozen=True, slots=True)
class AuditHead:
    """Where the chain ends; `seal` keeps anybody without the host's key from moving it."""

    sequence: int
    hash: str
    seal: str


@dataclass(frozen=True, slots=True)
class Device:
    """A device that can be pushed to. One token belongs to one person: the last to register it."""

    token: str
    person_key: int
    platform: str | None
    attributes: Mapping[str, JsonValue]
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Thing:
    """An object that people relate to (a company, a course): a ``group`` call's target."""

    type_id: str
    object_id: str
    attributes: Mapping[str, JsonValue]
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Relationship:
    """A person's tie to an object."""

    person_key: int
    type_id: str
    object_id: str


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What is left of an identifier: messages up to ``until`` (or all, if None) are silenced.

    Attributes:
        digest: keyed hash of the identifier; the identifier itself is gone.
        of: that of the user id whose deletion or suppression laid it: what was laid together is lifted
            together. An id that two people had can have one of each.
        reason: ``deleted`` or ``suppressed``.
    """

    digest: bytes
    of: bytes
    until: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """A delivery's metric (opened, bounced, …) or an in-app content's action, as reported."""

    message_id: str
    kind: str
    subject: str
    metric: str
    person: str | None
    timestamp: datetime


@dataclass(frozen=True, slots=True)
class Merge:
    """Two persons became one, by which message."""

    survivor_key: int
    loser_key: int
    loser: str
    message_id: str
    merged_at: datetime


@dataclass(frozen=True, slots=True)
class BroadcastRun:
    """One sending of a broadcast to its audience, in chunks that survive a restart.

    Attributes:
        occasion: the triggering message's id, or the rule and the scheduled time; unique.
        cursor: the last person's key that was seen; None when the audience is done.
        facts: as of an `Entry`.
        admitted: how many persons have entered so far.
    """

    rule: str
    digest: str
    occasion: str
    timestamp: datetime
    due_at: datetime
    cursor: int | None
    facts: Mapping[str, JsonValue]
    depth: int = 0
    message_key: int = 0
    admitted: int = 0


@dataclass(frozen=True, slots=True)
class SetAside:
    """A message on which the engine itself failed, kept whole until it is taken again.

    Attributes:
        body: the message as it came.
        reason: what was raised, by its type and text.
    """

    message_id: str
    user_id: str | None
    anonymous_id: str | None
    received_at: datetime
    source: str
    origin: str
    body: bytes
    reason: str
    set_aside_at: datetime


@dataclass(slots=True)
class Changes:
    """All that one batch makes of the store, to be written in one transaction.

    Attributes:
        owners: (message key, new owner) of messages recorded earlier that were claimed now.
        retold: by message key, of those that turned out to be somebody else's: what they were skipped for
            goes, before `skips` is written, but for what was said of nobody, and by these rules.
        claimings: by anonymous key; None where a claim has been carried out to its end.
        claims: runs, keyed by (anonymous key, since); a rewritten run replaces the old one.
        tombstones: by (digest, of); None lifts one.
        forgotten: keys of persons, and of anonymous ids that only they claimed, to erase with all that
            is theirs before anything is written.
        records: what happened that the audit log keeps; `audit` is them in the chain.
        before: entries that change, as they were; of those a store need write no more than what differs.
        erased_ids: ids of messages of which nothing is kept but that they were seen.
        buried: identifiers of those who were erased, known or not; what was set aside of theirs goes,
            and no request and no report names them any more.
        taken_again: ids of messages that are no longer set aside.
    """

    messages: list[StoredMessage] = field(default_factory=list)
    owners: list[tuple[int, int]] = field(default_factory=list)
    retold: dict[int, frozenset[str]] = field(default_factory=dict)
    identifiers: list[Identifier] = field(default_factory=list)
    persons: dict[int, Person] = field(default_factory=dict)
    claims: dict[tuple[int, datetime], Claim] = field(default_factory=dict)
    claimings: dict[int, Claiming | None] = field(default_factory=dict)
    dropped_claims: set[tuple[int, datetime]] = field(default_factory=set)
    merges: list[Merge] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)
    skips: list[Skips] = field(default_factory=list)
    entries: dict[int, Entry] = field(default_factory=dict)
    new_entries: set[int] = field(default_factory=set)
    before: dict[int, Entry] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    requests: dict[int, Request] = field(default_factory=dict)
    approvals: list[Approval] = field(default_factory=list)
    breakers: dict[str, Breaker] = field(default_factory=dict)
    records: list[AuditRecord] = field(default_factory=list)
    audit: list[AuditRow] = field(default_factory=list)
    audit_head: AuditHead | None = None
    erased_ids: list[str] = field(default_factory=list)
    devices: dict[str, Device | None] = field(default_factory=dict)
    things: dict[tuple[str, str], Thing | None] = field(default_factory=dict)
    relationships: dict[Relationship, bool] = field(default_factory=dict)
    tombstones: dict[tuple[bytes, bytes], Tombstone | None] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)
    runs: dict[tuple[str, str], BroadcastRun] = field(default_factory=dict)
    wordings: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    set_aside: list[SetAside] = field(default_factory=list)
    buried: list[tuple[IdKind, str]] = field(default_factory=list)
    taken_again: list[str] = field(default_factory=list)
