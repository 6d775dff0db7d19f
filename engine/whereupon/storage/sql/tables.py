"""The tables, beside the host's own: each name begins with ``whereupon_``.

Instants are whole microseconds since the Unix epoch, keys are handed out by the store, JSON is text,
and a message has one secondary index: these are worth a factor of five when recording. Nothing here
is ever used as an ORM object.
"""

from typing import ClassVar

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Sequence,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import registry
from sqlalchemy.types import TypeEngine
from sqlmodel import Field, SQLModel

BLOCK = 2**20
"""Keys that a process takes at once from the sequence of a database with many writers."""

_GIVEN: dict[str, object] = {"autoincrement": False}
_ACTIVE = text("state = 'active'")
_PENDING = text("state = 'pending'")
_STUCK = text("state = 'held' OR state = 'dead'")
_OPEN = text("outcome IN ('held', 'approved')")


class Number(TypeDecorator[int]):
    """A 64-bit whole number; on SQLite an INTEGER, which alone can be the rowid."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[int]:
        """Pick the type by database."""
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else BigInteger())


class Words(TypeDecorator[str]):
    """Text that sorts by code point, whatever the server's language; on SQLite all text does."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        """Pick the type by database."""
        collation = "C" if dialect.name == "postgresql" else None
        return Text(collation=collation)


class Kept(SQLModel, registry=registry(metadata=MetaData())):
    """The root of the tables, apart from the host's own SQLModel metadata."""


class MetaRow(Kept, table=True):
    """Numbers about the store itself.

    ``schema`` is the number of the newest migration. On SQLite ``next_key`` is the first key not handed
    out; on PostgreSQL a sequence hands out keys, and ``erasures`` counts how often people were erased.
    """

    __tablename__ = "whereupon_meta"

    name: str = Field(primary_key=True, sa_type=Words)
    value: int = Field(sa_type=Number)


class NameRow(Kept, table=True):
    """A message's type and name, once, so that messages say it with a small number."""

    __tablename__ = "whereupon_name"
    __table_args__ = (UniqueConstraint("name", "type"),)

    id: int | None = Field(default=None, primary_key=True)
    type: str = Field(sa_type=Words)
    name: str = Field(sa_type=Words)


class MessageRow(Kept, table=True):
    """A recorded message. `owner` is a person, a waiting anonymous id, or 0."""

    __tablename__ = "whereupon_message"
    __table_args__ = (Index("whereupon_message_owner", "owner", "timestamp", "name_id"),)

    key: int = Field(primary_key=True, sa_type=Number, sa_column_kwargs=_GIVEN)
    message_id: str = Field(sa_type=Words, unique=True)
    name_id: int
    owner: int = Field(sa_type=Number)
    user_id: str | None = Field(sa_type=Words)
    anonymous_id: str | None = Field(sa_type=Words)
    target_id: str | None = Field(sa_type=Words)
    timestamp: int = Field(sa_type=Number)
    received_at: int = Field(sa_type=Number)
    original_timestamp: int | None = Field(sa_type=Number)
    source: str = Field(sa_type=Words)
    depth: int
    body: bytes = Field(sa_type=LargeBinary)


class SkipsRow(Kept, table=True):
    """The skips that a message met; the person is the message's owner.

    `verdicts` are JSON arrays with commas between, so that later ones can be appended: those of rules
    that were decided singly (`SkipVerdict`, five items), and those for all others (`Others`, nine).
    """

    __tablename__ = "whereupon_skips"

    message_key: int = Field(primary_key=True, sa_type=Number, sa_column_kwargs=_GIVEN)
    decided_at: int = Field(sa_type=Number)
    retroactive: int
    verdicts: str = Field(sa_type=Words)


class IdentifierRow(Kept, table=True):
    """A user id of a person, or an anonymous id."""

    __tablename__ = "whereupon_identifier"
    __table_args__ = (Index("whereupon_identifier_key", "key"), {"sqlite_with_rowid": False})

    value: str = Field(primary_key=True, sa_type=Words)
    kind: str = Field(primary_key=True, sa_type=Words)
    key: int = Field(sa_type=Number)


class PersonRow(Kept, table=True):
    """A person and their attributes."""

    __tablename__ = "whereupon_person"

    key: int = Field(primary_key=True, sa_type=Number, sa_column_kwargs=_GIVEN)
    user_id: str = Field(sa_type=Words)
    created_at: int = Field(sa_type=Number)
    attributes: str = Field(sa_type=Words)
    stamps: str = Field(sa_type=Words)


