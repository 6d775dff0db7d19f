"""Keep with each entry from which class of sender it comes, and how it ended."""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import NUMBER, WORDS

revision = "0007"
down_revision = "0006"

_FOUND = """
UPDATE whereupon_entry SET source = CASE
    WHEN depth > 0 THEN 'client'
    WHEN message_key = 0 THEN 'server'
    ELSE (SELECT source FROM whereupon_message WHERE key = whereupon_entry.message_key)
END
"""


def upgrade() -> None:
    """Look the class up in the opening message; where a step said it, nobody knows who set it off.

    That counts as a client, as does a message that is gone. What no message opened was a schedule's,
    or a call of the host's.
    """
    op.add_column("whereupon_entry", sa.Column("source", WORDS))
    op.add_column("whereupon_entry", sa.Column("ended_at", NUMBER))
    op.add_column("whereupon_entry", sa.Column("end_reason", WORDS))
    op.add_column("whereupon_entry", sa.Column("end_detail", WORDS))
    op.add_column("whereupon_entry", sa.Column("end_message", WORDS))
    op.execute(_FOUND)
