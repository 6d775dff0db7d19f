"""Keep messages that the host shows to people itself."""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import NUMBER, WORDS

revision = "0011"
down_revision = "0010"

_UNREAD = sa.text("read_at IS NULL")


def upgrade() -> None:
    """Make their table."""
    op.create_table(
        "whereupon_inbox",
        sa.Column("key", WORDS, primary_key=True),
        sa.Column("person_key", NUMBER, nullable=False),
        sa.Column("rule", WORDS, nullable=False),
        sa.Column("channel", WORDS, nullable=False),
        sa.Column("kind", WORDS),
        sa.Column("topic", WORDS),
        sa.Column("content", WORDS, nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.Column("expires_at", NUMBER),
        sa.Column("read_at", NUMBER),
        sa.Column("occasion", WORDS),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "whereupon_inbox_person", "whereupon_inbox", ["person_key", "created_at", "key"]
    )
    op.create_index(
        "whereupon_inbox_unread",
        "whereupon_inbox",
        ["person_key", "created_at", "key"],
        sqlite_where=_UNREAD,
        postgresql_where=_UNREAD,
    )
    op.create_index("whereupon_inbox_expiry", "whereupon_inbox", ["expires_at"])
