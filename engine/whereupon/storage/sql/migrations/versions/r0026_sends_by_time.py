"""Find the deliveries of a person by their time, which is what caps count."""

from alembic import op

revision = "0026"
down_revision = "0025"

_NAME, _TABLE = "whereupon_delivery_person", "whereupon_delivery"


def upgrade() -> None:
    """Put the time behind the person in an index that is there."""
    op.drop_index(_NAME, _TABLE)
    op.create_index(_NAME, _TABLE, ["person_key", "due_at"])
