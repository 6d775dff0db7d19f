"""The written SQL statements: each is understood by its database, and large tables are read by an index."""

import ast
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import pytest
from sqlalchemy import Connection
from tests.query_plans import rows_of

from whereupon.records import Changes
from whereupon.storage import open_store
from whereupon.storage.sql.database_url import database_of, engine_of
from whereupon.storage.sql.dialects import Statement
from whereupon.storage.sql.queries import SHARED, Queries, parts, written
from whereupon.storage.sql.row_statements import ROW_STATEMENTS
from whereupon.storage.sql.scans import SCANNED
from whereupon.testing.contracts.samples import ADA, BOB, message, skips

LARGE = (
    *("message", "skips", "identifier", "person", "claim", "entry", "delivery", "inbox"),
    "timer",
)
WHOLE = {
    "counts": "counts rows",
    "count_persons": "counts rows",
    "count_prunable_skips": "counts rows",
    "count_prunable_deliveries": "counts rows",
    "count_prunable_entries": "counts rows",
    "count_emptied": "counts rows",
    "entry_groups": "counts entries by rule, for statistics",
    "figures": "counts deliveries by rule and channel, for statistics",
    "held_back": "counts deliveries by rule and reason, for statistics",
    "every_skips": "reads all, for a scan",
    "waiting_sends": "counts running entries and pending deliveries, for statistics",
    "deliveries": "lists sent deliveries, the newest first",
    "blank_trails_of_run": "erases what opened a broadcast, which is rare",
    "blank_run": "erases what opened a broadcast, which is rare",
    "sent_by_run": "erases what opened a broadcast, which is rare",
}
"""Statements that may read a large table from end to end, and why."""


def statements(queries: Queries) -> Iterator[tuple[str, Statement]]:
    """Every statement of a dialect, by name."""
    for name in queries.names():
        several = ";\n" in next(w[name] for w in _files(queries) if name in w)
        for each in queries.each(name) if several else [getattr(queries, name)]:
            yield name, each
    for name in ROW_STATEMENTS:
        yield name, getattr(queries, name)
    for kind, scanned in SCANNED.items():
        yield f"scan of {kind.__name__}", queries.scan(kind)
        if scanned.owner:
            yield f"scan of a person's {kind.__name__}", queries.scan_of(kind)


def _files(queries: Queries) -> list[dict[str, str]]:
    return [dict(written(file)) for file in (*SHARED, vars(queries)["_database"].file)]


@contextmanager
def opened(url: str) -> Iterator[tuple[Connection, Queries]]:
    """A connection to a new store, and its statements."""
    open_store(url).close()
    engine, patience = engine_of(url, patience=30)
    database = database_of(engine, patience=patience)
    try:
        with engine.connect() as connection:
            yield connection, Queries(database)
    finally:
        engine.dispose()


def plans_on_sqlite(connection: Connection, sql: str) -> str:
    """The plan, a line a step."""
    nothing = (None,) * sql.count("?")
    rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", nothing)
    return "\n".join(str(row[3]) for row in rows)


def plans_on_postgres(connection: Connection, sql: str) -> str:
    """The plan for any parameters, without a scan of a whole table where there is another way."""
    numbers = iter(range(1, 100))
    numbered = re.sub("%s", lambda _: f"${next(numbers)}", sql).replace("%%", "%")
    nothing = ", ".join(["NULL"] * (next(numbers) - 1))
    for command in ("SET plan_cache_mode = force_generic_plan", "SET enable_seqscan = off"):
        connection.exec_driver_sql(command)
    connection.exec_driver_sql(f"PREPARE asked AS {numbered.replace('%', '%%')}")
    rows = connection.exec_driver_sql(f"EXPLAIN EXECUTE asked{f'({nothing})' if nothing else ''}")
    plan = "\n".join(str(row[0]) for row in rows)
    connection.exec_driver_sql("DEALLOCATE asked")
    return plan


def test_sqlite_understands_every_statement_and_reads_large_tables_by_an_index(
    tmp_path: Path,
) -> None:
    """A statement that scans a large table is named, with the reason why it may."""
    with opened(f"sqlite:///{tmp_path}/store.db") as (connection, queries):
        for name, statement in statements(queries):
            if "FOR UPDATE" in "".join(w.get(name, "") for w in _files(queries)):
                assert "FOR UPDATE" not in statement.sql
            if name == "lock_due_persons":
                continue  # for databases with many writers alone
            plan = plans_on_sqlite(connection, statement.sql)
            scans = re.findall(r"SCAN (?:whereupon_)?(\w+)$", plan, re.MULTILINE)
            if name not in WHOLE and not name.startswith("scan of"):
                assert not set(scans) & set(LARGE), f"{name}: {plan}"


@pytest.mark.postgres
def test_postgres_understands_every_statement_and_reads_large_tables_by_an_index(
    postgres: str,
) -> None:
    """Asked for any parameters at all."""
    with opened(postgres) as (connection, queries):
        for name, statement in statements(queries):
            plan = plans_on_postgres(connection, statement.sql)
            scans = re.findall(r"Seq Scan on whereupon_(\w+)", plan)
            if name not in WHOLE and not name.startswith("scan of"):
                assert not set(scans) & set(LARGE), f"{name}: {plan}"


PAGED = ("deliveries", "deliveries_end", "requests", "audit_rows")
"""Lists in the order of their keys, which are read on from a key."""


