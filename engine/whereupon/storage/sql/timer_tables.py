"""The tables of timers, and of how far timers of new subjects are made."""

from typing import ClassVar

from sqlalchemy import Index
from sqlmodel import Field

from whereupon.storage.sql.base import Base, CollatedText, Int64


class TimerRow(Base, table=True):
    """When to ask about one subject of a person again."""

    __tablename__ = "whereupon_timer"
    __table_args__ = (
        Index("whereupon_timer_due", "subject", "due_at", "person_key"),
        {"sqlite_with_rowid": False},
    )

    person_key: int = Field(primary_key=True, sa_type=Int64)
    subject: str = Field(primary_key=True, sa_type=CollatedText)
    due_at: int = Field(sa_type=Int64)


class ArmingRow(Base, table=True):
    """How far the timers of a subject are made for the people who were there before it."""

    __tablename__ = "whereupon_arming"
    __table_args__: ClassVar[dict[str, object]] = {"sqlite_with_rowid": False}

    subject: str = Field(primary_key=True, sa_type=CollatedText)
    digest: str = Field(primary_key=True, sa_type=CollatedText)
    begun_at: int = Field(sa_type=Int64)
    cursor: int | None = Field(sa_type=Int64)
