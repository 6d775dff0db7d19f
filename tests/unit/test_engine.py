"""The engine as a host embeds it: its calls, its answers, and the host's transactions."""

import gc
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from sqlite3 import connect
from typing import Any, cast

import pytest
from sqlalchemy import Connection, text
from sqlalchemy import Engine as Database
from tests.paths import RULES
from tests.rule_files import book_of
from tests.shop import NOON, news, purchase, thanks
from tests.stores import tables_in
from tests.threads import in_threads

from whereupon import (
    Delivery,
    Engine,
    Ingested,
    MessageRejectedError,
    Retry,
    RulesInvalidError,
    StoreError,
    UnknownNameError,
    bulk,
)
from whereupon.decide.decisions import Outcome
from whereupon.messages.codec import encode
from whereupon.messages.model import Source
from whereupon.messages.size_limits import MAX_BATCH_MESSAGES
from whereupon.pipeline.ingestion import WireMessage
from whereupon.ports import HostTransaction
from whereupon.records import DeliveryState, StoredMessage
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage.sql.database_url import engine_of

_PATIENCE = 10.0  # seconds; only a failing test ever waits so long


def _memory(*rules: dict[str, object]) -> Engine:
    files = rules or (thanks(),)
    return Engine.open("memory://", rules=book_of(*files), clock=FrozenClock(NOON))


def _entered(ingested: Ingested) -> list[str | None]:
    return [each.person for each in ingested.decisions if each.outcome is Outcome.ENTERED]


# --- the first example ---------------------------------------------------------------------


def test_the_first_example_runs(tmp_path: Path) -> None:
    """A database, rules, a channel, and a purchase that counts once its buyer is known."""
    clock, sent = FrozenClock(NOON), list[Delivery]()
    with Engine.open(f"sqlite:///{tmp_path}/shop.db", rules=RULES, clock=clock) as engine:

        @engine.channel("push")
        def push(delivery: Delivery) -> None:
            sent.append(delivery)

        socks = {"product": "socks", "price": 23.45}
        engine.track("purchase", anonymous_id="anon-1", properties=socks)
        engine.identify("ada", anonymous_id="anon-1", traits={"plan": "pro"})
        batch = [{"type": "track", "event": "purchase", "userId": "ada", "properties": socks}]
        assert engine.ingest(batch, source="server").accepted == 1
        assert engine.run_due().dispatched.sent == 0
        clock.move_to(NOON + timedelta(hours=2))
        assert engine.run_due().dispatched.sent == 1
    assert [(each.person, each.content["title"]) for each in sent] == [("ada", "Thanks, friend!")]


def test_what_one_process_recorded_the_next_one_knows(tmp_path: Path) -> None:
    """The database is all that is kept."""
    url = f"sqlite:///{tmp_path}/shop.db"
    for _ in range(2):
        with Engine.open(url, rules=book_of(thanks(reentry="once"))) as engine:
            engine.track("purchase", user_id="ada")
            assert len(engine.deliveries()) == 1


# --- the calls -----------------------------------------------------------------------------

_CALLS: list[Callable[[Engine], Ingested]] = [
    lambda engine: engine.track("purchase", user_id="ada"),
    lambda engine: engine.page("Home", anonymous_id="anon-1"),
    lambda engine: engine.page(user_id="ada"),
    lambda engine: engine.screen("Cart", user_id="ada", properties={"step": 2}),
    lambda engine: engine.identify("ada", traits={"plan": "pro"}),
    lambda engine: engine.identify(anonymous_id="anon-1", traits={"plan": "pro"}),
    lambda engine: engine.group("acme", user_id="ada", traits={"employees": 12}),
    lambda engine: engine.alias("ada", previous_id="ada-old"),
]


@pytest.mark.parametrize("call", _CALLS)
def test_each_of_the_six_calls_records_a_message_of_its_own(
    call: Callable[[Engine], Ingested],
) -> None:
    """Two equal calls without a message id are two messages."""
    engine = _memory()
    assert [call(engine).accepted, call(engine).accepted] == [1, 1]