class ClaimRow(Kept, table=True):
    """A run of claims."""

    __tablename__ = "whereupon_claim"
    __table_args__ = (Index("whereupon_claim_person", "person_key"), {"sqlite_with_rowid": False})

    anonymous_key: int = Field(primary_key=True, sa_type=Number)
    since: int = Field(primary_key=True, sa_type=Number)
    person_key: int = Field(sa_type=Number)
    until: int = Field(sa_type=Number)
    message_id: str = Field(sa_type=Words)


class ClaimJobRow(Kept, table=True):
    """A claim that is carried out in chunks; `noted` is what it has noted so far, as JSON."""

    __tablename__ = "whereupon_claiming"
    __table_args__ = (Index("whereupon_claiming_person", "person_key"),)

    anonymous_key: int = Field(primary_key=True, sa_type=Number, sa_column_kwargs=_GIVEN)
    person_key: int = Field(sa_type=Number)
    message_key: int = Field(sa_type=Number)
    due_at: int = Field(sa_type=Number)
    after_timestamp: int = Field(sa_type=Number)
    after_key: int = Field(sa_type=Number)
    noted: str = Field(sa_type=Words)


class EntryRow(Kept, table=True):
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
            sqlite_where=_ACTIVE,
            postgresql_where=_ACTIVE,
        ),
        Index("whereupon_entry_due", "due_at", sqlite_where=_ACTIVE, postgresql_where=_ACTIVE),
        Index(
            "whereupon_entry_version",
            "digest",
            "due_at",
            sqlite_where=_ACTIVE,
            postgresql_where=_ACTIVE,
        ),
    )

    key: int = Field(primary_key=True, sa_type=Number, sa_column_kwargs=_GIVEN)
    rule: str = Field(sa_type=Words)
    digest: str = Field(sa_type=Words)
    person_key: int = Field(sa_type=Number)
    entrant: int = Field(sa_type=Number)
    occasion: str = Field(sa_type=Words)
    timestamp: int = Field(sa_type=Number)
    entered_at: int = Field(sa_type=Number)
    retroactive: int
    slot: str | None = Field(sa_type=Words)
    state: str = Field(sa_type=Words)
    position: int
    due_at: int | None = Field(sa_type=Number)
    facts: str = Field(sa_type=Words)
    depth: int
    message_key: int = Field(sa_type=Number)
    source: str | None = Field(sa_type=Words)
    ended_at: int | None = Field(sa_type=Number)
    end_reason: str | None = Field(sa_type=Words)
    end_detail: str | None = Field(sa_type=Words)
    end_message: str | None = Field(sa_type=Words)


class DeliveryRow(Kept, table=True):
    """The outbox; `kind` is null for marketing, which most are."""

    __tablename__ = "whereupon_delivery"
    __table_args__ = (
        Index("whereupon_delivery_person", "person_key"),
        Index("whereupon_delivery_due", "due_at", sqlite_where=_PENDING, postgresql_where=_PENDING),
        Index(
            "whereupon_delivery_stuck",
            "state",
            "channel",
            sqlite_where=_STUCK,
            postgresql_where=_STUCK,
        ),
    )

    key: int = Field(primary_key=True, sa_type=Number, sa_column_kwargs=_GIVEN)
    idempotency_key: str = Field(sa_type=Words, unique=True)
    rule: str = Field(sa_type=Words)
    person_key: int = Field(sa_type=Number)
    person: str = Field(sa_type=Words)
    channel: str = Field(sa_type=Words)
    due_at: int = Field(sa_type=Number)
    content: str = Field(sa_type=Words)
    recipient: str = Field(sa_type=Words)
    state: str = Field(sa_type=Words)
    reason: str | None = Field(sa_type=Words)
    attempts: int
    message_id: str | None = Field(sa_type=Words)
    kind: str | None = Field(sa_type=Words)
    topic: str | None = Field(sa_type=Words)


