"""Let deliveries say what they go out in spite of: quiet hours, caps."""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import WORDS

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """Add the column; what was made before is exempt from nothing."""
    op.add_column("whereupon_delivery", sa.Column("exempt", WORDS))
