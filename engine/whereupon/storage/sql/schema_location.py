"""In which schema of a PostgreSQL database our tables are, and how a lent connection finds them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeAlias

from sqlalchemy import Connection

from whereupon.errors import StoreError

_Where: TypeAlias = tuple[str, str | None]
"""The database, and the schema in which the connection finds our tables."""

_FOUND = """
SELECT current_database(), (
    SELECT schema.nspname FROM pg_class AS found
    JOIN pg_namespace AS schema ON schema.oid = found.relnamespace
    WHERE found.oid = to_regclass('whereupon_meta')
)
"""


class SchemaLocation(ABC):
    """Where our tables are.

    Attributes:
        setting: what a transaction of ours selects beside its other settings.
    """

    setting = ""

    @staticmethod
    def of(schema: str | None) -> "SchemaLocation":
        """The schema of that name; None for the one that the connection's ``search_path`` finds."""
        return BySearchPath() if schema is None else ByName(schema)

    @abstractmethod
    def make(self, connection: Connection) -> None:
        """Make the schema, if it is named and does not exist."""

    @abstractmethod
    def note(self, connection: Connection) -> None:
        """Note where our tables are, as a connection of ours finds them."""

    @abstractmethod
    def within(self, connection: Connection) -> AbstractContextManager[None]:
        """A block in a host's transaction, whose statements find our tables."""

    def sql(self, *, make: bool) -> list[str]:
        """SQL that selects the schema in a script, or makes it first."""
        del make
        return []

    @abstractmethod
    def qualified(self, table: str) -> str:
        """A table's name that any connection finds."""


class BySearchPath(SchemaLocation):
    """Our tables are where the connection's ``search_path`` finds them."""

    def __init__(self) -> None:
        self._home: _Where | None = None

    def make(self, connection: Connection) -> None:
        """Nothing to do."""

    def note(self, connection: Connection) -> None:
        """Remembers database and schema."""
        self._home = _where(connection)

    @contextmanager
    def within(self, connection: Connection) -> Iterator[None]:
        """Checks first that the host's connection finds the same tables."""
        found = _where(connection)
        if self._home is not None and found != self._home:
            raise _other(found, self._home)
        yield

    def qualified(self, table: str) -> str:
        """As it is."""
        return table


class ByName(SchemaLocation):
    """Our tables are in one schema, whatever the ``search_path``."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._quoted = '"' + schema.replace('"', '""') + '"'
        path = self._quoted.replace("'", "''").replace("%", "%%")
        self.setting = f", set_config('search_path', '{path}', true)"
        self._database: str | None = None

    def make(self, connection: Connection) -> None:
        """A role that may not make a schema can use one that exists."""
        there = "SELECT 1 FROM pg_namespace WHERE nspname = %s"
        if not connection.exec_driver_sql(there, (self._schema,)).first():
            quoted = self._quoted.replace("%", "%%")
            connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {quoted}")

    def note(self, connection: Connection) -> None:
        """Remembers the database."""
        self._database = _where(connection)[0]

    @contextmanager
    def within(self, connection: Connection) -> Iterator[None]:
        """Looks in that schema alone, and restores the host's ``search_path``."""
        asked = f"SELECT current_database(), current_setting('search_path'){self.setting}"
        database, before, _ = connection.exec_driver_sql(asked).one()
        if self._database is not None and database != self._database:
            raise _other((database, self._schema), (self._database, self._schema))
        yield
        connection.exec_driver_sql("SELECT set_config('search_path', %s, true)", (before,))

    def sql(self, *, make: bool) -> list[str]:
        """Until the end of the transaction."""
        made = [f"CREATE SCHEMA IF NOT EXISTS {self._quoted};"] if make else []
        return [*made, f"SET LOCAL search_path TO {self._quoted};"]

    def qualified(self, table: str) -> str:
        """With the schema."""
        return f"{self._quoted.replace('%', '%%')}.{table}"


def _where(connection: Connection) -> _Where:
    database, schema = connection.exec_driver_sql(_FOUND).one()
    return str(database), None if schema is None else str(schema)


def _other(found: _Where, home: _Where) -> StoreError:
    there = f"the tables of {'.'.join(map(str, found))}" if found[1] else "no tables of ours"
    reason = (
        f"the connection that was lent leads to {there}, and the store is in {'.'.join(map(str, home))}: "
        "set its search_path, or open an engine for each schema with schema="
    )
    return StoreError(code="other-schema", reason=reason)