class RunRow(Kept, table=True):
    """A broadcast's run; `cursor` is null when it is done."""

    __tablename__ = "whereupon_run"
    __table_args__ = (
        Index(
            "whereupon_run_due",
            "due_at",
            sqlite_where=text("cursor IS NOT NULL"),
            postgresql_where=text("cursor IS NOT NULL"),
        ),
        {"sqlite_with_rowid": False},
    )

    rule: str = Field(primary_key=True, sa_type=Words)
    occasion: str = Field(primary_key=True, sa_type=Words)
    digest: str = Field(sa_type=Words)
    timestamp: int = Field(sa_type=Number)
    due_at: int = Field(sa_type=Number)
    cursor: int | None = Field(sa_type=Number)
    facts: str = Field(sa_type=Words)
    depth: int
    message_key: int = Field(sa_type=Number)
    admitted: int
    reason: str | None = Field(sa_type=Words)


class RequestRow(Kept, table=True):
    """A request for an action; what was asked (`type` to `body`) is kept while it waits."""

    __tablename__ = "whereupon_request"
    __table_args__ = (
        Index("whereupon_request_open", "due_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("whereupon_request_action", "action", "decided_at"),
    )

    key: int = Field(primary_key=True, sa_type=Number, sa_column_kwargs=_GIVEN)
    message_id: str = Field(sa_type=Words, unique=True)
    action: str = Field(sa_type=Words)
    event: str = Field(sa_type=Words)
    person: str | None = Field(sa_type=Words, index=True)
    outcome: str = Field(sa_type=Words)
    reason: str | None = Field(sa_type=Words)
    timestamp: int = Field(sa_type=Number)
    decided_at: int = Field(sa_type=Number)
    source: str = Field(sa_type=Words)
    detail: str | None = Field(sa_type=Words)
    asked_at: int | None = Field(sa_type=Number)
    requester: str | None = Field(sa_type=Words)
    due_at: int | None = Field(sa_type=Number)
    expires_at: int | None = Field(sa_type=Number)
    plan: str | None = Field(sa_type=Words)
    counts: str | None = Field(sa_type=Words)
    attempts: int
    type: str | None = Field(sa_type=Words)
    anonymous_id: str | None = Field(sa_type=Words)
    target_id: str | None = Field(sa_type=Words)
    received_at: int | None = Field(sa_type=Number)
    body: bytes | None = Field(sa_type=LargeBinary)


class ApprovalRow(Kept, table=True):
    """Somebody's agreement to a request as it was planned; once each."""

    __tablename__ = "whereupon_approval"
    __table_args__: ClassVar[dict[str, object]] = {"sqlite_with_rowid": False}

    request: int = Field(primary_key=True, sa_type=Number, sa_column_kwargs=_GIVEN)
    actor: str = Field(primary_key=True, sa_type=Words)
    plan: str = Field(primary_key=True, sa_type=Words)
    approved_at: int = Field(sa_type=Number)


class BreakerRow(Kept, table=True):
    """A guard file's breaker."""

    __tablename__ = "whereupon_breaker"
    __table_args__: ClassVar[dict[str, object]] = {"sqlite_with_rowid": False}

    guard: str = Field(primary_key=True, sa_type=Words)
    limit: str = Field(sa_type=Words)
    opened_at: int = Field(sa_type=Number)
    closed_at: int | None = Field(sa_type=Number)
    closed_by: str | None = Field(sa_type=Words)


class AuditRowRow(Kept, table=True):
    """A row of the audit log; nothing here ever changes one."""

    __tablename__ = "whereupon_audit"
    __table_args__ = (Index("whereupon_audit_request", "request"),)

    sequence: int = Field(primary_key=True, sa_type=Number, sa_column_kwargs=_GIVEN)
    request: int = Field(sa_type=Number)
    previous: str = Field(sa_type=Words)
    record: str = Field(sa_type=Words)
    hash: str = Field(sa_type=Words)


class AuditHeadRow(Kept, table=True):
    """Where the audit log ends: one row, which whoever writes into the log holds."""

    __tablename__ = "whereupon_audit_head"

    id: int = Field(primary_key=True, sa_type=Number, sa_column_kwargs=_GIVEN)
    sequence: int = Field(sa_type=Number)
    hash: str = Field(sa_type=Words)
    seal: str = Field(sa_type=Words)


class SetAsideRow(Kept, table=True):
    """A message on which the engine failed, as it came."""

    __tablename__ = "whereupon_set_aside"

    message_id: str = Field(primary_key=True, sa_type=Words)
    user_id: str | None = Field(sa_type=Words)
    anonymous_id: str | None = Field(sa_type=Words)
    received_at: int = Field(sa_type=Number)
    source: str = Field(sa_type=Words)
    origin: str = Field(sa_type=Words)
    body: bytes = Field(sa_type=LargeBinary)
    reason: str = Field(sa_type=Words)
    set_aside_at: int = Field(sa_type=Number)


class DeviceRow(Kept, table=True):
    """A device; its token belongs to one person."""

    __tablename__ = "whereupon_device"
    __table_args__ = (Index("whereupon_device_person", "person_key"), {"sqlite_with_rowid": False})

    token: str = Field(primary_key=True, sa_type=Words)
    person_key: int = Field(sa_type=Number)
    platform: str | None = Field(sa_type=Words)
    attributes: str = Field(sa_type=Words)
    updated_at: int = Field(sa_type=Number)


class ThingRow(Kept, table=True):
    """An object that people relate to."""

    __tablename__ = "whereupon_thing"
    __table_args__: ClassVar[dict[str, object]] = {"sqlite_with_rowid": False}

    type_id: str = Field(primary_key=True, sa_type=Words)
    object_id: str = Field(primary_key=True, sa_type=Words)
    attributes: str = Field(sa_type=Words)
    updated_at: int = Field(sa_type=Number)


class RelationshipRow(Kept, table=True):
    """A person's tie to an object."""

    __tablename__ = "whereupon_relationship"
    __table_args__: ClassVar[dict[str, object]] = {"sqlite_with_rowid": False}

    person_key: int = Field(primary_key=True, sa_type=Number)
    type_id: str = Field(primary_key=True, sa_type=Words)
    object_id: str = Field(primary_key=True, sa_type=Words)


class TombstoneRow(Kept, table=True):
    """What is left of an identifier; `digest` and `of` in hexadecimal."""

    __tablename__ = "whereupon_tombstone"
    __table_args__ = (Index("whereupon_tombstone_of", "of"), {"sqlite_with_rowid": False})

    digest: str = Field(primary_key=True, sa_type=Words)
    of: str = Field(primary_key=True, sa_type=Words)
    until: int | None = Field(sa_type=Number)
    reason: str = Field(sa_type=Words)


class ReportRow(Kept, table=True):
    """A reported metric of a delivery or content."""

    __tablename__ = "whereupon_report"

    message_id: str = Field(primary_key=True, sa_type=Words)
    kind: str = Field(sa_type=Words)
    subject: str = Field(sa_type=Words)
    metric: str = Field(sa_type=Words)
    person: str | None = Field(sa_type=Words, index=True)
    timestamp: int = Field(sa_type=Number)


class MergeRow(Kept, table=True):
    """Two persons became one; `survivor_key` follows later merges."""

    __tablename__ = "whereupon_merge"
    __table_args__ = (
        Index("whereupon_merge_survivor", "survivor_key"),
        Index("whereupon_merge_loser", "loser_key"),
    )

    message_id: str = Field(primary_key=True, sa_type=Words)
    survivor_key: int = Field(sa_type=Number)
    loser_key: int = Field(sa_type=Number)
    loser: str = Field(sa_type=Words)
    merged_at: int = Field(sa_type=Number)


class ErasedRow(Kept, table=True):
    """The digest of an erased message's id, which stays known."""

    __tablename__ = "whereupon_erased"
    __table_args__: ClassVar[dict[str, object]] = {"sqlite_with_rowid": False}

    digest: str = Field(primary_key=True, sa_type=Words)


class RuleVersionRow(Kept, table=True):
    """The source of a rule, by digest, as it was first used."""

    __tablename__ = "whereupon_wording"
    __table_args__: ClassVar[dict[str, object]] = {"sqlite_with_rowid": False}

    digest: str = Field(primary_key=True, sa_type=Words)
    rule: str = Field(sa_type=Words)
    source: bytes = Field(sa_type=LargeBinary)


VERSIONS = Table(
    "whereupon_version",
    Kept.metadata,
    Column("version_num", String(32), primary_key=True),
)
"""Alembic's own table, under a name beside which a host's Alembic keeps its."""

KEYS = Sequence("whereupon_key", data_type=BigInteger(), increment=BLOCK, metadata=Kept.metadata)
"""Where a database has sequences: the first keys of blocks that processes take."""


def table_of(row: type[Kept]) -> Table:
    """The table that a class describes."""
    return Kept.metadata.tables[str(row.__tablename__)]
