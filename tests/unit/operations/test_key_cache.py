"""Keys as a process knows them: without queries, soon up to date, and for a while without the store."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import TypeVar

import pytest
from sqlalchemy import create_engine, event, text
from tests.contracts.plain import PlainStore
from tests.scenarios.child_process import forked
from tests.servers import Server, mortal

from whereupon import Engine
from whereupon.errors import StoreError
from whereupon.operations.key_cache import FRESH, FRESH_FOR_UNKNOWN, GRACE
from whereupon.operations.key_checks import KeyChecks
from whereupon.ports import Session, Store
from whereupon.records import ApiKey
from whereupon.rules.model import Rulebook
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage import open_store
from whereupon.storage.sql.database_url import engine_of

T = TypeVar("T")
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Process:
    """What another process knows of the keys of a store, with seconds that a test lets pass."""

    def __init__(self, store: Store) -> None:
        self.now = 100.0
        self.clock = FrozenClock(NOON)
        self.keys = KeyChecks(store, self.clock, lambda: self.now)

    def says(self, secret: str) -> str | None:
        """Why a secret is not good; None if it is."""
        return self.keys.check(secret).refusal


@contextmanager
def process_at(url: str) -> Iterator[Process]:
    """A process on the store at a URL."""
    with closing(open_store(url)) as store:
        process = Process(store)
        with closing(process.keys):
            yield process


@pytest.fixture
def admin(database: str) -> Iterator[Engine]:
    """The process in which keys are made."""
    with Engine.open(database, clock=FrozenClock(NOON)) as engine:
        yield engine


@pytest.fixture
def process(database: str, admin: Engine) -> Iterator[Process]:
    """The process in which keys are shown."""
    assert admin.keys.list() == []
    with process_at(database) as process:
        yield process


def test_another_process_sees_a_revocation_within_two_seconds(
    admin: Engine, process: Process
) -> None:
    """Until then the key may be good there; from then on it is not."""
    made = admin.keys.create("shop", kind="server")
    assert process.says(made.secret) is None
    admin.keys.revoke(made.key.id)
    process.now += FRESH - 0.001
    assert process.says(made.secret) is None
    process.now += 0.001
    assert process.says(made.secret) == "revoked-key"


def test_another_process_knows_a_new_key_at_once(admin: Engine, process: Process) -> None:
    """It asks about a secret that it does not know, if it has not asked just now."""
    assert process.says("wk_unknown") == "unknown-key"
    first = admin.keys.create("first", kind="server")
    process.now += 2 * FRESH_FOR_UNKNOWN
    assert process.says(first.secret) is None
    second = admin.keys.rotate(first.key.id, overlap=timedelta())
    process.now += 2 * FRESH_FOR_UNKNOWN
    assert process.says(second.secret) is None
    assert process.says(first.secret) == "replaced-secret"


def test_a_key_that_is_known_costs_no_query_and_a_guess_hardly_any(database: str) -> None:
    """Whether a key has changed is asked every two seconds; because of guesses ten times a second at most."""
    engine, _ = engine_of(database, patience=30)
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    with Engine.open(engine) as admin:
        secret, shown = admin.keys.create("shop", kind="server").secret, Process(admin.store)
        shown.says(secret)
        shown.keys.write_uses()

        def counted(times: int, secret_of: Callable[[int], str], seconds: float) -> int:
            """The queries of so many checks in such a time."""
            statements.clear()
            for number in range(times):
                shown.says(secret_of(number))
                shown.now += seconds / times
            return sum("whereupon_" in each for each in statements)

        assert counted(1_000, lambda _: secret, 1.9) == 0
        assert 5 <= counted(1_000, lambda _: secret, 20.0) <= 11
        assert 5 <= counted(1_000, lambda number: f"wk_guess_{number}", 0.99) <= 11
        assert counted(50, lambda _: "", 100.0) == 0
        assert counted(50, lambda _: "a" * 513, 100.0) == 0
    engine.dispose()


def test_guesses_leave_nothing_behind(admin: Engine, process: Process) -> None:
    """The memory holds what the store has, however many secrets were shown."""
    made = admin.keys.create("shop", kind="server")
    for number in range(1_000):
        process.says(f"wk_guess_{number}")
        process.now += 2 * FRESH_FOR_UNKNOWN
    assert process.says(made.secret) is None
    cache = vars(vars(process.keys)["_cache"])
    assert len(cache["_known"].by_digest) == 1
    assert [name for name, each in cache.items() if isinstance(each, list | dict | set)] == []


def test_threads_that_begin_at_once_all_know_the_key(admin: Engine, process: Process) -> None:
    """The first of them asks the store, and the others wait for it."""
    secret = admin.keys.create("shop", kind="server").secret
    together = Barrier(16)

    def check(_: int) -> str | None:
        together.wait()
        return process.says(secret)

    with ThreadPoolExecutor(16) as pool:
        assert {*pool.map(check, range(16))} == {None}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_child_knows_what_its_parent_knew_and_writes_its_own_uses(database: str) -> None:
    """Each process asks the store itself, over its own connections."""
    clock = FrozenClock(NOON)
    with Engine.open(database, clock=clock) as engine:
        made, other = (engine.keys.create(name, kind="server") for name in ("shop", "other"))
        assert engine.keys.verify(made.secret) is not None

        def work() -> list[object]:
            clock.move_to(NOON + timedelta(minutes=5))
            child = engine.keys.create("child", kind="server")
            found = [engine.keys.verify(each.secret) for each in (made, child)]
            engine.keys.write_uses()
            return [each is not None for each in found]

        assert forked(work).result() == [True, True]
        assert engine.keys.verify(other.secret) is not None
        engine.keys.write_uses()
        used = {key.name: key.last_used_at for key in engine.keys.list()}
        later = NOON + timedelta(minutes=5)
        assert used == {"shop": later, "other": NOON, "child": later}


class Counting(PlainStore):
    """A store in memory that counts transactions, and that can go away."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.reads = self.writes = 0

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session, unless the store is away."""
        self.reads += 1
        if self.is_away:
            raise StoreError(code="unreachable", reason="it is away")
        with super().reading() as session:
            yield session

    def transact(self, work: Callable[[Session], T], *, alone: bool = False) -> T:
        """Do work, and count it."""
        self.writes += 1
        return super().transact(work, alone=alone)


@pytest.fixture
def counting() -> Iterator[tuple[Counting, Process, str]]:
    """A store, a process on it, and the secret of a key in it."""
    store = Counting()
    with Engine(store, Rulebook(), clock=FrozenClock(NOON)) as admin:
        secret = admin.keys.create("shop", kind="server").secret
        process = Process(store)
        with closing(process.keys):
            assert process.says(secret) is None
            process.keys.write_uses()
            yield store, process, secret


def test_a_store_that_is_away_is_asked_once_a_second(
    counting: tuple[Counting, Process, str],
) -> None:
    """However many requests come, so that it comes back to a quiet door."""
    store, process, secret = counting
    store.is_away, store.reads = True, 0
    process.now += FRESH
    for number in range(1_000):
        assert process.says(secret) is None
        with pytest.raises(StoreError):
            process.says(f"wk_guess_{number}")
        process.now += 0.01
    assert 5 <= store.reads <= 11


def test_a_use_is_written_once_a_minute_however_often_a_key_is_shown(
    counting: tuple[Counting, Process, str],
) -> None:
    """The other uses do not even wake a thread."""
    store, process, secret = counting
    store.writes = 0
    for minute in range(1, 4):
        process.clock.move_to(NOON + timedelta(minutes=minute))
        for _ in range(100):
            assert process.says(secret) is None
            process.keys.write_uses()
    assert store.writes == 3


@pytest.fixture(scope="module")
def frail() -> Iterator[Server]:
    """A server that is stopped and started."""
    with mortal() as server:
        yield server


@pytest.mark.slow
def test_known_keys_go_on_while_the_store_is_away(
    frail: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """For ten minutes; of an unknown secret nobody can say that it is nobody's. Later all is well again."""
    with frail.empty() as url, process_at(url) as process:
        with Engine.open(url, clock=FrozenClock(NOON)) as admin:
            made = admin.keys.create("shop", kind="server")
            brief = admin.keys.create("brief", kind="server", expires=timedelta(minutes=5))
        assert process.says(made.secret) is None
        frail.stop()
        process.now += GRACE / 2
        process.clock.move_to(NOON + timedelta(minutes=4))
        assert process.says(made.secret) is None
        for secret in ("wk_unknown", "wk_another"):
            with pytest.raises(StoreError) as caught:
                process.says(secret)
            assert caught.value.code == "unreachable"
            assert secret not in str(caught.value)
        process.clock.move_to(NOON + timedelta(minutes=5))
        assert process.says(brief.secret) == "expired-key"
        process.now += GRACE / 2
        with pytest.raises(StoreError):
            process.says(made.secret)
        assert [each.message for each in caplog.records if "keys-unread" in each.message] == [
            "keys-unread code=unreachable"
        ]
        frail.start()
        process.now += 1
        assert process.says(made.secret) is None
        assert process.says("wk_unknown") == "unknown-key"
        process.keys.write_uses()
        with Engine.open(url, clock=FrozenClock(NOON)) as admin:
            used = {key.name: key.last_used_at is not None for key in admin.keys.list()}
        assert used == {"shop": True, "brief": False}


