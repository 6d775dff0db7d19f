"""Several stores in one database of PostgreSQL, each in a schema of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import psycopg
import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy import Engine as Database
from sqlalchemy.engine import make_url
from tests.rule_files import book_of
from tests.scenarios.commands import whereupon
from tests.servers import Server
from tests.shop import purchase, thanks

from whereupon import Engine
from whereupon.errors import StoreError
from whereupon.messages.model import Source
from whereupon.storage import open_store

RULES = book_of(thanks())
TENANTS = ("tenant_a", 'Tenant "B" 100%')


@pytest.fixture
def host(server: Server) -> Iterator[Database]:
    """A host's own engine, whose search_path leads to tables of the host's."""
    with server.empty() as url:
        made = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
        with made.begin() as connection:
            connection.execute(text("CREATE TABLE orders (id INTEGER)"))
        yield made
        with made.begin() as connection:
            for tenant in TENANTS:
                quoted = '"' + tenant.replace('"', '""') + '"'
                connection.exec_driver_sql(
                    f"DROP SCHEMA IF EXISTS {quoted.replace('%', '%%')} CASCADE"
                )
        made.dispose()


def address(host: Database) -> str:
    """The host's URL."""
    return host.url.render_as_string(hide_password=False)


def path_of(connection: Connection) -> object:
    """The search_path of a connection."""
    return connection.exec_driver_sql("SHOW search_path").scalar()


def test_each_tenant_has_a_store_of_its_own(host: Database) -> None:
    """It is made if there is none, over one pool, and found again; the host's tables stay where they were."""
    engines = [Engine.open(host, rules=RULES, schema=tenant) for tenant in TENANTS]
    for count, engine in enumerate(engines, 1):
        for number in range(count):
            engine.ingest([purchase(number, f"user-{count}")])
        engine.run_due()
    for count, engine in enumerate(engines, 1):
        assert len(engine.deliveries()) == count
        assert engine.explain(f"user-{count}", "thanks")
        assert engine.track("Delete Person", user_id=f"user-{count}").requests[0].outcome == "ran"
        assert engine.scrub()
    with host.connect() as connection:
        found = connection.execute(
            text("SELECT to_regclass('orders'), to_regclass('whereupon_meta')")
        )
        assert found.one() == ("orders", None)
    again = Engine.open(host, rules=RULES, schema=TENANTS[0])
    assert again.ingest([purchase(0, "user-1")]).duplicates == 1


@pytest.mark.parametrize("commits", [True, False])
def test_a_hosts_connection_is_used_in_the_tenants_schema_and_left_as_it_was(
    host: Database, commits: bool
) -> None:
    """Wherever it looks for tables: before a call, after it, and when it has failed."""
    engine = Engine.open(host, rules=RULES, schema=TENANTS[1])
    with host.connect() as connection:
        connection.execute(text("SET search_path TO pg_catalog"))
        connection.commit()
        before = path_of(connection)
        engine.ingest([purchase(1)], connection=connection)
        assert path_of(connection) == before
        with pytest.raises(ValueError, match="no source"):
            engine.ingest([purchase(2)], source=cast("Source", "nobody"), connection=connection)
        assert path_of(connection) == before
        if commits:
            connection.commit()
        else:
            connection.rollback()
        assert path_of(connection) == before
    assert engine.ingest([purchase(1)]).duplicates == int(commits)


def test_a_drivers_connection_is_too(host: Database) -> None:
    """Such as Django's."""
    engine = Engine.open(host, rules=RULES, schema=TENANTS[0])
    query = host.url.query
    with psycopg.connect(host=str(query["host"]), user="postgres", dbname="postgres") as connection:
        engine.ingest([purchase(1)], connection=connection)
        connection.commit()
    assert engine.ingest([purchase(1)]).duplicates == 1


def test_a_hosts_connection_that_leads_to_another_store_is_refused(host: Database) -> None:
    """Otherwise one tenant's order would be another's; nothing is written."""
    ours, other = Engine.open(host, rules=RULES), Engine.open(host, rules=RULES, schema=TENANTS[0])
    home = str(make_url(address(host)).query["options"]).removeprefix("-csearch_path=")
    with host.connect() as connection:
        for path in (TENANTS[0], "pg_catalog"):
            connection.execute(text(f"SET LOCAL search_path TO {path}"))
            with pytest.raises(StoreError) as caught:
                ours.ingest([purchase(1)], connection=connection)
            assert caught.value.code == "other-schema"
            assert home in str(caught.value)
        connection.execute(text(f"SET LOCAL search_path TO pg_catalog, {home}, {TENANTS[0]}"))
        assert ours.ingest([purchase(1)], connection=connection).accepted == 1
        connection.commit()
    assert other.ingest([purchase(1)]).accepted == 1


def test_a_schema_can_be_named_in_a_url(host: Database) -> None:
    """For the command line, too."""
    url = f"{address(host)}&schema=tenant_a"
    with Engine.open(url, rules=RULES) as engine:
        engine.ingest([purchase(1)])
    listed = whereupon("deliveries", "--store", url, "--json")
    assert [each["rule"] for each in listed.records] == ["thanks"]
    missing = whereupon("deliveries", "--store", f"{address(host)}&schema=nobody")
    assert (missing.status, "no-store" in missing.stderr) == (2, True)


def test_sqlite_has_no_schemas(tmp_path: Path) -> None:
    """The error says what to do instead."""
    for given in (f"sqlite:///{tmp_path}/shop.db?schema=a", f"sqlite:///{tmp_path}/shop.db"):
        with pytest.raises(StoreError) as caught:
            open_store(given, schema="a")
        assert caught.value.code == "no-schema"
    assert list(tmp_path.iterdir()) == []
