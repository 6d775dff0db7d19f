"""The tables about the store itself: its numbers, its version, the rule versions and channels that it knows."""

from typing import ClassVar

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    LargeBinary,
    Sequence,
    String,
    Table,
)
from sqlmodel import Field

from whereupon.storage.sql.base import Base, CollatedText, Int64

BLOCK = 2**20


"""Keys that a process takes at once from the sequence of a database with many writers."""


class MetaRow(Base, table=True):
    """Numbers about the store itself.

    ``schema`` is the number of the newest migration. On SQLite ``next_key`` is the first key of no
    block; on PostgreSQL a sequence hands out keys, and ``erasures`` counts how often people were erased.
    """

    __tablename__ = "whereupon_meta"

    name: str = Field(primary_key=True, sa_type=CollatedText)
    value: int = Field(sa_type=Int64)


class RuleVersionRow(Base, table=True):
    """The source of a rule, by digest, as it was first used."""

    __tablename__ = "whereupon_wording"
    __table_args__: ClassVar[dict[str, object]] = {"sqlite_with_rowid": False}

    digest: str = Field(primary_key=True, sa_type=CollatedText)
    rule: str = Field(sa_type=CollatedText)
    source: bytes = Field(sa_type=LargeBinary)


class ChannelRow(Base, table=True):
    """What all processes share about a channel; `calls` is JSON, pairs of an instant and a number."""

    __tablename__ = "whereupon_channel"
    __table_args__: ClassVar[dict[str, object]] = {"sqlite_with_rowid": False}

    name: str = Field(primary_key=True, sa_type=CollatedText)
    calls: str = Field(sa_type=CollatedText)
    failures: int
    rests_until: int | None = Field(sa_type=Int64)


class AnswerRow(Base, table=True):
    """A request with an idempotency key; `answer` is JSON, null while the request is being answered."""

    __tablename__ = "whereupon_answer"
    __table_args__ = (
        Index("whereupon_answer_expiry", "expires_at"),
        {"sqlite_with_rowid": False},
    )

    digest: str = Field(primary_key=True, sa_type=CollatedText)
    asked: str = Field(sa_type=CollatedText)
    begun_at: int = Field(sa_type=Int64)
    expires_at: int = Field(sa_type=Int64)
    answer: str | None = Field(sa_type=CollatedText)


VERSIONS = Table(
    "whereupon_version",
    Base.metadata,
    Column("version_num", String(32), primary_key=True),
)


"""Alembic's own table, under a name beside which a host's Alembic keeps its."""


KEYS = Sequence("whereupon_key", data_type=BigInteger(), increment=BLOCK, metadata=Base.metadata)


"""Where a database has sequences: the first keys of blocks that processes take."""
