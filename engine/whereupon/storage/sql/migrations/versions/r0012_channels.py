"""Share a channel's rate and breaker between processes, and find the due deliveries of one channel."""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import NUMBER, WORDS

revision = "0012"
down_revision = "0011"

_PENDING = sa.text("state = 'pending'")


def upgrade() -> None:
    """Make the table, and the index anew, by channel."""
    op.create_table(
        "whereupon_channel",
        sa.Column("name", WORDS, primary_key=True),
        sa.Column("calls", WORDS, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("rests_until", NUMBER),
        sqlite_with_rowid=False,
    )
    op.drop_index("whereupon_delivery_due", "whereupon_delivery")
    op.create_index(
        "whereupon_delivery_due",
        "whereupon_delivery",
        ["channel", "due_at"],
        sqlite_where=_PENDING,
        postgresql_where=_PENDING,
    )
