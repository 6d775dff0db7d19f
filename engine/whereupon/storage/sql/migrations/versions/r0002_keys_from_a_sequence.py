"""On PostgreSQL, hand out keys from a sequence, and count erasures."""

from alembic import op

revision = "0002"
down_revision = "0001"

_BLOCK = 2**20


def upgrade() -> None:
    """Let the sequence go on where the counter was, which goes."""
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    counter = "FROM whereupon_meta WHERE name = 'next_key'"
    first = connection.exec_driver_sql(f"SELECT value {counter}").scalar_one()
    op.execute(
        f"CREATE SEQUENCE whereupon_key AS BIGINT INCREMENT BY {_BLOCK} START WITH {int(first)}"
    )
    op.execute(f"DELETE {counter}")
    op.execute("INSERT INTO whereupon_meta (name, value) VALUES ('erasures', 1)")