def test_what_a_call_leaves_out_is_not_recorded() -> None:
    """A message has no member for an argument that was not given."""
    engine = _memory()
    engine.track("viewed", user_id="ada")
    with engine.store.session() as session:
        (stored,) = session.scan(StoredMessage)
    assert json.loads(stored.message.body) == {"type": "track", "event": "viewed", "userId": "ada"}


def test_a_call_with_a_message_id_is_recorded_once_for_ever() -> None:
    """The host may call again when it does not know whether the first call went through."""
    engine = _memory()
    first = engine.track("purchase", user_id="ada", message_id="order-1")
    again = engine.track("purchase", user_id="ada", message_id="order-1")
    assert (first.accepted, first.duplicates) == (1, 0)
    assert (again.accepted, again.duplicates, again.decisions) == (0, 1, [])


@pytest.mark.parametrize(
    "when", [NOON - timedelta(hours=1), "2026-06-01T11:00:00Z", "2026-06-01T13:00:00+02:00"]
)
def test_a_call_may_say_when_it_happened(when: datetime | str) -> None:
    """As an instant or as text; the time of arrival is the engine's clock's."""
    engine = _memory()
    (decision,) = engine.track("purchase", user_id="ada", timestamp=when).decisions
    assert decision.timestamp == NOON - timedelta(hours=1)
    assert decision.decided_at == NOON


@pytest.mark.parametrize(
    ("call", "code", "field"),
    [
        (lambda engine: engine.track("", user_id="ada"), "missing-event", "event"),
        (lambda engine: engine.track("e"), "missing-id", "userId"),
        (lambda engine: engine.track("e", user_id="null"), "junk-id", "userId"),
        (lambda engine: engine.identify(), "missing-id", "userId"),
        (lambda engine: engine.alias("ada", previous_id=""), "missing-id", "previousId"),
        (lambda engine: engine.track("e", user_id="ada", timestamp="noon"), "bad-timestamp", "timestamp"),
        (lambda engine: engine.track("e", user_id="ada", properties={"f": print}), "not-json", "properties.f"),
    ],
)  # fmt: skip
def test_a_call_that_cannot_be_accepted_raises_and_records_nothing(
    call: Callable[[Engine], Ingested], code: str, field: str
) -> None:
    """The error has the code, the wire field, and a sentence."""
    engine = _memory()
    with pytest.raises(MessageRejectedError) as caught:
        call(engine)
    assert (caught.value.code, caught.value.field) == (code, field)
    with engine.store.session() as session:
        assert session.counts().messages == 0


def test_a_source_that_there_is_not_is_refused() -> None:
    """A misspelt class of sender must not pass for a server."""
    with pytest.raises(ValueError, match="server, client"):
        _memory().track("e", user_id="ada", source=cast("Source", "Server"))


@pytest.mark.parametrize("slip", ["sorce", "conection", "messageId", "traits"])
def test_an_argument_that_there_is_not_is_refused(slip: str) -> None:
    """A misspelt argument must not record a message as a server's, commit it alone or record it twice."""
    engine = _memory()
    with pytest.raises(TypeError, match=f"'{slip}'; there are also: message_id, .*connection"):
        engine.track("Delete Person", user_id="ada", **{slip: "client"})  # type: ignore[arg-type]
    assert engine.requests() == []


# --- batches -------------------------------------------------------------------------------


def test_a_batch_reports_what_it_cannot_accept_and_takes_the_rest() -> None:
    """By place, with a stable code and a sentence that names the field."""
    batch = [purchase(1), {"type": "track"}, "no message", purchase(2), purchase(1), None]
    ingested = _memory().ingest(cast("list[WireMessage]", batch))
    assert (ingested.accepted, ingested.duplicates) == (2, 1)
    assert [(each.index, each.code) for each in ingested.rejected] == [
        (1, "missing-id"),
        (2, "not-an-object"),
        (5, "not-an-object"),
    ]
    assert "userId" in ingested.rejected[0].message
    assert _entered(ingested) == ["ada", "ada"]


def test_a_batch_body_counts_as_its_items() -> None:
    """What an SDK sends can be passed on as it is."""
    ingested = _memory().ingest([{"batch": [purchase(1), {}, purchase(2)]}, purchase(3)])
    assert ingested.accepted == 3
    assert [each.index for each in ingested.rejected] == [1]


