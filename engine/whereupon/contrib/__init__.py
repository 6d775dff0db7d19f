"""Helpers for other tools of a host: `alembic`, for hosts whose own migrations are made by Alembic.

The engine imports none of them.
"""
