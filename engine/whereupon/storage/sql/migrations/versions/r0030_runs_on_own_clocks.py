"""When a broadcast's run on each person's clock closes."""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import NUMBER

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    """Add a column, which stays empty for runs on one clock."""
    op.add_column("whereupon_run", sa.Column("closes_at", NUMBER))