def test_pages_are_read_in_the_order_of_keys_without_sorting(tmp_path: Path) -> None:
    """So a page costs what it holds, however long the list is."""
    with opened(f"sqlite:///{tmp_path}/store.db") as (connection, queries):
        for name in PAGED:
            plan = plans_on_sqlite(connection, getattr(queries, name).sql)
            assert "USING INTEGER PRIMARY KEY" in plan, f"{name}: {plan}"
            assert "ORDER BY" not in plan, f"{name}: {plan}"
        plan = plans_on_sqlite(connection, queries.unfinished_deliveries.sql)
        assert "USING INDEX whereupon_delivery_due" in plan, plan
        assert "USING INDEX whereupon_delivery_stuck" in plan, plan
        plan = plans_on_sqlite(connection, queries.messages_before.sql)
        assert "whereupon_message_owner (owner=? AND timestamp<?)" in plan


@pytest.mark.postgres
def test_postgres_reads_pages_in_the_order_of_keys_without_sorting(postgres: str) -> None:
    """The same there; of messages of one instant a few are sorted."""
    with opened(postgres) as (connection, queries):
        for name in PAGED:
            plan = plans_on_postgres(connection, getattr(queries, name).sql)
            assert re.search(r"Index (Only )?Scan (Backward )?using \w+_pkey", plan), plan
            assert "Sort" not in plan, f"{name}: {plan}"
        plan = plans_on_postgres(connection, queries.unfinished_deliveries.sql)
        assert "on whereupon_delivery_due" in plan or "using whereupon_delivery_due" in plan, plan
        assert "whereupon_delivery_stuck" in plan, plan
        plan = plans_on_postgres(connection, queries.messages_before.sql)
        assert "using whereupon_message_owner" in plan


@pytest.mark.postgres
@pytest.mark.parametrize("name", ["skips_of", "skips_on"])
def test_postgres_finds_skips_by_their_messages_when_statistics_say_that_there_are_none(
    postgres: str, name: str
) -> None:
    """The server may have looked at the tables while a large import was not yet committed."""
    keys = range(1, 2001)
    store = open_store(postgres)
    with opened(postgres) as (connection, queries):
        with store.session() as session:
            session.flush(Changes(messages=list(map(message, keys)), skips=list(map(skips, keys))))
            connection.exec_driver_sql("ANALYZE whereupon_message, whereupon_skips")
            connection.commit()
        sql = getattr(queries, name).sql
        given = (ADA,) if name == "skips_of" else (list(keys), ADA)
        found = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", given)
        plan = found.scalar_one()[0]["Plan"]
    store.close()
    assert plan["Actual Rows"] == len(keys)
    assert rows_of(plan) < 10 * len(keys)


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("history", ()),
        ("owned_messages", ([ADA], 0)),
        ("some_owned_messages", ([ADA], 0, 50)),
        ("live_messages", ([ADA], 0, [], [], 0, 50)),
    ],
)
def test_postgres_finds_a_persons_messages_by_their_owner_without_statistics(
    postgres: str, name: str, asked: tuple[object, ...]
) -> None:
    """A store that has just begun has none, and its tables grow with each batch."""
    theirs = [message(key, owner=BOB + key) for key in range(10, 3010)]
    mine = [message(1, owner=ADA), message(2, owner=ADA)]
    store = open_store(postgres)
    with opened(postgres) as (connection, queries):
        with store.session() as session:
            session.flush(Changes(messages=[*theirs, *mine]))
        sql = getattr(queries, name).sql
        if name == "history":
            asked = (_needs(connection, ADA, "buy"),)
        found = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", asked)
        plan = found.scalar_one()[0]["Plan"]
    store.close()
    assert plan["Actual Rows"] == len(mine)
    assert rows_of(plan) < len(theirs) // 10


def _needs(connection: Connection, owner: int, name: str) -> str:
    """All messages of a name and an owner, as they are asked for."""
    of = "SELECT id FROM whereupon_name WHERE name = %s"
    return f"{{{{{owner},0,{connection.exec_driver_sql(of, (name,)).scalar_one()}}}}}"


def test_every_statement_is_used_and_every_used_one_is_written() -> None:
    """Neither is checked by anything else, since statements are found by their names."""
    package = Path(str(files("whereupon.storage.sql")))
    used = set[str]()
    for path in package.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute):
                used.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                used.add(node.value)
    shared = {name for file in SHARED for name in written(file)}
    own = {file: set(written(file)) for file in ("sqlite", "postgres")}
    by_kind = {name for name in shared | own["sqlite"] if re.match("(count_)?prun", name)}
    every = shared | own["sqlite"] | own["postgres"] | ROW_STATEMENTS.keys()
    assert every - by_kind - used == set()
    assert own["sqlite"] ^ own["postgres"] == {
        "advisory_lock",
        "hold_pauses",
        "known_users_and_messages",
        "lock_due_persons_of",
        "lock_due_timers",
        "open_transactions",
        "take_blocks",
        "take_keys",
    }
    assert shared & (own["sqlite"] | own["postgres"]) == set()


def test_every_part_of_statements_is_named_by_one() -> None:
    """And each dialect has the parts that the shared files leave to it."""
    shared = {name for file in SHARED for name in parts(file)}
    texts = [text for file in SHARED for text in written(file).values()]
    named = set(re.findall(r"\{([a-z]\w*)\}", "".join(texts)))
    for own in ("sqlite", "postgres"):
        assert shared | parts(own).keys() == named
