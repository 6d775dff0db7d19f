"""Let a message's row say that the message skipped a whole rule list as it arrived."""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import WORDS

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    """Add the numbers of rule lists, and a column, which stays empty for messages that are there."""
    op.create_table(
        "whereupon_skipped_list",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("revision", WORDS, nullable=False),
        sa.Column("kind", WORDS, nullable=False),
        sa.UniqueConstraint("revision", "kind"),
    )
    op.add_column("whereupon_message", sa.Column("skipped_list", sa.Integer))
