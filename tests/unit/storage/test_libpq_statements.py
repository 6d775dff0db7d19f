"""Statements as libpq runs them: what is prepared, what comes back, and what an error leaves behind."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.pq import PipelineStatus, TransactionStatus
from tests.rule_files import book_of
from tests.servers import Server
from tests.shop import thanks

from whereupon.engine import Engine
from whereupon.storage.sql.libpq_statements import LibpqStatements
from whereupon.storage.sql.store import SqlStore

VALUES = (1, 2**40, -1, "é", "", b"\0\xff", None, 1.5)
PREPARED = "SELECT name FROM pg_prepared_statements ORDER BY name"


@pytest.fixture
def driver(server: Server) -> Iterator[psycopg.Connection]:
    """A connection in autocommit mode."""
    with psycopg.connect(host=server.socket, user="postgres", autocommit=True) as found:
        yield found


def fetched(statements: LibpqStatements, sql: str, *parameters: object) -> list[tuple[object, ...]]:
    """The rows of a read."""
    answer = statements.send(sql, parameters)
    statements.wait()
    return list(map(tuple, statements.rows(answer)))


@pytest.mark.parametrize("prepares", [True, False])
def test_values_and_rows_are_those_of_the_drivers_cursor(
    driver: psycopg.Connection, *, prepares: bool
) -> None:
    """Whatever they are, and again when the statement is prepared."""
    statements = LibpqStatements(driver, prepares=prepares)
    for value in VALUES:
        sql = "SELECT %s, 100 %% 7"
        expected = driver.execute(sql, (value,)).fetchall()
        assert [fetched(statements, sql, value) for _ in range(2)] == [expected] * 2


def test_a_statement_is_prepared_once_for_each_type_of_its_parameters(
    driver: psycopg.Connection,
) -> None:
    """A host's connection keeps none."""
    for prepares, kept in ((False, 0), (True, 2)):
        statements = LibpqStatements(driver, prepares=prepares)
        for value in (1, 2, b"x", b"y"):
            fetched(statements, "SELECT %s", value)
        assert len(driver.execute(PREPARED).fetchall()) == kept


def test_no_more_are_prepared_than_a_connection_should_keep(driver: psycopg.Connection) -> None:
    """The others run all the same."""
    statements = LibpqStatements(driver, prepares=True)
    for number in range(300):
        assert fetched(statements, f"SELECT {number}") == [(number,)]
    assert len(driver.execute(PREPARED).fetchall()) == 256


def test_the_first_error_is_raised_and_what_comes_behind_it_is_prepared_later(
    driver: psycopg.Connection,
) -> None:
    """The connection is as usable as after an error of the driver's cursor."""
    statements = LibpqStatements(driver, prepares=True)
    for sql in ("SELECT 1 / (%s - 1)", "SELECT nothing, %s", "SELECT 3 + %s"):
        statements.send(sql, (1,))
    with pytest.raises(psycopg.errors.DivisionByZero):
        statements.wait()
    statements.abandon()
    assert driver.info.pipeline_status is PipelineStatus.OFF
    assert fetched(statements, "SELECT 3 + %s", 1) == [(4,)]
    assert fetched(statements, "SELECT 1 / (%s - 1)", 2) == [(1,)]


def test_what_is_abandoned_is_over(driver: psycopg.Connection) -> None:
    """Its statements run, and nobody reads their answers."""
    statements = LibpqStatements(driver, prepares=True)
    for _ in range(2):
        statements.send("BEGIN", ())
        statements.send("SELECT %s", (1,))
        statements.abandon()
        assert driver.info.pipeline_status is PipelineStatus.OFF
        assert driver.info.transaction_status is TransactionStatus.INTRANS
        driver.execute("ROLLBACK")


def test_more_than_the_buffers_hold_is_sent_and_read(driver: psycopg.Connection) -> None:
    """Neither side waits for the other to read first."""
    statements = LibpqStatements(driver, prepares=True)
    text = "x" * 1_000_000
    answers = [statements.send("SELECT %s::text", (text,)) for _ in range(20)]
    statements.wait()
    assert all(list(statements.rows(each)) == [(text,)] for each in answers)


def test_a_lost_connection_is_an_error_of_the_driver(
    server: Server, driver: psycopg.Connection
) -> None:
    """Also if it is lost while an answer is waited for."""
    statements = LibpqStatements(driver, prepares=True)
    with psycopg.connect(host=server.socket, user="postgres", autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (driver.info.backend_pid,))
    statements.send("SELECT 1", ())
    with pytest.raises(psycopg.OperationalError):
        statements.wait()
    statements.abandon()
    assert driver.broken


def test_a_store_goes_on_after_its_prepared_statements_were_discarded(server: Server) -> None:
    """As a pooler between it and the server may do."""
    with server.clean() as url, Engine.open(url, rules=book_of(thanks())) as engine:
        engine.track("Order Completed", user_id="ada")
        assert isinstance(engine.store, SqlStore)
        engine.store._database.close_idle()  # noqa: SLF001 - so that the pool has it
        with engine.store._engine.connect() as pooled:  # noqa: SLF001 - the only connection
            assert pooled.exec_driver_sql(PREPARED).fetchall()
            pooled.exec_driver_sql("DEALLOCATE ALL")
        engine.track("Order Completed", user_id="ada")
        with engine.store.session() as session:
            assert session.counts().messages == 2


def test_nothing_is_prepared_any_more_where_the_server_did_not_know_a_statement(
    driver: psycopg.Connection,
) -> None:
    """A pooler that shares connections would lose the next one, too."""
    statements = LibpqStatements(driver, prepares=True)
    assert fetched(statements, "SELECT 3 + %s", 1) == [(4,)]
    driver.execute("DEALLOCATE ALL")
    with pytest.raises(psycopg.errors.InvalidSqlStatementName):
        fetched(statements, "SELECT 3 + %s", 1)
    statements.abandon()
    assert fetched(statements, "SELECT 3 + %s", 1) == [(4,)]
    assert driver.execute(PREPARED).fetchall() == []


def test_two_connections_behind_one_name_their_statements_apart(driver: psycopg.Connection) -> None:
    """As clients do that a pooler leads to the same connection."""
    one, other = (LibpqStatements(driver, prepares=True) for _ in range(2))
    assert fetched(one, "SELECT 1") == fetched(other, "SELECT 1") == [(1,)]


def test_nothing_stays_prepared_on_a_connection_that_a_host_lends(server: Server) -> None:
    """Its own statements are its own."""
    with server.clean() as url, Engine.open(url, rules=book_of(thanks())) as engine:
        options = "-csearch_path=" + url.rpartition("search_path%3D")[2]
        with psycopg.connect(host=server.socket, user="postgres", options=options) as lent:
            for _ in range(3):
                lent.execute("SELECT 1")
                engine.track("Order Completed", user_id="ada", connection=lent)
            assert [n for (n,) in lent.execute(PREPARED) if n.startswith("whereupon")] == []
