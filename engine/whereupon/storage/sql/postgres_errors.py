"""Errors of PostgreSQL, as `StoreError` where the caller can do something about them."""

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from whereupon.errors import StoreError
from whereupon.storage.deadline import busy
from whereupon.storage.sql.grants import NO_GRANT, no_grant
from whereupon.storage.sql.transaction_retry import LostRaceError

_LOST = {"23505", "40001", "40P01"}  # unique_violation, serialization_failure, deadlock_detected
_DISCARDED = "26000"  # invalid_sql_statement_name
_AWAY = {"57P01", "57P02", "57P03"}  # the server is shut down, has crashed, or is starting
_CODES = {
    "53100": ("full", "there is no room left for the database: make room"),
    "25006": ("read-only", "the database may not be written: is this a standby?"),
    "25P01": ("no-transaction", "the connection that was lent has no transaction: begin one"),
    "25P02": ("no-transaction", "the transaction that was lent has failed: roll it back"),
    "3F000": ("no-schema", "there is no schema for our tables that this role may use"),
    "42P01": ("no-tables", "our tables are not there any more: was the database replaced?"),
}
_LOCK_TIMEOUT = "55P03"  # lock_not_available


class typed_errors:  # noqa: N801 - used as contextlib's managers are
    """Raise errors of the database within the block as a `StoreError`; raise others as they are."""

    def __enter__(self) -> None:
        """Nothing is to be done yet."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is not None:
            raise_typed(error)


def raise_typed(error: BaseException) -> None:
    """Raise an error of the database as a `StoreError`, if there is one for it."""
    refusal: StoreError | None = None
    if isinstance(error, NoConnectionError):
        reason = "every connection of the engine's pool is in use"
        refusal = StoreError(code="busy", reason=reason)
    elif isinstance(error, DBAPIError):
        refusal = _typed(error.orig, unreachable=error.connection_invalidated)
    elif isinstance(error, psycopg.Error):  # from a COPY, which SQLAlchemy knows nothing of
        refusal = _typed(error)
    elif isinstance(error, UnicodeEncodeError):
        refusal = _bad_text()
    if refusal is not None:
        raise refusal from error


def failed_transaction() -> StoreError:
    """The error about a host's transaction in which a statement has failed."""
    code, reason = _CODES["25P02"]
    return StoreError(code=code, reason=reason)


def _typed(said: BaseException | None, *, unreachable: bool = False) -> StoreError | None:
    state = getattr(said, "sqlstate", None)
    if state in _LOST:
        return LostRaceError(reason=f"somebody was first: {said}")
    if state == _DISCARDED:
        return LostRaceError(reason=f"somebody has discarded what was prepared: {said}")
    if state == _LOCK_TIMEOUT:
        return busy()
    if state == NO_GRANT:
        return no_grant(said)
    if state in _CODES:
        code, reason = _CODES[state]
        return StoreError(code=code, reason=f"{reason} ({said})")
    if (
        unreachable
        or state in _AWAY
        or (isinstance(said, psycopg.OperationalError) and state is None)
    ):
        return StoreError(code="unreachable", reason=f"the database cannot be reached: {said}")
    if isinstance(said, psycopg.DataError) and "NUL" in str(said):
        return _bad_text()
    return None


def _bad_text() -> StoreError:
    """The error about text that no column of PostgreSQL can hold."""
    reason = "a text holds the character NUL or half a character, which the database cannot keep"
    return StoreError(code="bad-text", reason=reason)
