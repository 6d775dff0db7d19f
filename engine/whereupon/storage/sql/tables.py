"""The tables, beside the host's own: each name begins with ``whereupon_``.

Instants are whole microseconds since the Unix epoch, keys are handed out by the store, JSON is text,
and a message has one secondary index: these are worth a factor of five when recording. Nothing here
is ever used as an ORM object.
"""

from typing import ClassVar

from sqlalchemy import (
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlmodel import Field

from whereupon.storage.sql.api_key_tables import ApiKeyRow, ApiSecretRow
from whereupon.storage.sql.base import GIVEN, Base, CollatedText, Int64, table_of
from whereupon.storage.sql.delivery_tables import DeliveryRow, InboxRow, ReportRow, SuppressedRow
from whereupon.storage.sql.meta_tables import (
    BLOCK,
    KEYS,
    VERSIONS,
    AnswerRow,
    ChannelRow,
    MetaRow,
    RuleVersionRow,
)
from whereupon.storage.sql.request_tables import (
    ApprovalRow,
    AuditHeadRow,
    AuditRowRow,
    BreakerRow,
    RequestRow,
)
from whereupon.storage.sql.rule_tables import EntryRow, PauseRow, RunRow

__all__ = [
    "BLOCK",
    "KEYS",
    "VERSIONS",
    "AnswerRow",
    "ApiKeyRow",
    "ApiSecretRow",
    "ApprovalRow",
    "AuditHeadRow",
    "AuditRowRow",
    "Base",
    "BreakerRow",
    "ChannelRow",
    "ClaimJobRow",
    "ClaimRow",
    "DeliveryRow",
    "DeviceRow",
    "EntryRow",
    "ErasedRow",
    "IdentifierRow",
    "InboxRow",
    "MergeRow",
    "MessageRow",
    "MetaRow",
    "NameRow",
    "ObjectRow",
    "PauseRow",
    "PersonRow",
    "RelationshipRow",
    "ReportRow",
    "RequestRow",
    "RuleVersionRow",
    "RunRow",
    "SetAsideRow",
    "SkippedListRow",
    "SkipsRow",
    "SuppressedRow",
    "TombstoneRow",
    "table_of",
]

_HAS_EMAIL = text("email IS NOT NULL")


class NameRow(Base, table=True):
    """A message's type and name, once, so that messages say it with a small number."""

    __tablename__ = "whereupon_name"
    __table_args__ = (UniqueConstraint("name", "type"),)

    id: int | None = Field(default=None, primary_key=True)
    type: str = Field(sa_type=CollatedText)
    name: str = Field(sa_type=CollatedText)


class MessageRow(Base, table=True):
    """A recorded message.

    Attributes:
        owner: a person, a waiting anonymous id, or 0.
        skipped_list: the number of the rule list that the message skipped whole as it arrived.
    """

    __tablename__ = "whereupon_message"
    __table_args__ = (Index("whereupon_message_owner", "owner", "timestamp", "name_id"),)

    key: int = Field(primary_key=True, sa_type=Int64, sa_column_kwargs=GIVEN)
    message_id: str = Field(sa_type=CollatedText, unique=True)
    name_id: int
    owner: int = Field(sa_type=Int64)
    user_id: str | None = Field(sa_type=CollatedText)
    anonymous_id: str | None = Field(sa_type=CollatedText)
    target_id: str | None = Field(sa_type=CollatedText)
    timestamp: int = Field(sa_type=Int64)
    received_at: int = Field(sa_type=Int64)
    original_timestamp: int | None = Field(sa_type=Int64)
    source: str = Field(sa_type=CollatedText)
    depth: int
    body: bytes = Field(sa_type=LargeBinary)
    skipped_list: int | None


class SkippedListRow(Base, table=True):
    """A rule list that messages skip whole as they arrive, so that each says it with a small number.

    Attributes:
        revision: of the list.
        kind: of the rules that are meant; empty for all.
    """

    __tablename__ = "whereupon_skipped_list"
    __table_args__ = (UniqueConstraint("revision", "kind"),)

    id: int | None = Field(default=None, primary_key=True)
    revision: str = Field(sa_type=CollatedText)
    kind: str = Field(sa_type=CollatedText)


class SkipsRow(Base, table=True):
    """The skips that a message met, other than those of its `skipped_list`; the person is the message's owner.

    `verdicts` are JSON arrays with commas between, so that later ones can be appended: those of rules
    that were decided singly (`SkipVerdict`, five items), and those for all others (`Others`, nine).
    """

    __tablename__ = "whereupon_skips"

    message_key: int = Field(primary_key=True, sa_type=Int64, sa_column_kwargs=GIVEN)
    decided_at: int = Field(sa_type=Int64)
    retroactive: int
    verdicts: str = Field(sa_type=CollatedText)


class IdentifierRow(Base, table=True):
    """A user id of a person, or an anonymous id."""

    __tablename__ = "whereupon_identifier"
    __table_args__ = (Index("whereupon_identifier_key", "key"), {"sqlite_with_rowid": False})

    value: str = Field(primary_key=True, sa_type=CollatedText)
    kind: str = Field(primary_key=True, sa_type=CollatedText)
    key: int = Field(sa_type=Int64)


class PersonRow(Base, table=True):
    """A person and their attributes.

    Attributes:
        email: the person's e-mail address in the form in which it is looked up (see `records.email_of`).
    """

    __tablename__ = "whereupon_person"
    __table_args__ = (
        Index(
            "whereupon_person_email",
            "email",
            sqlite_where=_HAS_EMAIL,
            postgresql_where=_HAS_EMAIL,
        ),
    )

    key: int = Field(primary_key=True, sa_type=Int64, sa_column_kwargs=GIVEN)
    user_id: str = Field(sa_type=CollatedText)
    created_at: int = Field(sa_type=Int64)
    attributes: str = Field(sa_type=CollatedText)
    stamps: str = Field(sa_type=CollatedText)
    email: str | None = Field(default=None, sa_type=CollatedText)


class ClaimRow(Base, table=True):
    """A run of claims."""

    __tablename__ = "whereupon_claim"
    __table_args__ = (Index("whereupon_claim_person", "person_key"), {"sqlite_with_rowid": False})

    anonymous_key: int = Field(primary_key=True, sa_type=Int64)
    since: int = Field(primary_key=True, sa_type=Int64)
    person_key: int = Field(sa_type=Int64)
    until: int = Field(sa_type=Int64)
    message_id: str = Field(sa_type=CollatedText)


class ClaimJobRow(Base, table=True):
    """A claim that is carried out in chunks; `noted` is what it has noted so far, as JSON."""

    __tablename__ = "whereupon_claiming"
    __table_args__ = (Index("whereupon_claiming_person", "person_key"),)

    anonymous_key: int = Field(primary_key=True, sa_type=Int64, sa_column_kwargs=GIVEN)
    person_key: int = Field(sa_type=Int64)
    message_key: int = Field(sa_type=Int64)
    due_at: int = Field(sa_type=Int64)
    after_timestamp: int = Field(sa_type=Int64)
    after_key: int = Field(sa_type=Int64)
    noted: str = Field(sa_type=CollatedText)


class SetAsideRow(Base, table=True):
    """A message on which the engine failed, as it came."""

    __tablename__ = "whereupon_set_aside"

    message_id: str = Field(primary_key=True, sa_type=CollatedText)
    user_id: str | None = Field(sa_type=CollatedText)
    anonymous_id: str | None = Field(sa_type=CollatedText)
    received_at: int = Field(sa_type=Int64)
    source: str = Field(sa_type=CollatedText)
    origin: str = Field(sa_type=CollatedText)
    body: bytes = Field(sa_type=LargeBinary)
    reason: str = Field(sa_type=CollatedText)
    set_aside_at: int = Field(sa_type=Int64)


class DeviceRow(Base, table=True):
    """A device; its token belongs to one person."""

    __tablename__ = "whereupon_device"
    __table_args__ = (Index("whereupon_device_person", "person_key"), {"sqlite_with_rowid": False})

    token: str = Field(primary_key=True, sa_type=CollatedText)
    person_key: int = Field(sa_type=Int64)
    platform: str | None = Field(sa_type=CollatedText)
    attributes: str = Field(sa_type=CollatedText)
    updated_at: int = Field(sa_type=Int64)


class ObjectRow(Base, table=True):
    """An object that people relate to."""

    __tablename__ = "whereupon_thing"
    __table_args__: ClassVar[dict[str, object]] = {"sqlite_with_rowid": False}

    type_id: str = Field(primary_key=True, sa_type=CollatedText)
    object_id: str = Field(primary_key=True, sa_type=CollatedText)
    attributes: str = Field(sa_type=CollatedText)
    updated_at: int = Field(sa_type=Int64)


class RelationshipRow(Base, table=True):
    """A person's tie to an object."""

    __tablename__ = "whereupon_relationship"
    __table_args__: ClassVar[dict[str, object]] = {"sqlite_with_rowid": False}

    person_key: int = Field(primary_key=True, sa_type=Int64)
    type_id: str = Field(primary_key=True, sa_type=CollatedText)
    object_id: str = Field(primary_key=True, sa_type=CollatedText)


class TombstoneRow(Base, table=True):
    """What is left of an identifier; `digest` and `of` in hexadecimal."""

    __tablename__ = "whereupon_tombstone"
    __table_args__ = (Index("whereupon_tombstone_of", "of"), {"sqlite_with_rowid": False})

    digest: str = Field(primary_key=True, sa_type=CollatedText)
    of: str = Field(primary_key=True, sa_type=CollatedText)
    until: int | None = Field(sa_type=Int64)
    reason: str = Field(sa_type=CollatedText)


class MergeRow(Base, table=True):
    """Two persons became one; `survivor_key` follows later merges."""

    __tablename__ = "whereupon_merge"
    __table_args__ = (
        Index("whereupon_merge_survivor", "survivor_key"),
        Index("whereupon_merge_loser", "loser_key"),
    )

    message_id: str = Field(primary_key=True, sa_type=CollatedText)
    survivor_key: int = Field(sa_type=Int64)
    loser_key: int = Field(sa_type=Int64)
    loser: str = Field(sa_type=CollatedText)
    merged_at: int = Field(sa_type=Int64)


class ErasedRow(Base, table=True):
    """The digest of an erased message's id, which stays known."""

    __tablename__ = "whereupon_erased"
    __table_args__: ClassVar[dict[str, object]] = {"sqlite_with_rowid": False}

    digest: str = Field(primary_key=True, sa_type=CollatedText)
