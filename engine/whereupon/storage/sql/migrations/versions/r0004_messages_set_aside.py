"""Keep messages on which the engine failed."""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import NUMBER, WORDS

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make their table."""
    op.create_table(
        "whereupon_set_aside",
        sa.Column("message_id", WORDS, primary_key=True),
        sa.Column("user_id", WORDS),
        sa.Column("anonymous_id", WORDS),
        sa.Column("received_at", NUMBER, nullable=False),
        sa.Column("source", WORDS, nullable=False),
        sa.Column("origin", WORDS, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("reason", WORDS, nullable=False),
        sa.Column("set_aside_at", NUMBER, nullable=False),
    )
