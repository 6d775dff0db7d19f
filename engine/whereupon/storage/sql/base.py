"""The root of the tables, and the column types that differ by database."""

from sqlalchemy import (
    BigInteger,
    Dialect,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.orm import registry
from sqlalchemy.types import TypeEngine
from sqlmodel import SQLModel

GIVEN: dict[str, object] = {"autoincrement": False}


class Int64(TypeDecorator[int]):
    """A 64-bit whole number; on SQLite an INTEGER, which alone can be the rowid."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[int]:
        """Pick the type by database."""
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else BigInteger())


class CollatedText(TypeDecorator[str]):
    """Text that sorts by code point, whatever the server's language; on SQLite all text does."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        """Pick the type by database."""
        collation = "C" if dialect.name == "postgresql" else None
        return Text(collation=collation)


class Base(SQLModel, registry=registry(metadata=MetaData())):
    """The root of the tables, apart from the host's own SQLModel metadata."""


def table_of(row: type[Base]) -> Table:
    """The table that a class describes."""
    return Base.metadata.tables[str(row.__tablename__)]
