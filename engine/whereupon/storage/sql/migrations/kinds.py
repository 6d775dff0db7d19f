"""The kinds of column that every migration has in common, frozen: no library's version changes them."""

import sqlalchemy as sa

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""64 bits; on SQLite an INTEGER, which alone can be the rowid."""

WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Text that sorts by code point."""
