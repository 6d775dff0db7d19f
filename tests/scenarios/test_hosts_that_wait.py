"""Hosts that keep a transaction open after recording a new name: no other caller waits for it."""

import pytest
from sqlalchemy import create_engine, text
from tests.rule_files import book_of
from tests.shop import purchase, thanks
from tests.stores import tables_in

from whereupon import Engine

RULES = book_of(thanks(where={"number": {"lt": 100}}))


@pytest.mark.parametrize("commits", [True, False])
def test_others_meet_the_same_new_name_meanwhile(postgres: str, commits: bool) -> None:
    """They record it, too, whether or not the host's transaction commits."""
    host = create_engine(postgres.replace("postgresql:", "postgresql+psycopg:"))
    with Engine.open(f"{postgres}&patience=1", rules=RULES) as engine:
        with host.connect() as connection:
            connection.execute(text("SELECT 1"))
            engine.track("Never Seen", user_id="ada", message_id="m-1", connection=connection)
            engine.ingest([purchase(1, "ada"), purchase(100, "ada")], connection=connection)
            engine.track("Never Seen", user_id="bob", message_id="m-2")
            assert engine.ingest([purchase(2, "bob"), purchase(102, "bob")]).accepted == 2
            if commits:
                connection.commit()
            else:
                connection.rollback()
        engine.track("Never Seen", user_id="eve", message_id="m-3")
        assert [each.outcome for each in engine.explain("bob", "thanks")] == ["skipped", "entered"]
    host.dispose()
    tables = tables_in(postgres)
    names = {row[0]: row[2] for row in tables["whereupon_name"]}
    named = {row[1]: names[row[2]] for row in tables["whereupon_message"]}
    assert {named["m-2"], named["m-3"], named.get("m-1", "Never Seen")} == {"Never Seen"}
    assert ("m-1" in named) == commits


def test_a_host_that_sees_an_old_state_may_name_what_came_later(postgres: str) -> None:
    """In a transaction that sees the tables as they were when it began."""
    host = create_engine(
        postgres.replace("postgresql:", "postgresql+psycopg:"), isolation_level="REPEATABLE READ"
    )
    with Engine.open(postgres, rules=RULES) as engine:
        with host.begin() as connection:
            connection.execute(text("SELECT count(*) FROM whereupon_name"))
            engine.ingest([purchase(1, "ada"), purchase(100, "ada")])
            engine.ingest([purchase(2, "bob"), purchase(102, "bob")], connection=connection)
        assert [each.outcome for each in engine.explain("bob", "thanks")] == ["skipped", "entered"]
    host.dispose()


def test_a_pool_that_is_used_up_by_the_hosts_transactions_is_no_hindrance(postgres: str) -> None:
    """New names are written over a connection beside the pool."""
    host = create_engine(
        postgres.replace("postgresql:", "postgresql+psycopg:"), pool_size=1, max_overflow=0
    )
    with Engine.open(host, rules=RULES) as engine:
        with host.begin() as connection:
            assert engine.ingest([purchase(1, "ada")], connection=connection).accepted == 1
        assert engine.ingest([purchase(2, "ada")]).accepted == 1
    host.dispose()
