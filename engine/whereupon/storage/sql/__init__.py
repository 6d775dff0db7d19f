"""The store in a host's database: SQLite and PostgreSQL, through SQLAlchemy Core.

sqlalchemy and sqlmodel are known here and in the migrations only.

For others: `store` (SqlStore).
"""
