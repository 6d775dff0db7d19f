"""Let people be found by their e-mail addresses."""

import sqlalchemy as sa
from alembic import op

from whereupon.storage.sql.migrations.kinds import WORDS

revision = "0017"
down_revision = "0016"

_HAS_EMAIL = sa.text("email IS NOT NULL")
_READ = {
    "sqlite": "CASE json_type(attributes, '$.email') WHEN 'text' THEN json_extract(attributes, '$.email') END",
    "postgresql": "CASE jsonb_typeof(attributes::jsonb -> 'email') WHEN 'string' THEN attributes::jsonb ->> 'email' END",
}


def upgrade() -> None:
    """Add a column with an index, and fill it from the attributes."""
    op.add_column("whereupon_person", sa.Column("email", WORDS))
    email = f"lower(trim({_READ[op.get_bind().dialect.name]}))"
    op.execute(
        f"UPDATE whereupon_person SET email = {email} "  # noqa: S608 - our own words
        f"WHERE {email} LIKE '%@%' AND length({email}) <= 320"
    )
    op.create_index(
        "whereupon_person_email",
        "whereupon_person",
        ["email"],
        sqlite_where=_HAS_EMAIL,
        postgresql_where=_HAS_EMAIL,
    )
