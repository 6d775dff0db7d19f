"""Let deliveries say of which version of their rule their texts are."""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import WORDS

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Add the column; what was made before has the texts of the version that its entry follows."""
    op.add_column("whereupon_delivery", sa.Column("texts", WORDS))