@pytest.mark.parametrize(
    ("alone", "accepted"),
    [
        (purchase(1), 1),
        ({"batch": [purchase(1), purchase(2)]}, 2),
        (b'{"type":"track","event":"purchase","userId":"ada"}', 1),
    ],
)
def test_a_message_or_a_body_may_come_alone(alone: Any, accepted: int) -> None:
    """A web server's handler has such a value; its keys are not messages."""
    ingested = _memory().ingest(alone)
    assert (ingested.accepted, ingested.rejected) == (accepted, [])


def test_texts_are_taken_as_they_came() -> None:
    """What a web server received is accepted as it is: messages, a batch of them, and text that is neither."""
    texts = [
        b'{"type":"track","event":"purchase","userId":"ada","properties":{"price":30}}',
        b'{"batch":[{"type":"track","event":"purchase","userId":"bob"},7]}',
        b"no json",
    ]
    with _memory() as engine:
        ingested = engine.ingest(texts)
        assert _entered(ingested) == ["ada", "bob"]
    assert ingested.accepted == 2
    assert [(r.index, r.code) for r in ingested.rejected] == [(2, "not-an-object"), (3, "bad-json")]


@pytest.mark.parametrize("batch", [{"batch": [purchase(1), {}, purchase(2)]}, purchase(1)])
@pytest.mark.parametrize("written", [dict, encode])
def test_what_comes_alone_needs_no_list(
    batch: dict[str, object], written: Callable[[object], WireMessage]
) -> None:
    """A request's body is one dict, or one text; neither is read item by item."""
    listed, alone = _memory().ingest([written(batch)]), _memory().ingest(written(batch))
    assert (alone.accepted, alone.rejected) == (listed.accepted, listed.rejected)
    assert alone.accepted > 0


def test_a_message_that_cannot_be_read_leaves_the_others_of_its_text_alone() -> None:
    """Text that is not JSON, or that nests too deep, at any depth."""
    bad = [b"tru", *(b"[" * deep + b"]" * deep for deep in (300, 100_000))]
    items = [b'{"type":"track","event":"purchase","properties":{"x":%s}}' % each for each in bad]
    text = b'{"batch":[%s]}' % b",".join([encode(purchase(1)), *items, encode(purchase(2))])
    ingested = _memory().ingest([text])
    assert ingested.accepted == 2
    assert [(r.index, r.code) for r in ingested.rejected] == [
        (1, "bad-json"),
        (2, "too-deep"),
        (3, "too-deep"),
    ]


def test_what_is_beyond_the_limit_of_a_batch_is_named_not_dropped() -> None:
    """The first part is accepted; the sender is told once from which place to send again."""
    ingested = _memory().ingest(purchase(number) for number in range(MAX_BATCH_MESSAGES + 2))
    assert ingested.accepted == MAX_BATCH_MESSAGES
    assert [(each.index, each.code) for each in ingested.rejected] == [
        (MAX_BATCH_MESSAGES, "batch-too-large")
    ]


def test_an_empty_batch_is_nothing() -> None:
    """SDKs send them."""
    assert _memory().ingest([]) == Ingested(accepted=0, duplicates=0)


def test_requests_and_warnings_are_in_the_answer() -> None:
    """A caller who asks for a deletion gets its outcome at once."""
    engine = _memory()
    engine.identify("ada")
    ingested = engine.track("Delete Person", user_id="ada", source="client")
    assert [(each.outcome, each.reason) for each in ingested.requests] == [("held", "source")]
    near = engine.track("delete person", user_id="ada")
    assert [warning.code for warning in near.warnings] == ["near-miss"]
    assert [each.action for each in engine.requests()] == ["Delete Person"]


# --- the host's own transaction --------------------------------------------------------------


@pytest.fixture
def host(database: str) -> Iterator[Database]:
    """The host's database, of either kind, with a table of its own."""
    host, _ = engine_of(database, patience=30)
    with host.begin() as connection:
        connection.execute(text("CREATE TABLE orders (id TEXT PRIMARY KEY)"))
    yield host
    with host.begin() as connection:
        connection.execute(text("DROP TABLE orders"))
    host.dispose()


