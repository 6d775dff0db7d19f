"""Keep what was reported of deliveries, and the addresses that get nothing more."""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import NUMBER, WORDS

revision = "0013"
down_revision = "0012"

_METRICS = (
    ("delivered", 2),
    ("opened", 4),
    ("clicked", 8),
    ("converted", 16),
    ("bounced", 32),
    ("spammed", 64),
    ("dropped", 256),
    ("deferred", 512),
)


def upgrade() -> None:
    """Add columns and a table, and let deliveries have what was reported before."""
    reports = sa.Column("reports", sa.Integer(), nullable=False, server_default=sa.text("0"))
    op.add_column("whereupon_delivery", reports)
    op.add_column("whereupon_delivery", sa.Column("address", WORDS))
    op.add_column("whereupon_report", sa.Column("reason", WORDS))
    op.create_index("ix_whereupon_report_subject", "whereupon_report", ["subject"])
    for metric, bit in _METRICS:
        op.execute(
            f"UPDATE whereupon_delivery SET reports = reports | {bit} WHERE idempotency_key IN ("  # noqa: S608 - our own words
            f"SELECT subject FROM whereupon_report WHERE kind = 'delivery' AND metric = '{metric}')"
        )
    op.create_table(
        "whereupon_suppressed",
        sa.Column("channel", WORDS, primary_key=True),
        sa.Column("digest", WORDS, primary_key=True),
        sa.Column("reason", WORDS, nullable=False),
        sa.Column("since", NUMBER, nullable=False),
        sqlite_with_rowid=False,
    )
