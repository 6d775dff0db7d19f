"""A restored backup under running processes: what they remember of the store is no longer true."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from shutil import copyfile

import psycopg
import pytest
from sqlalchemy.engine import make_url
from tests.rule_files import book_of
from tests.servers import Server
from tests.shop import purchase, thanks
from tests.stores import tables_in

from whereupon import Engine
from whereupon.scheduling.clocks import FrozenClock

RULES = book_of(thanks(where={"number": {"lt": 100}}))


class Backup:
    """A store that can be restored to an earlier state."""

    def __init__(self, url: str, take: Callable[[], Callable[[], None]]) -> None:
        self.url = url
        self.take = take


def _file_replaced(path: Path) -> Callable[[], None]:
    """As ``mv backup.db shop.db`` does it."""
    kept = path.with_suffix(".kept")
    with closing(sqlite3.connect(path)) as now, closing(sqlite3.connect(kept)) as then:
        now.backup(then)

    def put_back() -> None:
        copyfile(kept, path.with_suffix(".new"))
        for rest in ("-wal", "-shm"):
            Path(f"{path}{rest}").unlink(missing_ok=True)
        path.with_suffix(".new").replace(path)

    return put_back


def _content_replaced(path: Path) -> Callable[[], None]:
    """As with the shell's ``.restore``: the file is the same one."""
    kept = path.with_suffix(".kept")
    with closing(sqlite3.connect(path)) as now, closing(sqlite3.connect(kept)) as then:
        now.backup(then)

    def put_back() -> None:
        with closing(sqlite3.connect(kept)) as then, closing(sqlite3.connect(path)) as now:
            then.backup(now)

    return put_back


def _tables_restored(url: str) -> Callable[[], None]:
    """As with ``pg_restore --data-only`` into emptied tables, with sequences."""
    query = make_url(url).query
    connected = psycopg.connect(
        host=str(query["host"]), user="postgres", dbname="postgres", options=str(query["options"])
    )
    names = "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
    with connected as connection:
        tables = [n for (n,) in connection.execute(f"{names} AND relkind = 'r'").fetchall()]
        sequences = [n for (n,) in connection.execute(f"{names} AND relkind = 'S'").fetchall()]
        rows = {}
        for name in tables:
            with connection.cursor().copy(f"COPY {name} TO STDOUT".encode()) as copy:
                rows[name] = b"".join(map(bytes, copy))
        numbers = {
            name: connection.execute(
                f"SELECT last_value, is_called FROM {name}".encode()  # noqa: S608 - our own names
            ).fetchone()
            for name in sequences
        }
    connected.close()

    def put_back() -> None:
        with psycopg.connect(
            host=str(query["host"]),
            user="postgres",
            dbname="postgres",
            options=str(query["options"]),
        ) as connection:
            connection.execute(f"TRUNCATE {', '.join(tables)}".encode())
            for name, content in rows.items():
                with connection.cursor().copy(f"COPY {name} FROM STDIN".encode()) as copy:
                    copy.write(content)
            for name, number in numbers.items():
                assert number is not None
                connection.execute("SELECT setval(%s::regclass, %s, %s)", (name, *number))

    return put_back


@pytest.fixture(params=["file", "content", "postgres"])
def backup(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backup]:
    """A store of each kind with each way of restoring it."""
    path = tmp_path / "shop.db"
    if request.param == "postgres":
        server: Server = request.getfixturevalue("server")
        with server.clean() as url:
            yield Backup(url, lambda: _tables_restored(url))
        return
    way = _file_replaced if request.param == "file" else _content_replaced
    yield Backup(f"sqlite:///{path}", lambda: way(path))


def named(url: str) -> dict[str, str]:
    """Each message's id, and its name in the store."""
    tables = tables_in(url)
    names = {row[0]: str(row[2]) for row in tables["whereupon_name"]}
    return {str(row[1]): names[row[2]] for row in tables["whereupon_message"]}


def check_owners(url: str, messages: int) -> None:
    """Check that every message belongs to the person whose user id it carried."""
    tables = tables_in(url)
    people = {row[0]: row[1] for row in tables["whereupon_person"]}
    owners = [(row[4], people.get(row[3])) for row in tables["whereupon_message"]]
    assert [message for message, owner in owners if message != owner] == []
    assert len(owners) == messages


