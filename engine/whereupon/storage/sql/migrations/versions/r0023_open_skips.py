"""Keep which messages rules decide once more if an attribute changes in time."""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import NUMBER, WORDS

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "whereupon_open_skip",
        sa.Column("message_key", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("rule", WORDS, primary_key=True),
        *(
            sa.Column(name, NUMBER, nullable=False)
            for name in ("person_key", "until", "expires_at")
        ),
        sa.Column("retroactive", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("whereupon_open_skip_person", "whereupon_open_skip", ["person_key"])
    op.create_index("whereupon_open_skip_expiry", "whereupon_open_skip", ["expires_at"])