def _order(connection: Connection, number: int) -> None:
    connection.execute(text("INSERT INTO orders VALUES (:id)"), {"id": f"order-{number}"})


def _kept(host: Database, engine: Engine) -> tuple[int, int, int]:
    """The numbers of orders, messages and deliveries."""
    with host.connect() as connection:
        orders = connection.scalar(text("SELECT count(*) FROM orders"))
    with engine.store.session() as session:
        counts = session.counts()
    return orders or 0, counts.messages, counts.deliveries


def test_the_hosts_write_and_our_record_commit_together(host: Database) -> None:
    """One transaction holds both."""
    engine = Engine.open(host, rules=book_of(thanks()))
    with host.begin() as connection:
        _order(connection, 1)
        taken = engine.track("purchase", user_id="ada", connection=connection)
        assert _entered(taken) == ["ada"]
    assert _kept(host, engine) == (1, 1, 1)


def test_what_the_host_rolls_back_was_never_recorded(host: Database) -> None:
    """No delivery is made for an order that does not exist; the same message may be sent again."""
    engine = Engine.open(host, rules=book_of(thanks()))
    for _ in range(2):
        with host.connect() as connection:
            _order(connection, 1)
            engine.ingest([purchase(1)], connection=connection)
            connection.rollback()
    assert _kept(host, engine) == (0, 0, 0)
    engine.ingest([purchase(1)])
    assert _kept(host, engine) == (0, 1, 1)


def test_a_rule_first_used_in_a_transaction_that_was_rolled_back_keeps_its_version(
    host: Database,
) -> None:
    """Otherwise later entries would follow a version that is not stored."""
    waiting = thanks(whereupon=[{"wait": "1h"}, {"send": "push", "title": "As it was"}])
    clock = FrozenClock(NOON)
    engine = Engine.open(host, rules=book_of(waiting), clock=clock)
    with host.connect() as connection:
        engine.ingest([purchase(1)], connection=connection)
        connection.rollback()
    engine.ingest([purchase(2)])
    edited = thanks(whereupon=[{"wait": "1h"}, {"send": "push", "title": "Edited"}])
    clock.move_to(NOON + timedelta(hours=1))
    later = Engine.open(host, rules=book_of(edited), clock=clock)
    list(later.wake(clock.now()))
    assert [each.content for each in later.deliveries()] == [{"title": "As it was"}]


def test_several_calls_in_one_transaction_see_each_other(host: Database) -> None:
    """A claim finds what the same transaction recorded before."""
    engine = Engine.open(host, rules=book_of(thanks()))
    with host.begin() as connection:
        engine.track("purchase", anonymous_id="anon-1", connection=connection)
        taken = engine.identify("ada", anonymous_id="anon-1", connection=connection)
        assert _entered(taken) == ["ada"]


def test_a_message_that_we_reject_leaves_the_hosts_transaction_usable(host: Database) -> None:
    """The host decides what our error means for its order."""
    engine = Engine.open(host, rules=book_of(thanks()))
    with host.begin() as connection:
        _order(connection, 1)
        with pytest.raises(MessageRejectedError):
            engine.track("purchase", connection=connection)
        engine.track("purchase", user_id="ada", connection=connection)
        _order(connection, 2)
    assert _kept(host, engine) == (2, 1, 1)


def test_a_record_that_fails_halfway_leaves_nothing_of_it_in_the_hosts_transaction(
    host: Database,
) -> None:
    """A host that catches our error and commits keeps its order, and no part of our record."""
    engine = Engine.open(host, rules=book_of(thanks()))
    engine.ingest([purchase(1)])
    taken = "UPDATE whereupon_message SET message_id = 'other'"  # and its delivery's key is not
    with host.begin() as connection:
        connection.execute(text(taken))
    with host.begin() as connection:
        _order(connection, 1)
        with pytest.raises(StoreError) as caught:
            engine.ingest([purchase(1)], connection=connection)
    assert caught.value.code == "conflict"
    assert _kept(host, engine) == (1, 1, 1)