def test_an_event_is_never_recorded_under_another_events_name(backup: Backup) -> None:
    """The number of a name that a process remembers is another name's now."""
    with Engine.open(backup.url, rules=RULES) as engine:
        engine.track("Signed Up", user_id="ada", message_id="m-1")
        put_back = backup.take()
        engine.track("Order Refunded", user_id="ada", message_id="m-2")
        put_back()
        with Engine.open(backup.url, rules=RULES) as other:
            other.track("purchase", user_id="bob", message_id="m-3", properties={"number": 1})
        engine.track("Order Refunded", user_id="ada", message_id="m-4")
    assert named(backup.url) == {"m-1": "Signed Up", "m-3": "purchase", "m-4": "Order Refunded"}
    check_owners(backup.url, 3)


def test_the_same_calls_made_again_after_a_restore_do_not_hide_it(backup: Backup) -> None:
    """Another process has sent exactly the lost messages again, so the same keys are used."""
    with Engine.open(backup.url, rules=RULES) as engine:
        engine.ingest([purchase(1, "user-1")])
    put_back = backup.take()
    with Engine.open(backup.url, rules=RULES) as engine:
        for number in (2, 3):
            engine.ingest([purchase(number, f"user-{number}")])
        put_back()
        with Engine.open(backup.url, rules=RULES) as other:
            for number in (2, 3):
                other.ingest([purchase(number, f"user-{number}")])
            engine.ingest([purchase(4, "user-4")])
            other.ingest([purchase(5, "user-5")])
            engine.ingest([purchase(6, "user-6")])
    check_owners(backup.url, 6)


def test_what_was_learned_before_the_backup_is_still_right(backup: Backup) -> None:
    """Looking it up again loses nothing either."""
    with Engine.open(backup.url, rules=RULES) as engine:
        engine.ingest([purchase(1, "ada")])
        put_back = backup.take()
        engine.ingest([purchase(2, "ada")])
        put_back()
        assert engine.ingest([purchase(1, "ada"), purchase(2, "ada")]).accepted == 1
    assert named(backup.url) == {"purchase-1": "purchase", "purchase-2": "purchase"}


def test_rules_that_the_backup_does_not_know_are_kept_again(backup: Backup) -> None:
    """Otherwise their skips could not be explained."""
    clock = FrozenClock()
    with Engine.open(backup.url, rules=RULES, clock=clock) as engine:
        engine.identify("ada")
        put_back = backup.take()
        engine.ingest([purchase(100, "ada"), purchase(1, "ada")])
        put_back()
        engine.ingest([purchase(200, "ada"), purchase(2, "ada")])
        explanations = engine.explain("ada", "thanks")
    assert sorted(each.outcome for each in explanations) == ["entered", "skipped"]


def test_a_message_never_names_another_list_of_rules(backup: Backup) -> None:
    """The number of a list that a process remembers is another list's now."""
    stricter = book_of(thanks(where={"number": {"lt": 50}}))
    with Engine.open(backup.url, rules=RULES) as engine:
        engine.identify("ada")
        put_back = backup.take()
        engine.ingest([purchase(100, "ada")])
        put_back()
        with Engine.open(backup.url, rules=stricter) as other:
            other.ingest([purchase(101, "ada")])
        engine.ingest([purchase(102, "ada")])
        explained = {each.message_id: each for each in engine.explain("ada", "thanks")}
    assert explained.keys() == {"purchase-101", "purchase-102"}
    assert "less than 50" in explained["purchase-101"].sentence
    assert "less than 100" in explained["purchase-102"].sentence


def test_no_key_is_handed_out_twice_after_a_restore(backup: Backup) -> None:
    """A key in use would belong to a record of this process, or of another one."""
    with Engine.open(backup.url, rules=RULES) as engine:
        put_back = backup.take()
        engine.ingest([purchase(1, "user-1")])
        put_back()
        keys: list[int] = []
        with Engine.open(backup.url, rules=RULES) as other:
            for _ in range(3):
                for each in (other, engine):
                    first = each.store.transact(lambda session: session.allocate(100))
                    keys += range(first, first + 100)
    assert len(set(keys)) == 600
