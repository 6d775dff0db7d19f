"""Keep API keys, and the hashes of their secrets."""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import NUMBER, WORDS

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add the two tables."""
    texts = ("name", "kind", "scopes", "origins", "hint")
    times = ("rotated_at", "replaced_until", "expires_at", "revoked_at", "last_used_at")
    numbers = (*times, "replaced_used_at", "limit_messages", "limit_span", "limit_burst")
    op.create_table(
        "whereupon_api_key",
        sa.Column("id", WORDS, primary_key=True),
        *(sa.Column(name, WORDS, nullable=False) for name in texts),
        sa.Column("created_at", NUMBER, nullable=False),
        *(sa.Column(name, NUMBER) for name in numbers),
        sa.Column("shadow", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "whereupon_api_secret",
        sa.Column("digest", WORDS, primary_key=True),
        sa.Column("key_id", WORDS, nullable=False),
        sa.Column("ends_at", NUMBER),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_whereupon_api_secret_key_id", "whereupon_api_secret", ["key_id"])
