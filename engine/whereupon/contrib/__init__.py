"""Helpers for other tools of a host, one module each: ``alembic``, ``prometheus``, ``opentelemetry``.

The engine imports none of them.
"""
