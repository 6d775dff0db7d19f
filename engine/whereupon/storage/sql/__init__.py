"""The store in a host's database: SQLite and PostgreSQL, through SQLAlchemy.

The package keeps what differs between databases in one dialect each (`sqlite`, `postgres`), and its SQL in
`statements/`. It opens no transaction of the host's and ends none.

For others in `storage`: `store` (SqlStore), `database_url`, `schema_version`.
"""
