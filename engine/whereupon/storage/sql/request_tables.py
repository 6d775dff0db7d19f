"""The tables of requests for guarded actions: approvals, breakers and the audit log."""

from typing import ClassVar

from sqlalchemy import (
    Index,
    LargeBinary,
    text,
)
from sqlmodel import Field

from whereupon.storage.sql.base import GIVEN, Base, CollatedText, Int64

_OPEN = text("outcome IN ('held', 'approved')")


class RequestRow(Base, table=True):
    """A request for an action; what was asked (`type` to `body`) is kept while it waits."""

    __tablename__ = "whereupon_request"
    __table_args__ = (
        Index("whereupon_request_open", "due_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("whereupon_request_action", "action", "decided_at"),
    )

    key: int = Field(primary_key=True, sa_type=Int64, sa_column_kwargs=GIVEN)
    message_id: str = Field(sa_type=CollatedText, unique=True)
    action: str = Field(sa_type=CollatedText)
    event: str = Field(sa_type=CollatedText)
    person: str | None = Field(sa_type=CollatedText, index=True)
    outcome: str = Field(sa_type=CollatedText)
    reason: str | None = Field(sa_type=CollatedText)
    timestamp: int = Field(sa_type=Int64)
    decided_at: int = Field(sa_type=Int64)
    source: str = Field(sa_type=CollatedText)
    detail: str | None = Field(sa_type=CollatedText)
    asked_at: int | None = Field(sa_type=Int64)
    requester: str | None = Field(sa_type=CollatedText)
    due_at: int | None = Field(sa_type=Int64)
    expires_at: int | None = Field(sa_type=Int64)
    plan: str | None = Field(sa_type=CollatedText)
    counts: str | None = Field(sa_type=CollatedText)
    attempts: int
    type: str | None = Field(sa_type=CollatedText)
    anonymous_id: str | None = Field(sa_type=CollatedText)
    target_id: str | None = Field(sa_type=CollatedText)
    received_at: int | None = Field(sa_type=Int64)
    body: bytes | None = Field(sa_type=LargeBinary)


class ApprovalRow(Base, table=True):
    """The agreement of one operator to a request as it was planned; once each."""

    __tablename__ = "whereupon_approval"
    __table_args__: ClassVar[dict[str, object]] = {"sqlite_with_rowid": False}

    request: int = Field(primary_key=True, sa_type=Int64, sa_column_kwargs=GIVEN)
    actor: str = Field(primary_key=True, sa_type=CollatedText)
    plan: str = Field(primary_key=True, sa_type=CollatedText)
    approved_at: int = Field(sa_type=Int64)


class BreakerRow(Base, table=True):
    """A guard file's breaker."""

    __tablename__ = "whereupon_breaker"
    __table_args__: ClassVar[dict[str, object]] = {"sqlite_with_rowid": False}

    guard: str = Field(primary_key=True, sa_type=CollatedText)
    limit: str = Field(sa_type=CollatedText)
    opened_at: int = Field(sa_type=Int64)
    closed_at: int | None = Field(sa_type=Int64)
    closed_by: str | None = Field(sa_type=CollatedText)


class AuditRowRow(Base, table=True):
    """A row of the audit log; nothing here ever changes one."""

    __tablename__ = "whereupon_audit"
    __table_args__ = (Index("whereupon_audit_request", "request"),)

    sequence: int = Field(primary_key=True, sa_type=Int64, sa_column_kwargs=GIVEN)
    request: int = Field(sa_type=Int64)
    previous: str = Field(sa_type=CollatedText)
    record: str = Field(sa_type=CollatedText)
    hash: str = Field(sa_type=CollatedText)


class AuditHeadRow(Base, table=True):
    """Where the audit log ends: one row, which every writer of the log holds."""

    __tablename__ = "whereupon_audit_head"

    id: int = Field(primary_key=True, sa_type=Int64, sa_column_kwargs=GIVEN)
    sequence: int = Field(sa_type=Int64)
    hash: str = Field(sa_type=CollatedText)
    seal: str = Field(sa_type=CollatedText)