def test_a_broadcast_may_be_called_up_in_the_hosts_transaction(host: Database) -> None:
    """It starts if, and only if, the host commits."""
    engine = Engine.open(host, rules=book_of(news()))
    engine.identify("ada")
    with host.connect() as connection:
        engine.trigger("news", key="june", connection=connection)
        connection.rollback()
    engine.run_due()
    assert engine.deliveries() == []
    with host.begin() as connection:
        engine.trigger("news", key="june", connection=connection)
    engine.run_due()
    assert len(engine.deliveries()) == 1


def test_a_dead_delivery_may_be_put_back_in_the_hosts_transaction(host: Database) -> None:
    """It is due again if, and only if, the host commits."""
    once = Retry(tries=1)
    engine = Engine.open(host, rules=book_of(thanks()), clock=FrozenClock(NOON), retry=once)
    engine.channel("push")(lambda _: 1 / 0)
    engine.ingest([purchase(1)])
    engine.run_due()
    (dead,) = engine.deliveries(DeliveryState.DEAD)
    with host.connect() as connection:
        engine.retry(dead, connection=connection)
        connection.rollback()
    assert engine.deliveries(DeliveryState.PENDING) == []
    with host.begin() as connection:
        engine.retry(dead, connection=connection)
    assert len(engine.deliveries(DeliveryState.PENDING)) == 1


_WRITING: list[Callable[[Engine, Connection], object]] = [
    lambda engine, c: engine.track("purchase", user_id="ada", connection=c),
    lambda engine, c: engine.page("Home", user_id="ada", connection=c),
    lambda engine, c: engine.screen("Cart", user_id="ada", connection=c),
    lambda engine, c: engine.identify("ada", traits={"plan": "pro"}, connection=c),
    lambda engine, c: engine.group("acme", user_id="ada", connection=c),
    lambda engine, c: engine.alias("ada", previous_id="anon-1", connection=c),
    lambda engine, c: engine.ingest([purchase(1)], connection=c),
    lambda engine, c: engine.track("Delete Person", user_id="bob", connection=c),
    lambda engine, c: engine.trigger("news", connection=c),
    lambda engine, c: engine.trigger("news", people=["ada"], connection=c),
]


@pytest.mark.parametrize("call", _WRITING)
def test_every_writing_call_is_taken_back_with_the_hosts_transaction(
    call: Callable[[Engine, Connection], object], host: Database
) -> None:
    """No row of any table stays, except what is shared: keys, names of events, rules."""

    def left() -> dict[str, list[tuple[object, ...]]]:
        tables = tables_in(host.url.render_as_string(hide_password=False))
        if host.dialect.name != "sqlite":  # where nobody else can write meanwhile
            del tables["whereupon_name"], tables["whereupon_wording"]
        return tables

    engine = Engine.open(host, rules=book_of(thanks(), news()), clock=FrozenClock(NOON))
    engine.identify("bob")
    before = left()
    with host.connect() as connection:
        _order(connection, 1)
        call(engine, connection)
        connection.rollback()
    assert left() == before
    with host.begin() as connection:
        call(engine, connection)
    assert left() != before


@pytest.mark.parametrize("connection", ["sqlite://", 7])
def test_what_is_no_connection_is_refused(connection: HostTransaction, host: Database) -> None:
    """The error says what to pass."""
    engine = Engine.open(host, rules=book_of(thanks()))
    with pytest.raises(StoreError, match="connection="):
        engine.track("purchase", user_id="ada", connection=connection)


# --- many at once ----------------------------------------------------------------------------


def test_eight_threads_lose_nothing_and_let_nobody_in_twice(tmp_path: Path) -> None:
    """Each message is recorded once though every thread sends them all; each person enters once."""
    database = tmp_path / "shop.db"
    with Engine.open(f"sqlite:///{database}", rules=book_of(thanks(reentry="once"))) as engine:
        accepted = [0] * 8

        def work(thread: int) -> None:
            for first in range(0, 200, 10):
                turn = (first + thread * 30) % 200
                batch = [purchase(n, f"user-{n % 20}") for n in range(turn, turn + 10)]
                accepted[thread] += engine.ingest(batch).accepted

        in_threads(8, work)
    tables = tables_in(f"sqlite:///{database}")
    assert sum(accepted) == len(tables["whereupon_message"]) == 200
    assert len(tables["whereupon_person"]) == len(tables["whereupon_entry"]) == 20
    assert len(tables["whereupon_delivery"]) == 20


@pytest.mark.parametrize("store", ["memory://", "sqlite:///{folder}/shop.db"])
def test_threads_that_dispatch_at_once_send_everything_once(store: str, tmp_path: Path) -> None:
    """A delivery is leased to one of them."""
    sent: list[str] = []
    with Engine.open(store.format(folder=tmp_path), rules=book_of(thanks())) as engine:
        engine.channel("push")(lambda delivery: sent.append(delivery.idempotency_key))
        engine.ingest([purchase(number) for number in range(500)])
        in_threads(4, lambda _: [engine.run_due()].clear())
        assert len(sent) == len(set(sent)) == 500
        assert len(engine.deliveries(DeliveryState.SENT, limit=1_000)) == 500


def test_two_engines_of_one_process_share_a_database(tmp_path: Path) -> None:
    """Each sees what the other recorded, with names and rule versions."""
    url, rules = f"sqlite:///{tmp_path}/shop.db", book_of(thanks(reentry="once"))
    with Engine.open(url, rules=rules) as one, Engine.open(url, rules=rules) as two:
        entered = [
            _entered(engine.ingest([purchase(number, f"user-{number % 5}")]))
            for number in range(20)
            for engine in (one, two)
        ]
        assert sum(map(len, entered)) == 5
        assert one.deliveries() == two.deliveries()


# --- the background ----------------------------------------------------------------------------


def test_the_background_sends_what_is_due_as_soon_as_it_is_recorded(tmp_path: Path) -> None:
    """No poll is needed, and none is waited for."""
    with Engine.open(f"sqlite:///{tmp_path}/shop.db", rules=book_of(thanks())) as engine:
        sent = threading.Semaphore(0)
        engine.channel("push")(lambda _: sent.release())
        engine.start()
        for number in range(20):
            engine.ingest([purchase(number)])
            assert sent.acquire(timeout=_PATIENCE)


def test_the_background_wakes_when_a_wait_is_over(tmp_path: Path) -> None:
    """The wait began before the engine did, and ends a moment later."""
    rules = book_of(thanks(whereupon=[{"wait": "1h"}, {"send": "push", "title": "Thanks"}]))
    url = f"sqlite:///{tmp_path}/shop.db"
    nearly_due = datetime.now(UTC) - timedelta(hours=1) + timedelta(milliseconds=300)  # noqa: TID251
    with Engine.open(url, rules=rules, clock=FrozenClock(nearly_due)) as engine:
        engine.ingest([purchase(1)])
    with Engine.open(url, rules=rules) as engine:
        sent = threading.Event()
        engine.channel("push")(lambda _: sent.set())
        engine.start()
        assert sent.wait(_PATIENCE)


def test_closing_stops_the_background_and_a_second_start_is_harmless(tmp_path: Path) -> None:
    """No thread is left, and a second close does nothing."""
    before = set(threading.enumerate())
    engine = Engine.open(f"sqlite:///{tmp_path}/shop.db", rules=book_of(thanks()))
    sent = threading.Semaphore(0)
    engine.channel("push")(lambda _: sent.release())
    engine.start()
    engine.start()
    engine.ingest([purchase(1)])
    assert sent.acquire(timeout=_PATIENCE)
    assert not sent.acquire(blocking=False)
    engine.close()
    engine.close()
    assert set(threading.enumerate()) <= before


