"""How Alembic runs the migrations: in the transaction that the store has begun, or as a text of SQL."""

from alembic import context

given = context.config.attributes
if context.is_offline_mode():
    context.configure(
        dialect_name=given["dialect"],
        version_table=given["version_table"],
        output_buffer=given["written"],
        literal_binds=True,
    )
else:
    context.configure(connection=given["connection"], version_table=given["version_table"])
context.run_migrations()
