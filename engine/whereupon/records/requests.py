"""Requests for an action, what they are held by, and the audit log of what became of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue

from whereupon.messages.codec import decode
from whereupon.messages.model import Message, SenderClass, ref_of


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


COUNTED_OUTCOMES = frozenset(
    {
        RequestOutcome.RAN,
        RequestOutcome.APPROVED,
        RequestOutcome.FAILED,
        RequestOutcome.UNDONE,
    }
)
"""Outcomes of requests that count against a limit."""


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
        detail: what the guard saw, where a reason alone does not say it; when it ran and found nothing,
            what was not there: ``unknown-person`` and the like.
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
    source: SenderClass
    detail: str | None = None
    key: int = 0
    asked_at: datetime | None = None
    requester: str | None = None
    due_at: datetime | None = None
    expires_at: datetime | None = None
    plan: Plan | None = None
    message: Message | None = None
    attempts: int = 0

    @property
    def ref(self) -> str:
        """See `ref_of`."""
        return ref_of(self.message_id, self.source)


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
        previous, hash: hexadecimal; see `whereupon.guards.audit_chain`.
        record: the record as JSON text, exactly as it was hashed.
        filed: the number of the request that the store finds the row by; None where it has no such
            number beside the record.
    """

    sequence: int
    previous: str
    record: str
    hash: str
    filed: int | None = field(default=None, compare=False)

    @property
    def facts(self) -> Mapping[str, JsonValue]:
        """The record, read; empty if somebody has damaged it, as `verify` reports."""
        try:
            facts = decode(self.record)
        except ValueError:
            return {}
        return facts if isinstance(facts, dict) else {}

    @property
    def request(self) -> int:
        """The number of the request that the record is about; 0 if it is about none."""
        request = self.facts.get("request")
        return request if isinstance(request, int) else 0


@dataclass(frozen=True, slots=True)
class AuditHead:
    """Where the chain ends; `seal` keeps anybody without the host's key from moving it."""

    sequence: int
    hash: str
    seal: str


@dataclass(frozen=True, slots=True)
class PersonFootprint:
    """What a store holds of a person: rows by table, and when they last did something."""

    counts: Mapping[str, int] = field(default_factory=dict)
    latest: datetime | None = None