class _Heard(logging.Handler):
    """A handler that waits for the first word of a log record, which is for machines."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word, self.heard = word, threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().split()[0] == self.word:
            self.heard.set()


@contextmanager
def _hearing(word: str) -> Iterator[threading.Event]:
    handler = _Heard(word)
    logging.getLogger("whereupon").addHandler(handler)
    try:
        yield handler.heard
    finally:
        logging.getLogger("whereupon").removeHandler(handler)


def test_the_background_survives_a_round_that_fails(tmp_path: Path) -> None:
    """A table is missing for a moment; due deliveries are sent when it is back, and the log reports it."""
    database = tmp_path / "shop.db"
    with Engine.open(f"sqlite:///{database}", rules=book_of(thanks())) as engine:
        sent = threading.Event()
        engine.channel("push")(lambda _: sent.set())
        with connect(database) as other:
            other.execute("ALTER TABLE whereupon_run RENAME TO away")
        with _hearing("round-failed") as failed:
            engine.start()
            engine.ingest([purchase(1)])
            assert failed.wait(_PATIENCE)
        with connect(database) as other:
            other.execute("ALTER TABLE away RENAME TO whereupon_run")
        other.close()
        engine.ingest([purchase(2)])
        assert sent.wait(_PATIENCE)


# --- opening and asking --------------------------------------------------------------------------


def test_rules_with_faults_do_not_open(tmp_path: Path) -> None:
    """The error has all diagnostics of the folder."""
    (tmp_path / "one.yaml").write_text("campaign: one\n")
    (tmp_path / "two.yaml").write_text("campaign: other\n")
    with pytest.raises(RulesInvalidError) as caught:
        Engine.open("memory://", rules=tmp_path)
    assert {each.location.file.split("/")[-1] for each in caught.value.diagnostics} == {
        "one.yaml",
        "two.yaml",
    }


def test_rules_of_another_kind_are_no_rules(tmp_path: Path) -> None:
    """An engine without rules triggers nothing, so it is never opened by accident."""
    rules: Any = 7
    with pytest.raises(TypeError):
        Engine.open("memory://", rules=rules)
    (tmp_path / "thanks.yaml").write_text(json.dumps(thanks()))

    class Place(os.PathLike[str]):
        def __fspath__(self) -> str:
            return str(tmp_path)

    with Engine.open("memory://", rules=Place()) as engine:
        assert _entered(engine.ingest([purchase(1)])) == ["ada"]


@pytest.mark.parametrize("store", ["no url", "nosuch://x", "sqlite:////no/such/folder/shop.db", 7])
def test_a_store_that_cannot_be_opened_is_an_error_of_ours(store: str) -> None:
    """The error is not the driver's."""
    with pytest.raises(StoreError):
        Engine.open(store)


def test_explaining_somebody_unknown_names_them() -> None:
    """A misspelt name does not give an empty answer."""
    with pytest.raises(UnknownNameError, match="adda"):
        _memory().explain("adda", "thanks")


def test_a_slot_that_one_batch_frees_and_takes_is_no_conflict(tmp_path: Path) -> None:
    """A person who orders and fills the next cart at once is let in again, by one batch as by two."""
    cart = thanks(
        when="Product Added",
        exit="purchase",
        reentry="not_while_active",
        whereupon=[{"wait": "4h"}, {"send": "push", "title": "Your cart"}],
    )
    added = {"type": "track", "event": "Product Added", "userId": "ada"}
    with Engine.open(f"sqlite:///{tmp_path}/shop.db", rules=book_of(cart)) as engine:
        assert _entered(engine.ingest([added])) == ["ada"]
        assert _entered(engine.ingest([purchase(1), added])) == ["ada"]


@pytest.fixture
def thawed() -> Iterator[None]:
    """Nothing is frozen, as in a process that does not run tests."""
    gc.unfreeze()
    yield
    gc.freeze()


@pytest.mark.usefixtures("thawed")
def test_the_hosts_collector_is_left_alone() -> None:
    """Python's cycle collector belongs to the process; only `bulk` pauses it, and starts it again."""
    before = gc.get_threshold()
    seen: set[tuple[bool, tuple[int, int, int]]] = set()

    def look(_phase: str, _facts: dict[str, int]) -> None:
        seen.add((gc.isenabled(), gc.get_threshold()))

    batch = [{"type": "track", "event": "purchase", "userId": f"p-{n}"} for n in range(2_000)]
    with _memory() as engine:
        gc.callbacks.append(look)
        try:
            engine.ingest(batch)
        finally:
            gc.callbacks.remove(look)
    assert seen == {(True, before)}
    with bulk():
        assert gc.isenabled()
        assert gc.get_threshold() != before
    assert gc.get_threshold() == before
    assert not gc.get_freeze_count()
