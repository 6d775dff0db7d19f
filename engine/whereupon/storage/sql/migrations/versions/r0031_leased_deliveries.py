"""Whether the channel of a delivery may be called with it now."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    """Add a column; what is leased meanwhile is settled as before."""
    op.add_column("whereupon_delivery", sa.Column("leased", sa.Integer()))
