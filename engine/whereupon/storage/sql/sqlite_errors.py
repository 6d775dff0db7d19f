"""Errors of SQLite, as `StoreError` where the caller can do something about them.

The transaction is rolled back; the same call can be made again when the cause is gone.
"""

import os
import sqlite3

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from whereupon.errors import StoreError

_PRIMARY = 0xFF
"""An extended result code of SQLite holds the primary one in its lowest byte."""
_CODES = {
    sqlite3.SQLITE_FULL: ("full", "there is no room left for the database: make room"),
    sqlite3.SQLITE_READONLY: (
        "read-only",
        "the database may not be written: check its permissions",
    ),
    sqlite3.SQLITE_CANTOPEN: ("unreachable", "the database cannot be opened"),
    sqlite3.SQLITE_IOERR: ("unreachable", "the database's file cannot be read or written"),
    sqlite3.SQLITE_CORRUPT: ("damaged", "the database is damaged: restore a backup"),
    sqlite3.SQLITE_NOTADB: ("damaged", "the file is no database, or not any more"),
}
_IDENTITY = "whereupon_file"


class typed_errors:  # noqa: N801 - used as contextlib's managers are, and for every transaction
    """Raise errors of SQLite within the block as a `StoreError`; raise others as they are."""

    def __enter__(self) -> None:
        """Nothing is to be done yet."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is not None:
            raise_typed(error)


def raise_typed(error: BaseException) -> None:
    """Raise an error of SQLite as a `StoreError`, if there is one for it."""
    said = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(said, sqlite3.Error) and (refusal := _typed(said)) is not None:
        raise refusal from error


def _typed(said: BaseException | None) -> StoreError | None:
    """The `StoreError` for an error of the driver, if there is one."""
    if "no such table: whereupon_" in str(said):
        reason = f"our tables are not there any more ({said}): was the database replaced?"
        return StoreError(code="no-tables", reason=reason)
    known = _CODES.get(getattr(said, "sqlite_errorcode", 0) & _PRIMARY)
    return known and StoreError(code=known[0], reason=f"{known[1]} ({said})")


def check_file(connection: Connection, file: str | None) -> bool:
    """Whether the file that a connection has open is still the one at its path.

    SQLite goes on writing into a file that was removed or replaced; what it commits there is lost. A
    connection to a replaced file is closed, so that the new file is opened.

    Raises:
        StoreError: if there is no file any more.
    """
    if file is None:
        return True
    try:
        found = os.stat(file)  # noqa: PTH116 - for each transaction, and a path is slower to make
    except OSError as error:
        reason = f"the database file {file} is not there any more ({error.strerror})"
        raise StoreError(code="unreachable", reason=reason) from error
    identity = found.st_dev, found.st_ino
    if connection.info.setdefault(_IDENTITY, identity) == identity:
        return True
    connection.invalidate()
    connection.rollback()
    return False
