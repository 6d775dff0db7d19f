"""Let a claim of many messages be carried out in parts."""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import NUMBER, WORDS

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the table of those that are."""
    op.create_table(
        "whereupon_claiming",
        sa.Column("anonymous_key", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("person_key", NUMBER, nullable=False),
        sa.Column("message_key", NUMBER, nullable=False),
        sa.Column("due_at", NUMBER, nullable=False),
        sa.Column("after_timestamp", NUMBER, nullable=False),
        sa.Column("after_key", NUMBER, nullable=False),
        sa.Column("noted", WORDS, nullable=False),
    )
    op.create_index("whereupon_claiming_person", "whereupon_claiming", ["person_key"])
