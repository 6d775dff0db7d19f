"""Keep when time alone may change something for a person."""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import NUMBER, WORDS

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "whereupon_timer",
        sa.Column("person_key", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("subject", WORDS, primary_key=True),
        sa.Column("due_at", NUMBER, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("whereupon_timer_due", "whereupon_timer", ["subject", "due_at", "person_key"])
    op.create_table(
        "whereupon_arming",
        sa.Column("subject", WORDS, primary_key=True),
        sa.Column("digest", WORDS, primary_key=True),
        sa.Column("begun_at", NUMBER, nullable=False),
        sa.Column("cursor", NUMBER),
        sqlite_with_rowid=False,
    )
