"""Requests for an action, breakers that hold them, and the audit log of their outcomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue

from whereupon.messages.codec import decode
from whereupon.messages.model import Message, SenderClass, ref_of


class RequestOutcome(StrEnum):
    """Where a request is.

    ``held`` waits for a person or a time, ``approved`` for the host's handler. The others are ends, except
    ``failed``, which can be tried again.
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
        """Whether the request may still run without another request."""
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
    """What a request would take away: the number of rows of each table.

    Attributes:
        digest: of the action, what it is about, and the counts. Approvals are for the digest.
    """

    digest: str
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Approval:
    """A person agrees to a request with the plan of that moment."""

    request: int
    actor: str
    plan: str
    approved_at: datetime


@dataclass(frozen=True, slots=True)
class Request:
    """One request for an action by a semantic event, and its outcome.

    Attributes:
        person: the user id that the message carried, if any.
        reason: the guard that held or refused it; None if it ran.
        detail: what the guard saw, if the reason alone does not say it. If the request ran and found nothing,
            what did not exist: ``unknown-person`` and the like.
        key: the store's number, by which people name it.
        asked_at: when it arrived; cool-off and expiry count from then.
        requester: who asked on behalf of the person; None if the person asked.
        due_at: when it is judged again without a person; None while it waits for a person.
        expires_at: when it expires; None if it has ended.
        plan: what it would take away, while it waits; what it took away, if it ran.
        message: the message that asked, to be judged again; None if the request has ended.
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
    """Opened when a limit of a guard file is passed, and closed by a person.

    Attributes:
        guard: the guard file's id.
        limit: the limit that was passed, in words.
        closed_at: None while it is open; requests that ran before it was closed no longer count.
    """

    guard: str
    limit: str
    opened_at: datetime
    closed_at: datetime | None = None
    closed_by: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it holds the requests that follow."""
        return self.closed_at is None


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One record for the audit log: a canonical JSON object without personal data."""

    at: datetime
    request: int
    facts: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A record at its place in the chain.

    Attributes:
        sequence: counts up from 1, without gaps.
        previous, hash: hexadecimal; see `whereupon.guards.audit_chain`.
        record: the record as JSON text, exactly as it was hashed.
        filed: the number of the request by which the store finds the row; None if the store keeps no such
            number beside the record.
    """

    sequence: int
    previous: str
    record: str
    hash: str
    filed: int | None = field(default=None, compare=False)

    @property
    def facts(self) -> Mapping[str, JsonValue]:
        """The record, read; empty if it has been damaged, as `verify` reports."""
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
    """The end of the chain. Without the host's key, the `seal` of another end cannot be made."""

    sequence: int
    hash: str
    seal: str


@dataclass(frozen=True, slots=True)
class PersonFootprint:
    """What a store holds of a person: the number of rows by table, and the time of the last message."""

    counts: Mapping[str, int] = field(default_factory=dict)
    latest: datetime | None = None
