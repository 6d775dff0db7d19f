"""Work that one process makes due and another does: noticed at once, long before the poll."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from queue import SimpleQueue
from subprocess import run
from threading import Event
from threading import enumerate as threads

import pytest
from sqlalchemy import create_engine
from tests.paths import ROOT
from tests.rule_files import book_of
from tests.scenarios.delivery_process import RULES
from tests.shop import purchase, thanks

from whereupon import Delivery, Engine, Retry
from whereupon.records import DeliveryState
from whereupon.storage import open_store

_PATIENCE = 60.0  # seconds; only a failing test ever waits so long
_POLL = timedelta(hours=1)


@contextmanager
def _worker(database: str) -> Iterator["SimpleQueue[Delivery]"]:
    """An engine that works in the background, with a queue of its channel's deliveries."""
    taken: SimpleQueue[Delivery] = SimpleQueue()
    with Engine.open(database, rules=RULES, poll=_POLL) as engine:
        engine.channel("push")(taken.put)
        engine.start()
        engine.ingest([purchase(999, "first")])  # when it is sent, the background work is there
        assert taken.get(timeout=_PATIENCE).person == "first"
        yield taken


def test_a_delivery_that_another_process_makes_leaves_at_once(database: str) -> None:
    """The poll interval is an hour here."""
    with _worker(database) as taken:
        run([sys.executable, "-m", "tests.scenarios.delivery_process", "make", database], cwd=ROOT, check=True)  # fmt: skip
        assert taken.get(timeout=_PATIENCE).person == "p-0"


def test_a_delivery_that_a_host_commits_leaves_at_once(database: str) -> None:
    """When the host's own transaction ends, and not earlier; no call is needed."""
    with _worker(database) as taken, Engine.open(database, rules=RULES) as web:
        host = create_engine(database.replace("postgresql:", "postgresql+psycopg:"))
        for number in range(5):
            with host.begin() as connection:
                web.ingest([purchase(number + 1, f"p-{number}")], connection=connection)
            assert taken.get(timeout=_PATIENCE).person == f"p-{number}"
        host.dispose()


def test_a_wait_that_another_process_begins_is_over_in_time(database: str) -> None:
    """Also work that becomes due a moment later."""
    rules = book_of(thanks(whereupon=[{"wait": "1s"}, {"send": "push", "title": "Hi"}]))
    sent = Event()
    with Engine.open(database, rules=rules, poll=_POLL) as worker:
        worker.channel("push")(lambda _: sent.set())
        worker.start()
        with Engine.open(database, rules=rules) as web:
            web.ingest([purchase(1)])
        assert sent.wait(_PATIENCE)


def test_what_somebody_revives_elsewhere_is_sent_at_once(database: str) -> None:
    """As with `whereupon retry --all` on another machine."""
    once, refusing = Retry(tries=1), True
    taken: SimpleQueue[str] = SimpleQueue()

    def push(delivery: Delivery) -> None:
        taken.put(delivery.person)
        if refusing:
            raise ConnectionError

    with Engine.open(database, rules=RULES, poll=_POLL, retry=once) as worker:
        died = Event()
        worker.on("delivery-dead", lambda _: died.set())
        worker.channel("push")(push)
        worker.start()
        worker.ingest([purchase(1)])
        assert died.wait(_PATIENCE)
        refusing = False
        with Engine.open(database, rules=RULES) as admin:
            (dead,) = admin.deliveries(DeliveryState.DEAD)
            assert admin.retry_all() == 1
        assert [taken.get(timeout=_PATIENCE) for _ in range(2)] == [dead.person] * 2


def test_closing_leaves_no_thread_and_no_connection(database: str) -> None:
    """A watch ends with its engine, however often one is opened."""
    before = set(threads())
    for _ in range(3):
        with Engine.open(database, rules=RULES, poll=_POLL) as engine:
            engine.start()
            engine.start()
    assert not {thread for thread in threads() if thread.is_alive()} - before


def test_a_watch_goes_on_when_what_it_wakes_fails(database: str) -> None:
    """A store that was away for a moment does not end it."""
    results: SimpleQueue[int] = SimpleQueue()
    calls = 0

    def changed() -> None:
        nonlocal calls
        calls += 1
        results.put(calls)
        if calls == 1:
            message = "the store is away"
            raise OSError(message)

    with Engine.open(database, rules=RULES) as engine:
        store = open_store(database)
        watch = store.watch(changed)
        assert watch is not None
        assert results.get(timeout=_PATIENCE) == 1
        engine.ingest([purchase(1)])
        assert results.get(timeout=_PATIENCE) == 2
        watch.stop()
        watch.stop()
        store.close()
        assert not watch.is_alive


@pytest.mark.parametrize("place", ["memory://", "sqlite://"])
def test_where_there_are_no_other_processes_nobody_watches(place: str) -> None:
    """A store in memory belongs to one process."""
    store = open_store(place)
    assert store.watch(print) is None
    store.close()