def test_a_store_that_hangs_holds_up_no_known_key(postgres: str) -> None:
    """One thread waits for it. The others go on with what they know, and do not queue behind that thread."""
    database = create_engine(postgres.replace("postgresql:", "postgresql+psycopg:"))
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    with (
        Engine.open(postgres) as admin,
        process_at(postgres) as process,
        ThreadPoolExecutor(1) as pool,
        database.connect() as locker,
        database.connect() as watcher,
    ):
        secret = admin.keys.create("shop", kind="server").secret
        assert process.says(secret) is None
        process.keys.write_uses()
        locker.execute(text("LOCK TABLE whereupon_meta IN ACCESS EXCLUSIVE MODE"))
        process.now += FRESH
        asking = pool.submit(process.says, secret)
        while not watcher.execute(waiting).scalar():
            watcher.rollback()
        process.now += GRACE / 2
        assert [process.says(secret) for _ in range(100)] == [None] * 100
        assert not asking.done()
        with pytest.raises(StoreError, match="busy"):
            process.says("wk_unknown")
        locker.rollback()
        assert asking.result() is None
    database.dispose()


def test_a_keys_record_says_everything_but_the_secret(admin: Engine) -> None:
    """Neither as it is printed nor as what it has."""
    made = admin.keys.create("shop", kind="server")
    assert isinstance(made.key, ApiKey)
    assert made.secret not in f"{made!r} {made} {made.key!r}"
