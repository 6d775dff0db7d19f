"""Keep which rules a moment of a person's did not open, where no message came."""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import NUMBER, WORDS

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "whereupon_time_skip",
        sa.Column("key", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("person_key", NUMBER, nullable=False),
        sa.Column("rule", WORDS, nullable=False),
        sa.Column("occasion", WORDS, nullable=False),
        sa.Column("timestamp", NUMBER, nullable=False),
        sa.Column("decided_at", NUMBER, nullable=False),
        sa.Column("said", WORDS, nullable=False),
    )
    op.create_index(
        "whereupon_time_skip_person", "whereupon_time_skip", ["person_key", "timestamp"]
    )
