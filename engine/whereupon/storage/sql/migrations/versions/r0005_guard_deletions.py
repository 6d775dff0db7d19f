"""Let requests wait, with approvals, breakers and an audit log."""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import NUMBER, WORDS

revision = "0005"
down_revision = "0004"

_OPEN = sa.text("outcome IN ('held', 'approved')")
_KEPT = "message_id, action, event, person, outcome, reason, timestamp, decided_at, source, detail"


def upgrade() -> None:
    """Make the new tables, and that of requests anew."""
    _make_requests()
    op.create_table(
        "whereupon_approval",
        sa.Column("request", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("actor", WORDS, primary_key=True),
        sa.Column("plan", WORDS, primary_key=True),
        sa.Column("approved_at", NUMBER, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "whereupon_breaker",
        sa.Column("guard", WORDS, primary_key=True),
        sa.Column("limit", WORDS, nullable=False),
        sa.Column("opened_at", NUMBER, nullable=False),
        sa.Column("closed_at", NUMBER),
        sa.Column("closed_by", WORDS),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "whereupon_audit",
        sa.Column("sequence", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("request", NUMBER, nullable=False),
        sa.Column("previous", WORDS, nullable=False),
        sa.Column("record", WORDS, nullable=False),
        sa.Column("hash", WORDS, nullable=False),
    )
    op.create_index("whereupon_audit_request", "whereupon_audit", ["request"])
    op.create_table(
        "whereupon_audit_head",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("sequence", NUMBER, nullable=False),
        sa.Column("hash", WORDS, nullable=False),
        sa.Column("seal", WORDS, nullable=False),
    )


def _make_requests() -> None:
    """Those that were held keep their place, but what they asked was not kept: they end unheard."""
    op.execute("CREATE TABLE whereupon_request_old AS SELECT * FROM whereupon_request")
    op.drop_table("whereupon_request")
    op.create_table(
        "whereupon_request",
        sa.Column("key", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("message_id", WORDS, nullable=False),
        sa.Column("action", WORDS, nullable=False),
        sa.Column("event", WORDS, nullable=False),
        sa.Column("person", WORDS),
        sa.Column("outcome", WORDS, nullable=False),
        sa.Column("reason", WORDS),
        sa.Column("timestamp", NUMBER, nullable=False),
        sa.Column("decided_at", NUMBER, nullable=False),
        sa.Column("source", WORDS, nullable=False),
        sa.Column("detail", WORDS),
        sa.Column("asked_at", NUMBER),
        sa.Column("requester", WORDS),
        sa.Column("due_at", NUMBER),
        sa.Column("expires_at", NUMBER),
        sa.Column("plan", WORDS),
        sa.Column("counts", WORDS),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("type", WORDS),
        sa.Column("anonymous_id", WORDS),
        sa.Column("target_id", WORDS),
        sa.Column("received_at", NUMBER),
        sa.Column("body", sa.LargeBinary()),
        sa.UniqueConstraint("message_id"),
    )
    op.execute(
        f"INSERT INTO whereupon_request (key, {_KEPT}, asked_at, attempts)"  # noqa: S608 - our own names
        f" SELECT key, {_KEPT}, decided_at, 0 FROM whereupon_request_old"
    )
    op.execute("UPDATE whereupon_request SET outcome = 'expired' WHERE outcome = 'held'")
    op.drop_table("whereupon_request_old")
    op.create_index("ix_whereupon_request_person", "whereupon_request", ["person"])
    op.create_index("whereupon_request_action", "whereupon_request", ["action", "decided_at"])
    op.create_index(
        "whereupon_request_open",
        "whereupon_request",
        ["due_at"],
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )
