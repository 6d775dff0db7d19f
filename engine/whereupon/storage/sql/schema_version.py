"""The version of the tables, and making or migrating them when a store is opened.

New tables are made as `tables` describes them. Older tables go through `migrations`, which alone needs
Alembic. Both ways end with the same tables, which a test proves. All of it happens in one transaction that
keeps other processes from opening the store.
"""

from importlib.resources import files

from sqlalchemy import Connection, Insert, insert, inspect, select, update

from whereupon.errors import StoreError
from whereupon.storage.sql.dialects import Database
from whereupon.storage.sql.tables import VERSIONS, Base, MetaRow, table_of

_META = table_of(MetaRow)
_COMMAND = "run `whereupon migrate --store URL` under a role that may change tables"
_FIRST = "0001"
"""The tables as they were before there were migrations."""


def revisions() -> list[str]:
    """The migrations, oldest first, by the files that hold them (see `migrations`)."""
    found = files("whereupon.storage.sql.migrations").joinpath("versions").iterdir()
    return sorted(each.name[1:5] for each in found if each.name.startswith("r0"))


def prepare(
    connection: Connection, database: Database, *, make: bool, migrate: bool = True
) -> None:
    """Make the tables if there are none, and migrate older ones.

    Args:
        connection: in a transaction that may write.
        database: its dialect.
        make: whether to make tables.
        migrate: whether to change the schema at all.

    Raises:
        StoreError: with the code ``newer-schema``, if a newer library has made the tables; ``no-store``, if
            there are no tables and none are to be made; ``older-schema``, if older ones are not to be changed.
    """
    known = revisions()
    database.lock_schema(connection)
    found = revision_of(connection)
    if found is None:
        if not (make and migrate):
            hint = "" if migrate else f": {_COMMAND}"
            reason = f"there are no tables of whereupon in that database{hint}"
            raise StoreError(code="no-store", reason=reason)
        database.make_schema(connection)
        _make(connection, database, known[-1])
    else:
        _bring_up_to_date(connection, found, known, migrate=migrate)
    database.note_schema(connection)


def _bring_up_to_date(
    connection: Connection, found: str, known: list[str], *, migrate: bool
) -> None:
    if found not in known or _schema(connection) > int(known[-1]):
        reason = (
            f"the tables are newer ({found}, {_schema(connection)}) than this library, "
            f"which knows them up to {known[-1]}: upgrade it"
        )
        raise StoreError(code="newer-schema", reason=reason)
    if found == known[-1]:
        return
    if not migrate:
        reason = (
            f"the tables are of version {found}, and this library needs {known[-1]}: {_COMMAND}"
        )
        raise StoreError(code="older-schema", reason=reason)
    _migrate(connection, known[-1])


def is_current(connection: Connection) -> bool:
    """Whether the tables exist and have the version of this library."""
    newest = revisions()[-1]
    return revision_of(connection) == newest and _schema(connection) == int(newest)


def revision_of(connection: Connection) -> str | None:
    """The version of the tables; None if there are none."""
    tables = inspect(connection)
    if tables.has_table(VERSIONS.name):
        return str(connection.scalar(select(VERSIONS.c.version_num)))
    return _FIRST if tables.has_table(_META.name) else None


def _schema(connection: Connection) -> int:
    return connection.scalar(select(_META.c.value).where(_META.c.name == "schema")) or 0


def _make(connection: Connection, database: Database, newest: str) -> None:
    Base.metadata.create_all(connection)
    for row in first_rows(database, newest):
        connection.execute(row)


def first_rows(database: Database, newest: str) -> list[Insert]:
    """The rows of new tables."""
    counter = "next_key" if database.one_writer else "erasures"
    numbers = {"schema": int(newest), counter: 1}
    rows = [insert(_META).values(name=name, value=value) for name, value in numbers.items()]
    return [*rows, insert(VERSIONS).values(version_num=newest)]


def _migrate(connection: Connection, newest: str) -> None:
    from whereupon.storage.sql.migrations.running import upgrade  # noqa: PLC0415 - Alembic is slow to import

    upgrade(connection)
    schema = update(_META).where(_META.c.name == "schema")
    connection.execute(schema.values(value=int(newest)))
