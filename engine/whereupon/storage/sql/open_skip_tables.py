"""The table of skips that stay open."""

from sqlalchemy import Index
from sqlmodel import Field

from whereupon.storage.sql.base import Base, CollatedText, Int64


class OpenSkipRow(Base, table=True):
    """A message that a rule with `grace` skipped by `who`."""

    __tablename__ = "whereupon_open_skip"
    __table_args__ = (
        Index("whereupon_open_skip_person", "person_key"),
        Index("whereupon_open_skip_expiry", "expires_at"),
        {"sqlite_with_rowid": False},
    )

    message_key: int = Field(primary_key=True, sa_type=Int64)
    rule: str = Field(primary_key=True, sa_type=CollatedText)
    person_key: int = Field(sa_type=Int64)
    until: int = Field(sa_type=Int64)
    expires_at: int = Field(sa_type=Int64)
    retroactive: int
