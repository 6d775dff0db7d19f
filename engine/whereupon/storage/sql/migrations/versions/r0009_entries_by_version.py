"""Find running entries by their rule's version, and keep why a broadcast's run did not go out."""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import WORDS

revision = "0009"
down_revision = "0008"

_ACTIVE = sa.text("state = 'active'")


def upgrade() -> None:
    """Make the index, and add the column."""
    op.create_index(
        "whereupon_entry_version",
        "whereupon_entry",
        ["digest", "due_at"],
        sqlite_where=_ACTIVE,
        postgresql_where=_ACTIVE,
    )
    op.add_column("whereupon_run", sa.Column("reason", WORDS))
