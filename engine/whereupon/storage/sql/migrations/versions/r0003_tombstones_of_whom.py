"""Keep with each tombstone the user id that was silenced with it; each there stands for itself."""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import NUMBER, WORDS

revision = "0003"
down_revision = "0002"

_KEPT = "whereupon_tombstone_kept"


def upgrade() -> None:
    """Make the table anew, since its primary key has one column more, and fill it again."""
    op.execute(f"CREATE TABLE {_KEPT} AS SELECT * FROM whereupon_tombstone")  # noqa: S608 - ours
    op.drop_table("whereupon_tombstone")
    op.create_table(
        "whereupon_tombstone",
        sa.Column("digest", WORDS, nullable=False),
        sa.Column("of", WORDS, nullable=False),
        sa.Column("until", NUMBER),
        sa.Column("reason", WORDS, nullable=False),
        sa.PrimaryKeyConstraint("digest", "of"),
        sqlite_with_rowid=False,
    )
    op.create_index("whereupon_tombstone_of", "whereupon_tombstone", ["of"])
    columns = 'digest, "of", until, reason'
    op.execute(
        f"INSERT INTO whereupon_tombstone ({columns})"  # noqa: S608 - ours
        f" SELECT digest, digest, until, reason FROM {_KEPT}"
    )
    op.drop_table(_KEPT)
