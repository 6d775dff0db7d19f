"""Runs a statement on the driver's own cursor, in place of SQLAlchemy's `exec_driver_sql`.

SQLAlchemy prepares for results of every kind, which costs several times what a small statement does. Its
connection still has the transaction, and its errors are still raised. If anybody listens to its statements,
or has it log them, SQLAlchemy runs them.
"""

from collections.abc import Sequence
from typing import Any, NoReturn, TypeAlias

from sqlalchemy import Connection

Rows: TypeAlias = Sequence[Sequence[Any]]  # what a column holds is known by `rows` only
Parameters: TypeAlias = tuple[object, ...]


def fetch(connection: Connection, sql: str, parameters: Parameters) -> Rows:
    """Run a statement once and return all rows, as the driver gives them."""
    cursor = _cursor(connection)
    if cursor is None:
        with connection.exec_driver_sql(sql, parameters) as result:
            return result.cursor.fetchall() if result.cursor is not None else ()
    try:
        cursor.execute(sql, parameters)
        rows: Rows = cursor.fetchall() if cursor.description else ()
    except BaseException as error:  # noqa: BLE001 - an interrupt costs the connection
        raise_as_sqlalchemy(connection, error, cursor, sql, parameters)
    cursor.close()
    return rows


def run(connection: Connection, sql: str, parameters: Parameters = ()) -> int:
    """Run a statement once; how many rows it wrote."""
    cursor = _cursor(connection)
    if cursor is None:
        return connection.exec_driver_sql(sql, parameters).rowcount
    try:
        cursor.execute(sql, parameters)
        written: int = cursor.rowcount
    except BaseException as error:  # noqa: BLE001 - an interrupt costs the connection
        raise_as_sqlalchemy(connection, error, cursor, sql, parameters)
    cursor.close()
    return written


def run_many(connection: Connection, sql: str, rows: list[Parameters]) -> int:
    """Run a statement for each row of parameters; how many rows it wrote."""
    if len(rows) == 1:
        return run(connection, sql, rows[0])
    cursor = _cursor(connection)
    if cursor is None:
        return connection.exec_driver_sql(sql, rows).rowcount
    try:
        cursor.executemany(sql, rows)
        written: int = cursor.rowcount
    except BaseException as error:  # noqa: BLE001 - an interrupt costs the connection
        raise_as_sqlalchemy(connection, error, cursor, sql, rows)
    cursor.close()
    return written


def _cursor(connection: Connection) -> Any:  # it is the driver's
    """A new cursor of the driver; None if SQLAlchemy runs the statement."""
    if (  # `is_observed`: a call costs more than the answer
        connection._has_events or connection._echo or connection.engine._has_events  # noqa: SLF001
    ):
        return None
    pooled = connection._dbapi_connection or connection.connection  # noqa: SLF001 - the latter is slower, and checks
    return pooled.dbapi_connection.cursor()  # type: ignore[union-attr]  # it is open


def is_observed(connection: Connection) -> bool:
    """Whether a listener hears events of the connection, or its statements are logged."""
    heard = connection._has_events or connection.engine._has_events  # noqa: SLF001
    return heard or connection._echo  # noqa: SLF001 - no other way to ask costs less than the statement


def raise_as_sqlalchemy(
    connection: Connection, error: BaseException, cursor: Any, sql: str, parameters: object
) -> NoReturn:
    """Raise an error as SQLAlchemy does, which also takes a broken connection out of its pool."""
    if isinstance(error, Exception) and not isinstance(
        error, connection.dialect.loaded_dbapi.Error
    ):
        raise error
    connection._handle_dbapi_exception(error, sql, parameters, cursor, None)  # type: ignore[arg-type]  # noqa: SLF001
