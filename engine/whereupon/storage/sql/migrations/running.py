"""Running the migrations; the one place that sets Alembic to work."""

from io import StringIO
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection

from whereupon.runtime.forks import ProcessLock
from whereupon.storage.sql.tables import VERSIONS

_ONE_AT_A_TIME = ProcessLock()
"""Alembic keeps what it is at in its own modules, so a process migrates one database at a time."""


def upgrade(connection: Connection) -> None:
    """Bring the tables to the newest version, within the connection's transaction."""
    with _ONE_AT_A_TIME:
        command.upgrade(config(connection), "head")


def sql_of_upgrade(dialect: str, found: str) -> str | None:
    """What an upgrade from a version would run, as SQL; None where it asks the database something."""
    written = StringIO()
    with _ONE_AT_A_TIME:
        made = _config()
        made.attributes["dialect"] = dialect
        made.attributes["written"] = written
        try:
            command.upgrade(made, f"{found}:head", sql=True)
        except (CommandError, NotImplementedError, AttributeError):
            return None
    return written.getvalue()


def config(connection: Connection) -> Config:
    """Alembic's configuration, for a connection in whose transaction it is to work."""
    made = _config()
    made.attributes["connection"] = connection
    return made


def _config() -> Config:
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    made.attributes["version_table"] = VERSIONS.name
    return made
