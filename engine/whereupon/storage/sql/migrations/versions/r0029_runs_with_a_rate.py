"""What a broadcast's run with a rate has let in lately."""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import WORDS

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """Add a column, which stays empty without a rate."""
    op.add_column("whereupon_run", sa.Column("let_in", WORDS))
