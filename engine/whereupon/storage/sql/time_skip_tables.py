"""The table of skips that time alone led to."""

from sqlalchemy import Index
from sqlmodel import Field

from whereupon.storage.sql.base import GIVEN, Base, CollatedText, Int64


class TimeSkipRow(Base, table=True):
    """A rule that a moment of a person's did not open. `said` is a JSON array of the rest of its verdict."""

    __tablename__ = "whereupon_time_skip"
    __table_args__ = (Index("whereupon_time_skip_person", "person_key", "timestamp"),)

    key: int = Field(primary_key=True, sa_type=Int64, sa_column_kwargs=GIVEN)
    person_key: int = Field(sa_type=Int64)
    rule: str = Field(sa_type=CollatedText)
    occasion: str = Field(sa_type=CollatedText)
    timestamp: int = Field(sa_type=Int64)
    decided_at: int = Field(sa_type=Int64)
    said: str = Field(sa_type=CollatedText)
