"""Find the entries of a person that are watched for a goal, and the rule versions of such entries."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"

_WATCHED = sa.text("watched_until IS NOT NULL")


def upgrade() -> None:
    """Add two indexes of watched entries alone."""
    for name, columns in (
        ("whereupon_entry_watched", ["person_key", "watched_until"]),
        ("whereupon_entry_watching", ["digest"]),
    ):
        op.create_index(
            name, "whereupon_entry", columns, sqlite_where=_WATCHED, postgresql_where=_WATCHED
        )
