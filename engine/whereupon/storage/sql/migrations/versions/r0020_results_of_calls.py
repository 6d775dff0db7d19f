"""Keep what a function returned, and which entry waits for how a delivery ends."""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import NUMBER, WORDS

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("whereupon_delivery", sa.Column("awaited_by", NUMBER))
    op.add_column("whereupon_delivery", sa.Column("result", WORDS))
