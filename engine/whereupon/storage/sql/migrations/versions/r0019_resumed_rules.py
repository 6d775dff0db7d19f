"""Keep a rule's pause until what it held back waits again."""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import WORDS

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add the column."""
    op.add_column("whereupon_pause", sa.Column("sweep", WORDS))
