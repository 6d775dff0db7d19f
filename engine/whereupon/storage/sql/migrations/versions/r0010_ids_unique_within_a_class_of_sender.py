"""Let message ids be unique within a class of sender: what stands for a client's ends with U+001F."""

from alembic import op

revision = "0010"
down_revision = "0009"

_CLIENTS = "SELECT message_id FROM whereupon_message WHERE source = 'client'"
_CLIENTS_KEYS = "SELECT key FROM whereupon_message WHERE source = 'client'"


def upgrade() -> None:
    """Mark what clients sent, and all that is called after it; of what is erased nobody knows the class."""
    mark = "chr(31)" if op.get_bind().dialect.name == "postgresql" else "char(31)"
    for table, column, which in (
        ("report", "message_id", f"message_id IN ({_CLIENTS})"),
        ("merge", "message_id", f"message_id IN ({_CLIENTS})"),
        ("delivery", "message_id", f"message_id IN ({_CLIENTS})"),
        ("entry", "occasion", f"message_key IN ({_CLIENTS_KEYS}) AND occasion IN ({_CLIENTS})"),
        ("run", "occasion", f"message_key IN ({_CLIENTS_KEYS}) AND occasion IN ({_CLIENTS})"),
        ("request", "message_id", "source = 'client'"),
        ("set_aside", "message_id", "source = 'client'"),
        ("message", "message_id", "source = 'client'"),
    ):
        op.execute(
            f"UPDATE whereupon_{table} SET {column} = {column} || {mark} WHERE {which}"  # noqa: S608 - our own names
        )
    op.execute("UPDATE whereupon_erased SET digest = digest || '-of-any'")
