"""Keep what operators do: paused rules, entries and deliveries, and runs that are paused or cancelled."""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import NUMBER, WORDS

revision = "0016"
down_revision = "0015"

_INSIDE = sa.text("state IN ('active', 'paused')")
_STUCK = sa.text("state = 'held' OR state = 'dead' OR state = 'paused'")
_SWEPT = sa.text("sweep IS NOT NULL")


def upgrade() -> None:
    """Add columns and a table; make indexes that know the state ``paused``."""
    op.add_column("whereupon_entry", sa.Column("operations", WORDS))
    op.add_column("whereupon_run", sa.Column("sweep", WORDS))
    op.add_column("whereupon_run", sa.Column("operations", WORDS))
    op.create_table(
        "whereupon_pause",
        sa.Column("rule", WORDS, primary_key=True),
        sa.Column("by", WORDS, nullable=False),
        sa.Column("since", NUMBER, nullable=False),
        sqlite_with_rowid=False,
    )
    op.drop_index("whereupon_entry_active", "whereupon_entry")
    _index("whereupon_entry_active", "whereupon_entry", ["person_key"], _INSIDE)
    _index("whereupon_entry_inside", "whereupon_entry", ["rule", "key"], _INSIDE)
    op.drop_index("whereupon_delivery_stuck", "whereupon_delivery")
    _index("whereupon_delivery_stuck", "whereupon_delivery", ["state", "channel"], _STUCK)
    _index("whereupon_run_swept", "whereupon_run", ["rule", "occasion"], _SWEPT)
    op.create_index("whereupon_run_time", "whereupon_run", ["timestamp", "rule", "occasion"])


def _index(name: str, table: str, columns: list[str], where: sa.TextClause) -> None:
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
