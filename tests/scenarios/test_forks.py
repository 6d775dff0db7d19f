"""Processes that fork with an open engine: a child uses nothing that belongs to its parent."""

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import create_engine
from tests.rule_files import book_of
from tests.scenarios.child_process import forked
from tests.shop import purchase, thanks
from tests.stores import tables_in

from whereupon import Engine
from whereupon.errors import StoreError
from whereupon.scheduling.clocks import FrozenClock

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here"),
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
]

RULES = book_of(thanks())


def purchases(process: int, engine: Engine, count: int = 10) -> Callable[[], int]:
    """Work for a process: so many purchases, each in one call, each by another person."""

    def work() -> int:
        return sum(
            engine.ingest([purchase(number, f"user-{number}")]).accepted
            for number in range(1_000 * process, 1_000 * process + count)
        )

    return work


def check(database: str, messages: int) -> None:
    """All purchases were recorded, and every message, entry and delivery belongs to its own person."""
    tables = tables_in(database)
    people = {row[0]: row[1] for row in tables["whereupon_person"]}
    assert len(people) == messages
    assert [people[row[3]] for row in tables["whereupon_message"]] == [
        row[4] for row in tables["whereupon_message"]
    ]
    assert len(tables["whereupon_message"]) == messages
    assert sorted(str(people[row[3]]) for row in tables["whereupon_entry"]) == sorted(
        people.values()
    )  # type: ignore[type-var]
    assert all(people[row[3]] == row[4] for row in tables["whereupon_delivery"])


def test_parent_and_children_share_no_key(database: str) -> None:
    """Each takes keys from blocks of its own, over connections of its own."""
    with Engine.open(database, rules=RULES) as engine:
        purchases(0, engine)()
        children = [forked(purchases(number, engine)) for number in (1, 2, 3)]
        purchases(4, engine)()
        assert [child.result() for child in children] == [10, 10, 10]
        purchases(5, engine)()
    check(database, 60)


def test_a_childs_child_is_one_too(database: str) -> None:
    """A worker that forks again shares nothing with its children either."""
    with Engine.open(database, rules=RULES) as engine:
        purchases(0, engine)()

        def work() -> list[int]:
            purchases(1, engine)()
            grandchild = forked(purchases(2, engine))
            return [purchases(3, engine)(), grandchild.result()]

        assert forked(work).result() == [10, 10]
        purchases(4, engine)()
    check(database, 50)


def test_a_child_works_though_other_threads_of_the_parent_were_writing(database: str) -> None:
    """Locks that those threads held at the instant of the fork are free in the child."""
    stopped = Event()
    with Engine.open(database, rules=RULES) as engine:
        taken: list[int] = []

        def write(thread: int) -> None:
            number = 0
            while not stopped.is_set():
                number += 1
                name = 100_000 * thread + number
                taken.append(engine.ingest([purchase(name, f"user-{name}")]).accepted)

        threads = [Thread(target=write, args=(thread,)) for thread in (1, 2, 3)]
        for thread in threads:
            thread.start()
        children = [forked(purchases(number, engine)) for number in range(8)]
        result = [child.result() for child in children]
        stopped.set()
        for thread in threads:
            thread.join()
        assert result == [10] * 8
    check(database, 80 + sum(taken))


def test_a_child_works_after_a_fork_amid_a_session_of_another_thread(postgres: str) -> None:
    """The transaction is the parent's, and goes on there; the child begins its own."""
    inside, over = Event(), Event()
    with Engine.open(postgres, rules=RULES) as engine:

        def hold() -> None:
            with engine.store.session() as session:
                session.allocate(1)
                inside.set()
                over.wait()

        holder = Thread(target=hold)
        holder.start()
        inside.wait()
        assert forked(purchases(1, engine)).result() == 10
        over.set()
        holder.join()
        purchases(2, engine)()
    check(postgres, 20)


def test_on_sqlite_a_child_that_was_forked_amid_a_transaction_is_refused(tmp_path: Path) -> None:
    """SQLite cannot reopen the file in a process that inherits a transaction; the error says so."""
    database = f"sqlite:///{tmp_path}/shop.db"
    inside, over = Event(), Event()
    with Engine.open(f"{database}?patience=0.1", rules=RULES) as engine:

        def hold() -> None:
            with engine.store.session() as session:
                session.allocate(1)
                inside.set()
                over.wait()

        def work() -> str:
            with pytest.raises(StoreError) as caught:
                purchases(1, engine)()
            return caught.value.code

        holder = Thread(target=hold)
        holder.start()
        inside.wait()
        child = forked(work)
        over.set()
        holder.join()
        assert child.result() == "forked"
        purchases(2, engine)()
        assert forked(purchases(3, engine)).result() == 10
    check(database, 20)


def test_start_in_a_child_starts(database: str) -> None:
    """The parent's background thread does not exist in the child, which gets its own."""
    waiting, going = os.pipe()
    engine = Engine.open(database, rules=RULES)
    sent = Event()
    engine.channel("push")(lambda _: sent.set())
    engine.start()

    def work() -> bool:
        os.read(waiting, 1)  # until the parent's thread has ended
        sent.clear()
        engine.start()
        engine.ingest([purchase(1, "ada")])
        done = sent.wait(30)
        engine.close()
        return done

    child = forked(work)
    engine.close()
    os.write(going, b"!")
    assert child.result()


def test_a_child_that_ends_leaves_the_parents_connections_alone(database: str) -> None:
    """Neither closing the engine in the child nor its end closes the parent's connections."""
    with Engine.open(database, rules=RULES) as engine:
        purchases(0, engine)()

        def work() -> bool:
            engine.close()
            return True

        assert forked(work).result()
        purchases(1, engine)()
        assert forked(lambda: None).result() is None
        purchases(2, engine)()
    check(database, 30)


def test_a_store_in_memory_goes_on_in_a_child_as_a_copy() -> None:
    """What a thread of the parent was writing at the instant of the fork is not in it."""
    inside, over = Event(), Event()
    with Engine.open("memory://", rules=RULES, clock=FrozenClock()) as engine:
        purchases(0, engine)()

        def hold() -> None:
            with engine.store.session() as session:
                session.allocate(1)
                inside.set()
                over.wait()

        def work() -> int:
            purchases(1, engine)()
            with engine.store.session() as session:
                return session.counts().messages

        holder = Thread(target=hold)
        holder.start()
        inside.wait()
        child = forked(work)
        over.set()
        holder.join()
        assert child.result() == 20


def test_a_hosts_own_engine_is_not_shared_by_processes_either(database: str) -> None:
    """Its pool starts anew in a child; the parent's connections stay the parent's."""
    host = create_engine(database.replace("postgresql:", "postgresql+psycopg:"))
    with Engine.open(host, rules=RULES) as engine:
        purchases(1, engine)()

        def work() -> int:
            with host.begin() as connection:
                return engine.ingest([purchase(7, "user-7")], connection=connection).accepted

        assert [forked(work).result(), purchases(2, engine)()] == [1, 10]
    with closing(host.raw_connection()):
        pass
    host.dispose()
    check(database, 21)
