"""Find the entries that operators have paused, which are few, among those whose persons are inside."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

_PAUSED = sa.text("state = 'paused'")


def upgrade() -> None:
    """Make the index."""
    op.create_index(
        "whereupon_entry_paused",
        "whereupon_entry",
        ["rule", "key"],
        sqlite_where=_PAUSED,
        postgresql_where=_PAUSED,
    )
