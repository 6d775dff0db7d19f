"""Migrations of the tables, run by Alembic when a store with older tables is opened.

To change the tables: change `whereupon.storage.sql.tables`, and add one file here that brings older tables
there, ``versions/rNNNN_what_it_does.py``, the number one higher than the last:

    \"\"\"Keep approvals.\"\"\"

    import sqlalchemy as sa
    from alembic import op

    revision = "0003"
    down_revision = "0002"


    def upgrade() -> None:
        op.create_table("whereupon_approval", sa.Column("key", sa.BigInteger(), nullable=False), …)

Nothing else is to be edited: the newest file's number is the version of the tables, older libraries refuse
it, and tests/unit/storage/test_migrations.py fails while the migrated tables differ from the described ones. A
script imports nothing of ours but `kinds`, for it describes the tables as they were then. It runs
in a transaction with the rest (``op.batch_alter_table`` on SQLite, which changes no column in place). There
is no way down: restore a backup, or migrate on.
"""
