"""Let deliveries say their kind and topic, and find those that are held or dead."""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import WORDS

revision = "0008"
down_revision = "0007"

_STUCK = sa.text("state = 'held' OR state = 'dead'")


def upgrade() -> None:
    """Add the columns; what was made before is marketing, and about no topic."""
    op.add_column("whereupon_delivery", sa.Column("kind", WORDS))
    op.add_column("whereupon_delivery", sa.Column("topic", WORDS))
    op.create_index(
        "whereupon_delivery_stuck",
        "whereupon_delivery",
        ["state", "channel"],
        sqlite_where=_STUCK,
        postgresql_where=_STUCK,
    )
