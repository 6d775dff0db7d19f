"""Keep answers to requests that carry an idempotency key."""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import NUMBER, WORDS

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Make their table."""
    op.create_table(
        "whereupon_answer",
        sa.Column("digest", WORDS, primary_key=True),
        sa.Column("asked", WORDS, nullable=False),
        sa.Column("begun_at", NUMBER, nullable=False),
        sa.Column("expires_at", NUMBER, nullable=False),
        sa.Column("answer", WORDS),
        sqlite_with_rowid=False,
    )
    op.create_index("whereupon_answer_expiry", "whereupon_answer", ["expires_at"])
