"""Tables that another role or a script makes or migrates."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest
from alembic import command
from sqlalchemy.engine import make_url
from tests.rule_files import book_of
from tests.scenarios.commands import whereupon
from tests.servers import Server
from tests.shop import purchase, thanks
from tests.unit.storage.test_migrations import SCHEMAS, connected, drift

from whereupon import Engine
from whereupon.errors import StoreError
from whereupon.storage import open_store
from whereupon.storage.sql.migrations.running import config
from whereupon.storage.sql.schema_version import revisions

NEWEST = revisions()[-1]
RULES = book_of(thanks())
_NUMBERS = count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without any tables, once on each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/shop.db"
        return
    server: Server = request.getfixturevalue("server")
    with server.empty() as url:
        yield url


@pytest.fixture
def older(empty: str) -> str:
    """The same with the tables of an older version."""
    run(empty, (SCHEMAS / f"version-1.{make_url(empty).get_backend_name()}.sql").read_text())
    with connected(empty) as connection:
        command.upgrade(config(connection), "0006")
        connection.exec_driver_sql("UPDATE whereupon_meta SET value = 6 WHERE name = 'schema'")
    return empty


def run(url: str, script: str) -> None:
    """Run a script of SQL, as ``psql -f`` or ``sqlite3 <`` does."""
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        assert address.database is not None
        with closing(sqlite3.connect(address.database)) as connection:
            connection.executescript(script)
        return
    query = address.query
    with psycopg.connect(
        host=str(query["host"]), user="postgres", dbname="postgres",
        options=str(query.get("options", "")), autocommit=True,
    ) as connection:  # fmt: skip
        connection.execute(script.encode())


def refused(url: str, **options: bool) -> StoreError:
    """The error with which an engine does not open."""
    with pytest.raises(StoreError) as caught:
        Engine.open(url, rules=RULES, **options)  # type: ignore[arg-type]
    return caught.value


def test_an_engine_that_may_not_migrate_says_who_does(older: str) -> None:
    """Nothing is changed; after ``whereupon migrate`` it opens."""
    error = refused(older, migrate=False)
    assert error.code == "older-schema"
    assert "0006" in str(error)
    assert "whereupon migrate --store URL" in str(error)
    assert f"version {NEWEST} now; they had 0006" in whereupon("migrate", "--store", older).stdout
    Engine.open(older, rules=RULES, migrate=False).close()
    assert f"version {NEWEST} already" in whereupon("migrate", "--store", older).stdout


def test_nor_does_it_make_tables(empty: str) -> None:
    """A missing table is made by the same command."""
    error = refused(empty, migrate=False)
    assert (error.code, "whereupon migrate" in str(error)) == ("no-store", True)
    assert "are created" in whereupon("migrate", "--store", empty).stdout
    Engine.open(empty, rules=RULES, migrate=False).close()


def test_the_script_for_new_tables_makes_what_opening_makes(empty: str) -> None:
    """It is printed and nothing is changed; the printed script is all that another role needs to run."""
    script = whereupon("migrate", "--sql", "--store", empty).stdout
    assert refused(empty, migrate=False).code == "no-store"
    run(empty, script)
    with Engine.open(empty, rules=RULES, migrate=False) as engine:
        assert engine.ingest([purchase(1)]).accepted == 1
    assert drift(empty) == []
    assert whereupon("migrate", "--sql", "--store", empty).stdout == ""


def test_the_script_for_older_tables_brings_them_up_to_date(older: str) -> None:
    """If a step has to read the database, the output says that the command itself must be run."""
    printed = whereupon("migrate", "--sql", "--store", older)
    if printed.status:
        assert "no-sql" in printed.stderr
        return
    assert refused(older, migrate=False).code == "older-schema"
    run(older, printed.stdout)
    Engine.open(older, rules=RULES, migrate=False).close()
    assert drift(older) == []


def test_what_looks_at_the_database_is_not_written_down(server: Server) -> None:
    """The first migration on PostgreSQL asks for the counter of keys."""
    with server.empty() as url:
        run(url, (SCHEMAS / "version-1.postgresql.sql").read_text())
        printed = whereupon("migrate", "--sql", "--store", url)
        assert (printed.status, "no-sql" in printed.stderr) == (2, True)
        assert whereupon("migrate", "--store", url).status == 0


def test_a_script_for_a_schema_leads_there(server: Server) -> None:
    """The script makes the schema, too."""
    with server.empty() as url:
        named = f"{url}&schema=tenant_of_a_script"
        try:
            run(url, whereupon("migrate", "--sql", "--store", named).stdout)
            Engine.open(named, rules=RULES, migrate=False).close()
        finally:
            run(url, "DROP SCHEMA tenant_of_a_script CASCADE")


# --- roles ---------------------------------------------------------------------------------------


@contextmanager
def role(url: str, *grants: str) -> Iterator[str]:
    """The URL with which a role without further rights comes to a database's schema."""
    name = f"shop_{next(_NUMBERS)}"
    schema = str(make_url(url).query["options"]).removeprefix("-csearch_path=")
    run(url, f"CREATE ROLE {name} LOGIN")
    try:
        for grant in grants:
            run(url, f"GRANT {grant.format(schema=schema)} TO {name}")
        yield make_url(url).set(username=name).render_as_string(hide_password=False)
    finally:
        run(url, f"DROP OWNED BY {name}; DROP ROLE {name}")


