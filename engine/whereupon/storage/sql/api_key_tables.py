"""The tables of API keys and the hashes of their secrets."""

from typing import ClassVar

from sqlmodel import Field

from whereupon.storage.sql.base import Base, CollatedText, Int64


class ApiKeyRow(Base, table=True):
    """A key; `scopes` and `origins` with spaces between, `limit_span` in microseconds."""

    __tablename__ = "whereupon_api_key"
    __table_args__: ClassVar[dict[str, object]] = {"sqlite_with_rowid": False}

    id: str = Field(primary_key=True, sa_type=CollatedText)
    name: str = Field(sa_type=CollatedText)
    kind: str = Field(sa_type=CollatedText)
    scopes: str = Field(sa_type=CollatedText)
    origins: str = Field(sa_type=CollatedText)
    hint: str = Field(sa_type=CollatedText)
    created_at: int = Field(sa_type=Int64)
    rotated_at: int | None = Field(sa_type=Int64)
    replaced_until: int | None = Field(sa_type=Int64)
    expires_at: int | None = Field(sa_type=Int64)
    revoked_at: int | None = Field(sa_type=Int64)
    last_used_at: int | None = Field(sa_type=Int64)
    replaced_used_at: int | None = Field(sa_type=Int64)
    limit_messages: int | None = Field(sa_type=Int64)
    limit_span: int | None = Field(sa_type=Int64)
    limit_burst: int | None = Field(sa_type=Int64)
    shadow: int


class ApiSecretRow(Base, table=True):
    """A secret of a key, by its SHA-256 in hexadecimal."""

    __tablename__ = "whereupon_api_secret"
    __table_args__: ClassVar[dict[str, object]] = {"sqlite_with_rowid": False}

    digest: str = Field(primary_key=True, sa_type=CollatedText)
    key_id: str = Field(sa_type=CollatedText, index=True)
    ends_at: int | None = Field(sa_type=Int64)
