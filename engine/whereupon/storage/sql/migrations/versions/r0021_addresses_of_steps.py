"""Keep where an entry stands by the address of its step, and what it passed on its way.

Of a step of the top level the address is the number that was kept before.
"""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import NUMBER, WORDS

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Add the columns, fill in the addresses, and drop the numbers."""
    op.add_column("whereupon_entry", sa.Column("address", WORDS, nullable=False, server_default=""))
    op.execute("UPDATE whereupon_entry SET address = CAST(position AS TEXT)")
    op.drop_column("whereupon_entry", "position")
    for name in ("trail", "arms"):
        op.add_column("whereupon_entry", sa.Column(name, WORDS))
    for name in ("sent_at", "watched_until", "converted_at"):
        op.add_column("whereupon_entry", sa.Column(name, NUMBER))
