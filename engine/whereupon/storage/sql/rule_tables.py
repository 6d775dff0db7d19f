"""The tables of what rules do: entries, runs of broadcasts, and pauses."""

from typing import ClassVar

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field

from whereupon.storage.sql.base import GIVEN, Base, CollatedText, Int64

_ACTIVE = text("state = 'active'")
_INSIDE = text("state IN ('active', 'paused')")
_PAUSED = text("state = 'paused'")
_SWEPT = text("sweep IS NOT NULL")
_WATCHED = text("watched_until IS NOT NULL")


class EntryRow(Base, table=True):
    """An entry; the database itself refuses a second one for an occasion or a slot.

    ``source`` is missing where an older library opened it, and nobody can tell any more.
    """

    __tablename__ = "whereupon_entry"
    __table_args__ = (
        UniqueConstraint("entrant", "rule", "occasion"),
        Index(
            "whereupon_entry_slot",
            "entrant",
            "rule",
            "slot",
            unique=True,
            sqlite_where=text("slot IS NOT NULL"),
            postgresql_where=text("slot IS NOT NULL"),
        ),
        Index("whereupon_entry_person", "person_key", "rule", "timestamp"),
        Index(
            "whereupon_entry_active",
            "person_key",
            sqlite_where=_INSIDE,
            postgresql_where=_INSIDE,
        ),
        Index(
            "whereupon_entry_inside",
            "rule",
            "key",
            sqlite_where=_INSIDE,
            postgresql_where=_INSIDE,
        ),
        Index(
            "whereupon_entry_paused",
            "rule",
            "key",
            sqlite_where=_PAUSED,
            postgresql_where=_PAUSED,
        ),
        Index("whereupon_entry_due", "due_at", sqlite_where=_ACTIVE, postgresql_where=_ACTIVE),
        Index(
            "whereupon_entry_watched",
            "person_key",
            "watched_until",
            sqlite_where=_WATCHED,
            postgresql_where=_WATCHED,
        ),
        Index(
            "whereupon_entry_watching", "digest", sqlite_where=_WATCHED, postgresql_where=_WATCHED
        ),
        Index(
            "whereupon_entry_version",
            "digest",
            "due_at",
            sqlite_where=_ACTIVE,
            postgresql_where=_ACTIVE,
        ),
    )

    key: int = Field(primary_key=True, sa_type=Int64, sa_column_kwargs=GIVEN)
    rule: str = Field(sa_type=CollatedText)
    digest: str = Field(sa_type=CollatedText)
    person_key: int = Field(sa_type=Int64)
    entrant: int = Field(sa_type=Int64)
    occasion: str = Field(sa_type=CollatedText)
    timestamp: int = Field(sa_type=Int64)
    entered_at: int = Field(sa_type=Int64)
    retroactive: int
    slot: str | None = Field(sa_type=CollatedText)
    state: str = Field(sa_type=CollatedText)
    due_at: int | None = Field(sa_type=Int64)
    facts: str = Field(sa_type=CollatedText)
    depth: int
    message_key: int = Field(sa_type=Int64)
    source: str | None = Field(sa_type=CollatedText)
    ended_at: int | None = Field(sa_type=Int64)
    end_reason: str | None = Field(sa_type=CollatedText)
    end_detail: str | None = Field(sa_type=CollatedText)
    end_message: str | None = Field(sa_type=CollatedText)
    operations: str | None = Field(sa_type=CollatedText)
    address: str = Field(sa_type=CollatedText, sa_column_kwargs={"server_default": ""})
    trail: str | None = Field(sa_type=CollatedText)
    arms: str | None = Field(sa_type=CollatedText)
    sent_at: int | None = Field(sa_type=Int64)
    watched_until: int | None = Field(sa_type=Int64)
    converted_at: int | None = Field(sa_type=Int64)


class RunRow(Base, table=True):
    """A broadcast's run; `cursor` is null when it is done."""

    __tablename__ = "whereupon_run"
    __table_args__ = (
        Index(
            "whereupon_run_due",
            "due_at",
            sqlite_where=text("cursor IS NOT NULL"),
            postgresql_where=text("cursor IS NOT NULL"),
        ),
        Index(
            "whereupon_run_swept",
            "rule",
            "occasion",
            sqlite_where=_SWEPT,
            postgresql_where=_SWEPT,
        ),
        Index("whereupon_run_time", "timestamp", "rule", "occasion"),
        {"sqlite_with_rowid": False},
    )

    rule: str = Field(primary_key=True, sa_type=CollatedText)
    occasion: str = Field(primary_key=True, sa_type=CollatedText)
    digest: str = Field(sa_type=CollatedText)
    timestamp: int = Field(sa_type=Int64)
    due_at: int = Field(sa_type=Int64)
    cursor: int | None = Field(sa_type=Int64)
    facts: str = Field(sa_type=CollatedText)
    depth: int
    message_key: int = Field(sa_type=Int64)
    admitted: int
    reason: str | None = Field(sa_type=CollatedText)
    sweep: str | None = Field(sa_type=CollatedText)
    operations: str | None = Field(sa_type=CollatedText)
    let_in: str | None = Field(sa_type=CollatedText)
    closes_at: int | None = Field(sa_type=Int64)


class PauseRow(Base, table=True):
    """A rule that an operator paused."""

    __tablename__ = "whereupon_pause"
    __table_args__: ClassVar[dict[str, object]] = {"sqlite_with_rowid": False}

    rule: str = Field(primary_key=True, sa_type=CollatedText)
    by: str = Field(sa_type=CollatedText)
    since: int = Field(sa_type=Int64)
    sweep: str | None = Field(sa_type=CollatedText)
