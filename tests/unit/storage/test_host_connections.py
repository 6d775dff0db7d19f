"""A host's connections of the driver itself, without SQLAlchemy."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row
from sqlalchemy import create_engine, event, make_url
from tests.rule_files import book_of
from tests.shop import purchase, thanks

from whereupon import Engine, StoreError


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine on a file."""
    with Engine.open(f"sqlite:///{tmp_path}/shop.db", rules=book_of(thanks())) as engine:
        yield engine


@pytest.fixture
def host(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The host's connection to the same file, with a table of its own."""
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.execute("CREATE TABLE orders (id TEXT)")
        yield connection


def _counts(engine: Engine, host: sqlite3.Connection) -> tuple[int, int]:
    ((orders,),) = host.execute("SELECT count(*) FROM orders").fetchall()
    with engine.store.session() as session:
        return orders, session.counts().messages


def test_what_the_driver_rolls_back_was_never_recorded(
    engine: Engine, host: sqlite3.Connection
) -> None:
    """Neither the order nor the event happened."""
    host.execute("INSERT INTO orders VALUES ('O-1')")
    assert engine.ingest([purchase(1)], connection=host).accepted == 1
    host.rollback()
    assert _counts(engine, host) == (0, 0)


def test_what_the_driver_commits_is_recorded(engine: Engine, host: sqlite3.Connection) -> None:
    """Several calls see each other, and only the host commits them."""
    host.execute("INSERT INTO orders VALUES ('O-1')")
    engine.ingest([purchase(1)], connection=host)
    assert engine.ingest([purchase(1), purchase(2)], connection=host).duplicates == 1
    assert host.in_transaction
    host.commit()
    assert _counts(engine, host) == (1, 2)


def test_a_transaction_that_our_call_is_the_first_to_write_in_is_still_the_hosts(
    engine: Engine, host: sqlite3.Connection
) -> None:
    """The host may write its order after the event."""
    engine.ingest([purchase(1)], connection=host)
    host.execute("INSERT INTO orders VALUES ('O-1')")
    host.rollback()
    assert _counts(engine, host) == (0, 0)


def test_a_connection_that_commits_each_statement_is_refused(
    engine: Engine, host: sqlite3.Connection
) -> None:
    """It has no transaction to take part in; after an explicit BEGIN it has one."""
    host.isolation_level = None
    with pytest.raises(StoreError) as caught:
        engine.ingest([purchase(1)], connection=host)
    assert caught.value.code == "no-transaction"
    host.execute("BEGIN")
    engine.ingest([purchase(1)], connection=host)
    host.execute("ROLLBACK")
    assert _counts(engine, host) == (0, 0)


def test_the_hosts_connection_stays_as_it_was(engine: Engine, host: sqlite3.Connection) -> None:
    """Its rows, its functions and its isolation level are the host's."""
    before = host.isolation_level
    host.row_factory = sqlite3.Row
    host.create_function("regexp", 2, lambda _pattern, _text: "the host's")
    engine.ingest([purchase(1)], connection=host)
    host.commit()
    row = host.execute("SELECT 'a' REGEXP 'b' AS answer").fetchone()
    assert isinstance(row, sqlite3.Row)
    assert row["answer"] == "the host's"
    assert host.isolation_level == before


def test_an_error_of_ours_leaves_the_drivers_transaction_usable(
    engine: Engine, host: sqlite3.Connection
) -> None:
    """A host that catches it and commits keeps its order, and nothing of our record."""
    refuse = "CREATE TRIGGER no BEFORE INSERT ON whereupon_delivery"
    host.execute(f"{refuse} BEGIN SELECT RAISE(ABORT, 'no'); END")
    host.execute("INSERT INTO orders VALUES ('O-1')")
    with pytest.raises(StoreError):
        engine.ingest([purchase(1)], connection=host)
    host.commit()
    assert _counts(engine, host) == (1, 0)


def test_a_connection_that_cannot_be_used_is_refused_by_name(
    engine: Engine, host: sqlite3.Connection
) -> None:
    """The host catches one error of ours for every kind of connection."""
    database = create_engine("sqlite://")
    with database.connect() as over:
        pass
    host.close()
    for passed in (host, over):
        with pytest.raises(StoreError) as caught:
            engine.ingest([purchase(1)], connection=passed)
        assert caught.value.code == "no-connection"
    assert _recorded(engine) == 0


def test_an_sqlalchemy_connection_that_commits_each_statement_is_refused(database: str) -> None:
    """It cannot give one transaction with the host's own writes."""
    url = make_url(database)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    host = create_engine(url, isolation_level="AUTOCOMMIT")
    with Engine.open(database, rules=book_of(thanks())) as engine, host.connect() as passed:
        with pytest.raises(StoreError) as caught:
            engine.ingest([purchase(1)], connection=passed)
        assert caught.value.code == "no-transaction"
        assert _recorded(engine) == 0
    host.dispose()


def test_a_host_that_begins_its_sqlite_transactions_itself_is_served(tmp_path: Path) -> None:
    """As SQLAlchemy's documentation recommends for SQLite."""
    host = create_engine(f"sqlite:///{tmp_path}/shop.db")
    event.listen(host, "connect", lambda made, _: setattr(made, "isolation_level", None))
    event.listen(host, "begin", lambda passed: passed.exec_driver_sql("BEGIN"))
    with Engine.open(f"sqlite:///{tmp_path}/shop.db", rules=book_of(thanks())) as engine:
        with host.connect() as passed:
            assert engine.ingest([purchase(1)], connection=passed).accepted == 1
            passed.rollback()
            assert engine.ingest([purchase(1)], connection=passed).accepted == 1
            passed.commit()
        assert _recorded(engine) == 1
    host.dispose()


# --- psycopg ---------------------------------------------------------------------------------------


@pytest.fixture
def psycopg_host(postgres: str) -> Iterator[psycopg.Connection[DictRow]]:
    """The host's connection to PostgreSQL, with its own row type."""
    url = make_url(postgres)
    query = {key: str(value) for key, value in url.query.items()}
    options = {"user": url.username, "dbname": url.database, **query}
    with psycopg.connect(row_factory=dict_row, **options) as connection:  # type: ignore[arg-type]
        yield connection


def _recorded(engine: Engine) -> int:
    with engine.store.session() as session:
        return session.counts().messages


def test_what_psycopg_rolls_back_was_never_recorded_and_what_it_commits_is(
    postgres: str, psycopg_host: psycopg.Connection[DictRow]
) -> None:
    """As with the driver of SQLite; the host's rows stay dictionaries."""
    with Engine.open(postgres, rules=book_of(thanks())) as engine:
        for end, kept in ((psycopg_host.rollback, 0), (psycopg_host.commit, 2)):
            engine.ingest([purchase(1)], connection=psycopg_host)
            assert engine.ingest([purchase(1), purchase(2)], connection=psycopg_host).accepted == 1
            end()
            assert _recorded(engine) == kept
        assert psycopg_host.execute("SELECT 1 AS one").fetchone() == {"one": 1}


def test_a_psycopg_connection_that_commits_each_statement_is_refused(
    postgres: str, psycopg_host: psycopg.Connection[DictRow]
) -> None:
    """Within a transaction block it is accepted."""
    psycopg_host.autocommit = True
    with Engine.open(postgres, rules=book_of(thanks())) as engine:
        with pytest.raises(StoreError) as caught:
            engine.ingest([purchase(1)], connection=psycopg_host)
        assert caught.value.code == "no-transaction"
        with psycopg_host.transaction(force_rollback=True):
            engine.ingest([purchase(1)], connection=psycopg_host)
        assert _recorded(engine) == 0


def test_a_connection_of_another_database_is_refused(
    engine: Engine, psycopg_host: psycopg.Connection[DictRow]
) -> None:
    """It would not be the transaction that the host means."""
    with pytest.raises(StoreError) as caught:
        engine.ingest([purchase(1)], connection=psycopg_host)
    assert caught.value.code == "no-connection"


def test_a_transaction_that_has_failed_is_refused_until_it_is_rolled_back(
    postgres: str, psycopg_host: psycopg.Connection[DictRow]
) -> None:
    """PostgreSQL ignores every statement until then."""
    with Engine.open(postgres, rules=book_of(thanks())) as engine:
        with pytest.raises(psycopg.DataError):
            psycopg_host.execute("SELECT 1 / 0")
        with pytest.raises(StoreError) as caught:
            engine.ingest([purchase(1)], connection=psycopg_host)
        assert caught.value.code == "no-transaction"
        psycopg_host.rollback()
        assert engine.ingest([purchase(1)], connection=psycopg_host).accepted == 1


def test_an_sqlalchemy_connection_to_another_kind_of_database_is_refused(postgres: str) -> None:
    """It would not be the transaction that the host means."""
    with Engine.open(postgres) as engine, create_engine("sqlite://").connect() as passed:
        with pytest.raises(StoreError) as caught:
            engine.ingest([purchase(1)], connection=passed)
        assert caught.value.code == "no-connection"