USAGE = "USAGE ON SCHEMA {schema}"
TABLES = "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema}"
SEQUENCES = "USAGE ON ALL SEQUENCES IN SCHEMA {schema}"


@pytest.mark.parametrize(
    ("grants", "missing"),
    [
        ([], "SCHEMA"),
        ([USAGE], "TABLE whereupon_"),
        ([USAGE, "SELECT ON ALL TABLES IN SCHEMA {schema}"], "TABLE whereupon_"),
        ([USAGE, TABLES], "USAGE ON SEQUENCE whereupon_"),
    ],
)
def test_the_error_names_the_grant_that_a_role_lacks(
    grants: list[str], missing: str, server: Server
) -> None:
    """Whether it is noticed when the engine is opened, or at the first call."""
    with server.empty() as url:
        open_store(url).close()
        with role(url, *grants) as as_role:
            with pytest.raises(StoreError) as caught, Engine.open(as_role, rules=RULES) as engine:
                engine.ingest([purchase(1)])
            assert caught.value.code in {"no-grant", "no-schema"}
            assert missing in str(caught.value).upper() or missing in str(caught.value)


def test_a_role_that_may_make_no_tables_gets_an_error(server: Server) -> None:
    """The error also says who can make them."""
    with server.empty() as url, role(url, USAGE) as as_role:
        error = refused(as_role)
        assert (error.code, "CREATE ON SCHEMA" in str(error)) == ("no-grant", True)
        assert "whereupon migrate" in str(error)


def test_only_the_owner_migrates(server: Server) -> None:
    """The error tells another role so, even one with all other rights."""
    with server.empty() as url:
        run(url, (SCHEMAS / "version-1.postgresql.sql").read_text())
        with role(url, USAGE, TABLES) as as_role:
            error = refused(as_role)
    assert (error.code, "whereupon migrate" in str(error)) == ("no-grant", True)


def test_a_role_without_rights_to_make_anything_can_do_all_the_work(server: Server) -> None:
    """It needs rights on rows and sequences only."""
    with server.empty() as url:
        open_store(url).close()
        with (
            role(url, USAGE, TABLES, SEQUENCES) as as_role,
            Engine.open(as_role, rules=RULES) as engine,
        ):
            engine.channel("push")(lambda _: None)
            assert engine.ingest([purchase(1)]).accepted == 1
            assert engine.run_due().dispatched.sent == 1
            assert engine.prune().emptied == 0
            assert engine.track("Delete Person", user_id="ada").requests[0].outcome == "ran"
