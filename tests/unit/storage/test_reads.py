"""Reads: on SQLite they wait for no writer, and a closed engine answers none."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import create_engine
from tests.paths import ROOT
from tests.rule_files import book_of
from tests.scenarios.commands import whereupon
from tests.shop import NOON, news, purchase, thanks

from whereupon import Engine
from whereupon.errors import StoreError
from whereupon.records import DeliveryState, Request
from whereupon.rules.model import Rulebook
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage import StoreAddress

RULES = book_of(thanks(), news())

QUESTIONS: list[Callable[[Engine], object]] = [
    lambda engine: engine.explain("ada", "thanks"),
    lambda engine: engine.identity("ada"),
    lambda engine: engine.deliveries(),
    lambda engine: engine.set_aside(),
    lambda engine: engine.kept_since("skips"),
    lambda engine: engine.requests.list(),
    lambda engine: engine.requests.show(_first(engine).key),
    lambda engine: engine.requests.approvals(_first(engine).key),
    lambda engine: engine.requests.breakers(),
    lambda engine: engine.audit.verify(),
    lambda engine: list(engine.audit.rows()),
    lambda engine: engine.prune(dry_run=True),
]

CALLS: list[Callable[[Engine], object]] = [
    *QUESTIONS,
    lambda engine: engine.track("purchase", user_id="ada"),
    lambda engine: engine.identify("ada"),
    lambda engine: engine.ingest([purchase(2)]),
    lambda engine: engine.ingest([]),
    lambda engine: engine.trigger("news"),
    lambda engine: engine.run_due(),
    lambda engine: engine.start(),
    lambda engine: engine.nudge(),
    lambda engine: engine.channel("push"),
    lambda engine: engine.action("grant", destructive=False),
    lambda engine: engine.preview_identify("ada"),
    lambda engine: engine.requests.erase("ada", by="lena"),
    lambda engine: engine.scrub(),
    lambda engine: engine.prune(),
]


def _first(engine: Engine) -> Request:
    return engine.requests.list()[0]


def opened(store: StoreAddress) -> Engine:
    """A shop with some messages."""
    engine = Engine.open(
        store, rules=RULES, clock=FrozenClock(NOON), patience=timedelta(seconds=0.2)
    )
    engine.ingest([purchase(1)])
    engine.track("Delete Person", user_id="ada", source="client")
    return engine


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Another process that keeps a transaction open for some time."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE whereupon_meta SET value = value")
        yield
        other.execute("ROLLBACK")


@pytest.mark.slow
@pytest.mark.parametrize("hosted", [False, True])
def test_on_sqlite_questions_wait_for_no_writer(tmp_path: Path, hosted: bool) -> None:
    """They return what was committed last; an engine can also be opened meanwhile."""
    path = tmp_path / "shop.db"
    url = f"sqlite:///{path}"
    host = create_engine(url)
    with closing(opened(url)), closing(opened(host if hosted else url)) as engine, writing(path):
        for question in QUESTIONS:
            question(engine)
        with pytest.raises(StoreError) as caught:
            engine.ingest([purchase(2)])
        assert caught.value.code == "busy"
        with Engine.open(url, rules=RULES, clock=FrozenClock(NOON), patience=timedelta(0)) as other:
            assert len(other.deliveries()) == 1
    host.dispose()


def test_nor_for_another_thread_of_the_same_process(tmp_path: Path) -> None:
    """A read does not ask for the write lock."""
    inside, over = Event(), Event()
    with closing(opened(f"sqlite:///{tmp_path}/shop.db")) as engine:

        def hold() -> None:
            with engine.store.session() as session:
                session.allocate(1)
                inside.set()
                over.wait()

        holder = Thread(target=hold)
        holder.start()
        inside.wait()
        try:
            for question in QUESTIONS:
                question(engine)
        finally:
            over.set()
            holder.join()


def test_the_command_line_asks_a_store_that_is_being_written(tmp_path: Path) -> None:
    """Also with a patience of zero."""
    path = tmp_path / "shop.db"
    opened(f"sqlite:///{path}").close()
    Engine.open(f"sqlite:///{path}", rules=ROOT / "rules").close()  # which plans its broadcasts
    store = f"sqlite:///{path}?patience=0"
    with writing(path):
        for asked in (
            ("explain", "ada", "sock-thanks"),
            ("identity", "ada"),
            ("deliveries",),
            ("requests", "list"),
            ("audit", "list"),
        ):
            ended = whereupon(*asked, "--store", store)
            assert (ended.status, ended.stderr) == (0, ""), asked


def test_where_readers_and_writers_take_turns_questions_do(tmp_path: Path) -> None:
    """A host's database without a write-ahead log is read between transactions, without harm."""
    host = create_engine(f"sqlite:///{tmp_path}/host.db")
    with closing(opened(host)) as engine:
        assert engine.ingest([purchase(2)]).accepted == 1
        assert len(engine.deliveries(DeliveryState.PENDING)) == 2
    host.dispose()


def test_a_question_sees_what_was_committed_before(home_url: str) -> None:
    """In every kind of store, also for what another engine has written."""
    with closing(opened(home_url)) as engine:
        engine.ingest([purchase(number) for number in range(2, 5)])
        assert len(engine.deliveries()) == 4


@pytest.fixture
def home_url(place: str) -> str:
    """A store of each kind."""
    return place


def test_a_closed_engine_refuses_every_call(place: str) -> None:
    """With an error of its own; it does not silently open new connections."""
    engine = opened(place)
    engine.close()
    for call in CALLS:
        with pytest.raises(StoreError) as caught:
            call(engine)
        assert caught.value.code == "closed"
    engine.close()  # twice is once


def test_a_closed_engine_refuses_a_hosts_connection(database: str) -> None:
    """Even though the connection is open."""
    host = create_engine(database.replace("postgresql:", "postgresql+psycopg:"))
    engine = opened(host)
    engine.close()
    with host.connect() as connection, pytest.raises(StoreError) as caught:
        engine.ingest([purchase(2)], connection=connection)
    assert caught.value.code == "closed"
    host.dispose()


def test_no_secret_is_shown(tmp_path: Path) -> None:
    """Neither the settings, nor any object that holds them, show it."""
    url = f"sqlite:///{tmp_path}/shop.db"
    with Engine.open(url, rules=Rulebook(), digest_key=b"s3cret", former_keys=[b"0ld"]) as engine:
        for shown in (
            engine,
            engine.pipeline,
            engine.pipeline.settings,
            engine.store,
            engine.audit,
        ):
            assert "s3cret" not in repr(shown)
            assert "0ld" not in repr(shown)
    for bad in (
        "postgresql://shop:hunter2@127.0.0.1:1/shop",
        "postgresql:///shop?password=hunter2",
    ):
        with pytest.raises(StoreError) as caught:
            Engine.open(f"{bad}{'&' if '?' in bad else '?'}patience=1")
        assert "hunter2" not in repr(caught.value)
