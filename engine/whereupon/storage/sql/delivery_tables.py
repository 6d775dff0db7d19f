"""The tables of deliveries: the outbox, what is reported of it, addresses that get nothing, the inbox."""

from typing import ClassVar

from sqlalchemy import Index, text
from sqlmodel import Field

from whereupon.storage.sql.base import GIVEN, Base, CollatedText, Int64

_PENDING = text("state = 'pending'")
_UNREAD = text("read_at IS NULL")
_STUCK = text("state = 'held' OR state = 'dead' OR state = 'paused'")


class DeliveryRow(Base, table=True):
    """The outbox; `kind` is null for marketing, which most are; `reports` has a bit for each metric.

    `exempt` is what it goes out in spite of, with spaces between.
    `leased` is 1 while its channel may be called with it, else null.
    `awaited_by` is the entry that waits for the end; `result` what a function returned, as JSON.
    """

    __tablename__ = "whereupon_delivery"
    __table_args__ = (
        Index("whereupon_delivery_person", "person_key", "due_at"),
        Index(
            "whereupon_delivery_due",
            "channel",
            "due_at",
            sqlite_where=_PENDING,
            postgresql_where=_PENDING,
        ),
        Index(
            "whereupon_delivery_stuck",
            "state",
            "channel",
            sqlite_where=_STUCK,
            postgresql_where=_STUCK,
        ),
    )

    key: int = Field(primary_key=True, sa_type=Int64, sa_column_kwargs=GIVEN)
    idempotency_key: str = Field(sa_type=CollatedText, unique=True)
    rule: str = Field(sa_type=CollatedText)
    person_key: int = Field(sa_type=Int64)
    person: str = Field(sa_type=CollatedText)
    channel: str = Field(sa_type=CollatedText)
    due_at: int = Field(sa_type=Int64)
    content: str = Field(sa_type=CollatedText)
    recipient: str = Field(sa_type=CollatedText)
    state: str = Field(sa_type=CollatedText)
    reason: str | None = Field(sa_type=CollatedText)
    attempts: int
    message_id: str | None = Field(sa_type=CollatedText)
    kind: str | None = Field(sa_type=CollatedText)
    topic: str | None = Field(sa_type=CollatedText)
    reports: int = Field(sa_column_kwargs={"server_default": text("0")})
    address: str | None = Field(sa_type=CollatedText)
    awaited_by: int | None = Field(sa_type=Int64)
    result: str | None = Field(sa_type=CollatedText)
    texts: str | None = Field(sa_type=CollatedText)
    exempt: str | None = Field(sa_type=CollatedText)
    leased: int | None


class ReportRow(Base, table=True):
    """A reported metric of a delivery or content."""

    __tablename__ = "whereupon_report"

    message_id: str = Field(primary_key=True, sa_type=CollatedText)
    kind: str = Field(sa_type=CollatedText)
    subject: str = Field(sa_type=CollatedText, index=True)
    metric: str = Field(sa_type=CollatedText)
    person: str | None = Field(sa_type=CollatedText, index=True)
    timestamp: int = Field(sa_type=Int64)
    reason: str | None = Field(sa_type=CollatedText)


class SuppressedRow(Base, table=True):
    """An address that gets nothing more on a channel; `digest` in hexadecimal."""

    __tablename__ = "whereupon_suppressed"
    __table_args__: ClassVar[dict[str, object]] = {"sqlite_with_rowid": False}

    channel: str = Field(primary_key=True, sa_type=CollatedText)
    digest: str = Field(primary_key=True, sa_type=CollatedText)
    reason: str = Field(sa_type=CollatedText)
    since: int = Field(sa_type=Int64)


class InboxRow(Base, table=True):
    """A message that the host shows itself; `kind` as in the outbox."""

    __tablename__ = "whereupon_inbox"
    __table_args__ = (
        Index("whereupon_inbox_person", "person_key", "created_at", "key"),
        Index(
            "whereupon_inbox_unread",
            "person_key",
            "created_at",
            "key",
            sqlite_where=_UNREAD,
            postgresql_where=_UNREAD,
        ),
        Index("whereupon_inbox_expiry", "expires_at"),
        {"sqlite_with_rowid": False},
    )

    key: str = Field(primary_key=True, sa_type=CollatedText)
    person_key: int = Field(sa_type=Int64)
    rule: str = Field(sa_type=CollatedText)
    channel: str = Field(sa_type=CollatedText)
    kind: str | None = Field(sa_type=CollatedText)
    topic: str | None = Field(sa_type=CollatedText)
    content: str = Field(sa_type=CollatedText)
    created_at: int = Field(sa_type=Int64)
    expires_at: int | None = Field(sa_type=Int64)
    read_at: int | None = Field(sa_type=Int64)
    occasion: str | None = Field(sa_type=CollatedText)
